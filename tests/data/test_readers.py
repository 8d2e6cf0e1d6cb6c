"""Messy files first: every bad row is a problem with its line, and what is well-formed reads back equal."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.data.delimited import LONG_ROW, SHORT_ROW
from evalsuite.data.encodings import READ_AS_UTF16
from evalsuite.data.readers import READERS, first_record, read_records
from evalsuite.data.records import Record, Repair
from evalsuite.errors import DataError, Problem

fast = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def records(path: Path) -> list[Record]:
    items = [item for item in read_records(path) if not isinstance(item, Repair)]
    found = [item for item in items if isinstance(item, Record)]
    assert len(found) == len(items), [str(item) for item in items]
    return found


def problems(path: Path) -> list[str]:
    return [
        str(item).replace(str(path), path.name) for item in read_records(path) if isinstance(item, Problem)
    ]


def repairs(path: Path) -> list[tuple[int, str]]:
    return [(item.line, item.what) for item in read_records(path) if isinstance(item, Repair)]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_records(path))
    return str(caught.value)


class TestDelimited:
    def test_a_quoted_newline_does_not_shift_the_lines(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", 'q,a\n"two\nlines",1\nthird,2\n\n"x\n\ny",3\nlast,4\n')
        assert [(record.line, record.values["a"]) for record in records(path)] == [
            (2, "1"),
            (4, "2"),
            (6, "3"),
            (9, "4"),
        ]

    def test_mmlus_own_csv_has_no_header(self, tmp_path: Path) -> None:
        found = records(written(tmp_path, "law_test.csv", 'Who?,"x, y",z,u,v,B\nAnd?,1,2,3,4,A\n'))
        assert [(record.line, record.values["question"]) for record in found] == [(1, "Who?"), (2, "And?")]
        assert found[0].values == {
            "question": "Who?",
            "a": "x, y",
            "b": "z",
            "c": "u",
            "d": "v",
            "answer": "B",
        }
        with_header = written(tmp_path, "a.csv", "question,w,x,y,z,A\nq,1,2,3,4,5\n")
        assert records(with_header)[0].values["a"] == "5"

    @pytest.mark.parametrize("content", ["\n\nq,a\n1,2\n", "q,a\n\n  \n\n1,2\n\n", "q,a\n,\n,,,\n1,2\n , \n"])
    def test_blank_lines_and_rows_of_empty_cells_are_no_rows(self, tmp_path: Path, content: str) -> None:
        found = records(written(tmp_path, "a.csv", content))
        assert [record.values for record in found] == [{"q": "1", "a": "2"}]

    def test_bom_crlf_and_case_of_columns(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", b"\xef\xbb\xbf Question ,ANSWER\r\nx,\xe7\xad\x94\r\n")
        assert [(record.line, record.values) for record in records(path)] == [
            (2, {"question": "x", "answer": "答"})
        ]

    @pytest.mark.parametrize("index", ["", "Unnamed: 0", " "])
    def test_an_unnamed_index_column_is_dropped(self, tmp_path: Path, index: str) -> None:
        path = written(tmp_path, "a.csv", f"{index},Question,A,B,C,D,Answer\n0,q,1,2,3,4,A\n")
        assert list(records(path)[0].values) == ["question", "a", "b", "c", "d", "answer"]

    def test_a_row_with_a_filled_cell_too_many_is_named_with_that_cell(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "q,a\n1,2\n1,2,,three\n")
        assert problems(path) == [
            (
                "a.csv:3: a row of 4 fields; 'three' belongs to no column; "
                "expected 2 fields as in the header; put texts that hold the separator in double quotes"
            )
        ]

    def test_empty_cells_missing_or_superfluous_at_the_end_are_read_and_said(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "q,a,b\n1\n1,2,3,, \n1,2,3\n")
        assert [record.values for record in records(path)] == [
            {"q": "1", "a": "", "b": ""},
            {"q": "1", "a": "2", "b": "3"},
            {"q": "1", "a": "2", "b": "3"},
        ]
        assert repairs(path) == [(2, SHORT_ROW), (3, LONG_ROW)]

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            ("sep=;\nquery;response\nx,y;1\n", 1, "'sep=;'"),
            ('"sep=;"\r\nquery;response\r\nx,y;1\r\n', 1, "sep=;"),
            ("query\tresponse\nx,y\t1\n", 1, "separated by a tab"),
            ("query;response\nx,y;1\n", 1, "separated by a semicolon"),
            ("\n\nquery;response\nx,y;1\n", 3, "separated by a semicolon"),
            ('My questions,\n2024\nquery,response\n"x,y",1\n', 1, "'My questions'"),
        ],
    )
    def test_what_spreadsheets_write_is_read_and_said_once(
        self, tmp_path: Path, content: str, line: int, said: str
    ) -> None:
        path = written(tmp_path, "a.csv", content)
        (record,) = records(path)
        assert record.values == {"query": "x,y", "response": "1"}
        assert record.line == content.rstrip().count("\n") + 1
        ((where, what),) = repairs(path)
        assert where == line
        assert said in what

    def test_commas_in_a_tsv_are_read_as_separators_only_if_the_header_says_so(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.tsv", "question,answer\nx,1\n")
        assert records(path)[0].values == {"question": "x", "answer": "1"}
        tabs = written(tmp_path, "b.tsv", "question, all of it\tanswer\nx,y\t1\n")
        assert list(records(tabs)[0].values) == ["question, all of it", "answer"]
        assert repairs(tabs) == []

    def test_names_of_columns_are_read_without_width_and_invisible_characters(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "Ｑuestion,Ａ\u200b,\xa0B ,answer\n1,2,3,4\n")
        assert list(records(path)[0].values) == ["question", "a", "b", "answer"]

    def test_broken_quoting_says_where_the_row_starts_and_goes_on(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", 'q,a\n"x"y,1\nok,2\n"open\nnever closed,3\n')
        first, second = problems(path)
        assert first.startswith("a.csv:2: broken quoting")
        assert second.startswith("a.csv:4: broken quoting")
        assert [item.line for item in read_records(path) if isinstance(item, Record)] == [3]

    def test_a_broken_header_is_said_once_and_no_row_is_taken_for_it(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", '"q"x,a\n1,2\n3,4\n')
        assert len(problems(path)) == 1

    def test_a_duplicate_column(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "\nq,Answer,,answer,\n1,2,3,4,5\n")
        assert problems(path) == [
            "a.csv:2: the column 'answer' is there 2 times; expected every column once (case, width and invisible characters are ignored)"
        ]

    def test_carriage_returns_alone_are_no_line_ends(self, tmp_path: Path) -> None:
        assert problems(written(tmp_path, "a.csv", "q,a\r1,2\r")) == [
            "a.csv:1: a carriage return that ends no line; expected lines that end in LF or CR LF"
        ]

    def test_a_field_longer_than_the_csv_module_likes(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.tsv", "q\ta\nx\t" + "y" * 200_000 + "\n")
        assert len(records(path)[0].values["a"]) == 200_000

    def test_rows_are_streamed(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "q,a\n1,2\n" + "ragged\n" * 3)
        stream = read_records(path)
        assert isinstance(stream, Generator)
        assert isinstance(next(stream), Record)
        stream.close()


class TestEncodings:
    CHINESE = "问题,答案\n以下哪项正确？,第一项\n再问一次,第二项\n"

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.tsv"])
    @pytest.mark.parametrize(
        ("text", "codec", "encoding", "iconv"),
        [
            ("问题,答案\n以下哪项正确？,第一项\n", "gb18030", "GB18030", "GB18030"),
            ("問題,答案\n哪個是水果？,蘋果\n", "big5", "Big5", "BIG5"),
            ("問題,答え\nどれが果物ですか,りんご\n", "cp932", "Shift-JIS", "CP932"),
            ("問題,答え\nどれが果物ですか,りんご\n", "euc_jp", "EUC-JP", "EUC-JP"),
            ("문제,답\n과일은 무엇입니까?,사과\n", "cp949", "EUC-KR", "CP949"),
            ("q,a\nWhat’s a “fruit”?,apple\n", "cp1252", "Windows-1252", "WINDOWS-1252"),
            ("вопрос,ответ\nЧто это такое?,яблоко\n", "cp1251", "Windows-1251", "WINDOWS-1251"),
        ],
    )
    def test_another_encoding_is_named_with_its_words_and_its_command(
        self, tmp_path: Path, name: str, text: str, codec: str, encoding: str, iconv: str
    ) -> None:
        said = refusal(written(tmp_path, name, text.encode(codec)))
        assert "1 problem" in said
        (line,) = [line for line in said.splitlines() if line.strip().startswith(f"{encoding}, if")]
        beyond_ascii = next(line for line in text.splitlines() if not line.isascii())
        assert f"if the text reads '{beyond_ascii[:20].strip()}" in line
        assert f"iconv -f {iconv} -t UTF-8 {name} > utf8-{name}" in line

    def test_every_encoding_that_fits_is_named_and_none_is_called_the_right_one(self, tmp_path: Path) -> None:
        said = refusal(written(tmp_path, "a.csv", "問題,答案\n哪個是水果？,蘋果\n".encode("big5")))
        assert "GB18030, Big5" in said
        assert " fit it" in said
        assert said.count("iconv -f") >= 2

    @pytest.mark.parametrize(("codec", "shown"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")])
    @pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
    def test_utf16_without_a_mark_is_refused(self, tmp_path: Path, codec: str, shown: str, name: str) -> None:
        assert f"{shown} fits it" in refusal(written(tmp_path, name, "question,答\nx,y\n".encode(codec)))

    @pytest.mark.parametrize(("codec", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.csv", "question\tanswer\r\n“x”, y\t答\r\n"),
            ("a.tsv", "question\tanswer\n“x”, y\t答\n"),
            ("a.jsonl", '{"question": "“x”, y", "answer": "答"}\n'),
            ("a.json", '[\n{"question": "“x”, y", "answer": "答"}]'),
        ],
    )
    def test_utf16_with_a_mark_is_read_and_said(
        self, tmp_path: Path, codec: str, mark: bytes, name: str, content: str
    ) -> None:
        path = written(tmp_path, name, mark + content.encode(codec))
        (record,) = records(path)
        assert record.values == {"question": "“x”, y", "answer": "答"}
        assert (1, READ_AS_UTF16) in repairs(path)

    def test_a_file_name_with_a_space_is_quoted_in_the_command(self, tmp_path: Path) -> None:
        assert "'my file.csv'" in refusal(written(tmp_path, "my file.csv", self.CHINESE.encode("gb18030")))

    @pytest.mark.parametrize("bad", [b"caf\xe9", b"na\xefve", b"\xff\xfe"])
    def test_one_bad_byte_in_a_good_file_is_one_row_not_another_encoding(
        self, tmp_path: Path, bad: bytes
    ) -> None:
        good = "文,é\n" * 5
        path = written(tmp_path, "a.csv", b"q,a\n" + good.encode() + b"x," + bad + b"\n" + good.encode())
        (problem,) = problems(path)
        assert problem.startswith("a.csv:7: byte 0x")
        assert problem.endswith("is not UTF-8; expected UTF-8 text")
        assert len([item for item in read_records(path) if isinstance(item, Record)]) == 10

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
    def test_latin1_is_never_called_chinese_because_converting_would_destroy_it(
        self, tmp_path: Path, name: str
    ) -> None:
        content = "q,a\nna\xefve,1\nr\xe9sum\xe9s,2\n".encode("latin-1")
        said = refusal(written(tmp_path, name, content))
        assert "the file is not UTF-8; Windows-1252 fits it" in said
        assert "if the text reads 'naïve,1'" in said

    def test_a_bad_byte_in_a_row_with_broken_quoting_is_not_lost(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.csv", "文,é\n".encode() + b'1,"\xe9 open\n')
        assert [problem.split(":")[1] for problem in problems(path)] == ["2", "2"]

    def test_a_bad_byte_in_jsonl_is_that_line(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.jsonl", '{"a": "é文字"}\n'.encode() + b'{"a": "caf\xe9"}\n{"a": 2}\n')
        assert [problem.split(":")[1] for problem in problems(path)] == ["2"]

    def test_bad_bytes_in_json_are_their_lines(self, tmp_path: Path) -> None:
        path = written(
            tmp_path, "a.json", b'[{"a": "\xe9"},\n' + '{"a": "é文字文字"},\n'.encode() + b'{"a": "\xe8 "}]'
        )
        assert [problem.split(":")[1] for problem in problems(path)] == ["1", "3"]

    def test_half_an_emoji_in_model_text_is_replaced(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.jsonl", b'{"a": "ok \xf0\x9f\x98"}\n')
        (record,) = read_records(path, lenient=True)
        assert isinstance(record, Record)
        assert record.values["a"].startswith("ok \ufffd")

    def test_many_bad_lines_do_not_read_the_file_again_for_each(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, "a.csv", b"q,a\n" + b"caf\xe9 ,1\n" * 200 + "文文".encode() * 200)
        reads = []
        original = Path.read_bytes

        def read_bytes(path: Path) -> bytes:
            reads.append(path)
            return original(path)

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        assert len(problems(path)) == 200
        assert len(reads) == 1


class TestJsonLines:
    def test_every_broken_line_and_every_line_that_is_no_object(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": \n[1]\n"x"\nnull\n3\ntrue\n{"a": 2}\n')
        assert [problem.split(";")[0].split(" (")[0] for problem in problems(path)] == [
            "a.jsonl:3: broken JSON",
            "a.jsonl:4: a JSON array",
            "a.jsonl:5: a JSON string",
            "a.jsonl:6: a JSON null",
            "a.jsonl:7: a JSON number",
            "a.jsonl:8: a JSON boolean",
        ]

    def test_bom_crlf_and_no_last_newline(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"A": 1}\r\n{"a": 2}')
        assert [(record.line, record.values) for record in records(path)] == [(1, {"a": 1}), (2, {"a": 2})]

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
    def test_a_key_twice_but_for_its_case(self, tmp_path: Path, name: str) -> None:
        line = '{"Answer": "A", "answer": "B"}'
        (problem,) = problems(written(tmp_path, name, line if name == "a.jsonl" else f"[\n{line}]"))
        assert "the column 'answer' is there 2 times" in problem

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
    def test_half_of_a_surrogate_pair_cannot_be_sent(self, tmp_path: Path, name: str) -> None:
        (problem,) = problems(
            written(tmp_path, name, r'[{"a": "\ud83d"}]'[1:-1] if name == "a.jsonl" else r'[{"a": "\ud83d"}]')
        )
        assert "surrogate" in problem
        whole = written(
            tmp_path,
            f"whole-{name}",
            r'{"a": "\ud83d\ude00"}' if name == "a.jsonl" else r'[{"a": "\ud83d\ude00"}]',
        )
        assert records(whole)[0].values == {"a": "😀"}


class TestJsonDocuments:
    def test_an_error_in_the_middle_has_its_line_after_the_rows_before_it(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a.json", '[\n {"a": 1},\n {"a": 2},\n {"a": oops},\n {"a": 3}\n]')
        items = list(read_records(path))
        assert [item.line for item in items] == [2, 3, 4]
        assert str(items[-1]).endswith(
            ":4: broken JSON (Expecting value, column 8); expected a JSON array of objects"
        )

    @pytest.mark.parametrize(
        ("content", "line", "why"),
        [
            ('[{"a": 1}\n', 2, "Expecting ',' or ']'"),
            ('[{"a": 1},\n]', 2, "Illegal trailing comma"),
            ('[{"a": 1}]\n[{"a": 2}]', 2, "Extra data"),
            ('[{"a": 1}]\n\nx', 3, "Extra data"),
            ('[{"a": 1}\n{"a": 2}]', 2, "Expecting ',' or ']'"),
            ("nonsense", 1, "Expecting value"),
            ('{"data": [{"a": 1},\n\n{"a": ]}', 3, "Expecting value"),
            ("[", 1, "Expecting value"),
        ],
    )
    def test_broken_documents(self, tmp_path: Path, content: str, line: int, why: str) -> None:
        (problem,) = problems(written(tmp_path, "a.json", content))
        assert problem.startswith(f"a.json:{line}: broken JSON ({why}")

    @pytest.mark.parametrize(
        "content",
        [
            '{"data":\n [{"a": 1}]}',
            '{"name": "data", "meta": {"data": [9], "x": "[["}, "data":\n [{"a": 1}], "version": 2}',
            '{"\\u6570\\u636e":\n[{"a": 1}]}',
            ' {"x" : "]" , "data" :\n[ {"a": 1} ] } ',
        ],
    )
    def test_an_object_that_holds_one_array(self, tmp_path: Path, content: str) -> None:
        assert [(record.line, record.values) for record in records(written(tmp_path, "a.json", content))] == [
            (2, {"a": 1})
        ]

    @pytest.mark.parametrize(
        "content",
        ['{"a": [1], "b": [2]}', '{"question": {"0": "x"}}', "{}", "3", '"text"', "null", '["a": 1'[1:4]],
    )
    def test_a_document_without_one_list_of_records(self, tmp_path: Path, content: str) -> None:
        (problem,) = problems(written(tmp_path, "a.json", content))
        assert "JSON without one list of records; expected an array of objects" in problem

    def test_an_element_that_is_no_object_has_its_line(self, tmp_path: Path) -> None:
        assert problems(written(tmp_path, "a.json", '[{"a": 1},\n7,\n{"a": 2}]')) == [
            "a.json:2: a JSON number; expected a JSON object with the columns as keys"
        ]

    def test_nesting_without_end_is_a_problem_not_a_crash(self, tmp_path: Path) -> None:
        assert len(problems(written(tmp_path, "a.json", "[" * 100_000))) == 1
        assert len(problems(written(tmp_path, "a.jsonl", "[" * 100_000))) == 1

    @pytest.mark.parametrize("content", ["", "  \n", "[]", '{"data": []}'])
    def test_nothing_in_it(self, tmp_path: Path, content: str) -> None:
        assert list(read_records(written(tmp_path, "a.json", content))) == []


class TestParquet:
    def test_rows_types_and_columns(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        columns = {
            "Question": ["q", None],
            "choices": [["x", "y"], ["z"]],
            "__x": [1, 2],
            "Unnamed: 0": [0, 1],
        }
        parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        assert [(record.line, record.values) for record in records(tmp_path / "a.parquet")] == [
            (1, {"question": "q", "choices": ["x", "y"], "__x": 1}),
            (2, {"question": None, "choices": ["z"], "__x": 2}),
        ]

    @pytest.mark.parametrize("content", [b"", b"PAR1 this is none", b"question,answer\n"])
    def test_a_file_that_is_no_parquet(self, tmp_path: Path, content: bytes) -> None:
        pytest.importorskip("pyarrow")
        (problem,) = problems(written(tmp_path, "a.parquet", content))
        assert "not a readable Parquet file" in problem

    def test_without_pyarrow_the_message_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import sys

        from evalsuite.errors import InputError

        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(InputError, match=r"pip install 'evalsuite\[parquet\]'"):
            list(read_records(written(tmp_path, "a.parquet", b"")))


def test_the_first_record_is_the_first_that_can_be_read(tmp_path: Path) -> None:
    found = first_record(written(tmp_path, "a.csv", "q,a\nr,a,gged\n1,2\n"))
    assert found is not None
    assert found.line == 3
    assert first_record(written(tmp_path, "header.csv", "q,a\n")) is None
    with pytest.raises(DataError) as caught:
        first_record(written(tmp_path, "bad.csv", "q,a\nr,a,gged\n1,2,3\n"))
    assert len(caught.value.problems) == 2


def test_an_unknown_ending_names_the_known_ones(tmp_path: Path) -> None:
    assert "unknown file format '.xlsx'; expected one of .csv .tsv .jsonl .json .parquet" in refusal(
        written(tmp_path, "a.xlsx", b"PK")
    )


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json"])
def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path, ending: str) -> None:
    assert "No such file" in refusal(tmp_path / f"none{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    assert "Is a directory" in refusal(tmp_path / f"folder{ending}")


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
names = st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=5, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    header = draw(names)
    row = st.lists(cells, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row.filter(lambda cells: any(cell.strip() for cell in cells)), max_size=8))


@fast
@given(
    tables(), st.sampled_from([(".csv", ","), (".tsv", "\t")]), st.sampled_from(["\n", "\r\n"]), st.booleans()
)
def test_any_table_written_by_the_csv_module_reads_back_equal(
    tmp_path: Path, table: Any, form: tuple[Any, ...], end: str, mark: bool
) -> None:
    header, rows = table
    ending, delimiter = form
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    path = written(tmp_path, f"table{ending}", ("\ufeff" if mark else "") + text.getvalue())
    found = records(path)
    assert [list(record.values.values()) for record in found] == rows
    starts = [1 + text.getvalue().count("\n", 0, text.getvalue().index(end) + len(end))]
    for row in rows[:-1]:
        starts.append(starts[-1] + 1 + sum(cell.count("\n") for cell in row))
    assert [record.line for record in found] == starts[: len(rows)]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cells, inner, max_size=3),
    max_leaves=6,
)
objects = st.lists(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), values, max_size=4), max_size=6
)


@fast
@given(objects, st.sampled_from([None, 0, 2]), st.booleans(), st.booleans())
def test_any_json_array_reads_back_equal(
    tmp_path: Path, rows: list[Any], indent: int | None, ascii_only: bool, wrapped: bool
) -> None:
    document = {"about": {"data": "["}, "data": rows, "count": 3} if wrapped else rows
    path = written(tmp_path, "rows.json", json.dumps(document, indent=indent, ensure_ascii=ascii_only))
    found = records(path)
    assert [record.values for record in found] == rows
    lines = path.read_text(encoding="utf-8").split("\n")
    assert all(lines[record.line - 1].lstrip().startswith(("{", "[", '"data"')) for record in found)


@fast
@given(objects)
def test_any_json_lines_read_back_equal(tmp_path: Path, rows: list[Any]) -> None:
    path = written(tmp_path, "rows.jsonl", b"\n".join(orjson.dumps(row) for row in rows))
    assert [(record.line, record.values) for record in records(path)] == list(enumerate(rows, start=1))


@fast
@given(st.binary(max_size=200), st.sampled_from([ending for ending in READERS if ending != ".parquet"]))
def test_any_bytes_are_records_problems_or_a_data_error(tmp_path: Path, content: bytes, ending: str) -> None:
    path = written(tmp_path, f"noise{ending}", content)
    with contextlib.suppress(DataError):
        for item in read_records(path):
            assert isinstance(item, Record | Problem | Repair)
