"""Two passes: every bad row is listed before anything is asked, then samples are streamed, never held."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, load_dataset, spread_evenly
from evalsuite.data.layout import DataFile
from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.errors import DataError


class Words:
    """A parser of its own: rows with a `word`, which must not be `bad`."""

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        return [] if "word" in columns else ["'word'"]

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        if values.get("words") is None:
            return (values,)
        if not values["words"]:
            raise RowError((f"record {number} has no words", "some"))
        return ({"id": f"{number}-{place}", "word": word} for place, word in enumerate(values["words"]))

    def parse(self, values: Mapping[str, Any]) -> str:
        if values["word"] == "bad":
            raise RowError(("the word is bad", "a good one"), ("and ugly", "a pretty one"))
        return str(values["word"])

    def repairs(self, row: str) -> Iterable[str]:
        return ("shouted words are read",) if row.isupper() else ()

    def audit(self, row: str) -> Iterable[tuple[str, str]]:
        return ()

    def facts(self, row: str) -> RowFacts:
        subject = row.partition(":")[0] if ":" in row else None
        return RowFacts(subject)

    def traits(self, row: str) -> Iterable[str]:
        return ("long",) if len(row) > 5 else ()


def data_file(folder: Path, name: str, content: str, dev: Path | None = None) -> DataFile:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return DataFile(path, path.stem, dev)


def load(*files: DataFile) -> Dataset[str]:
    return load_dataset("words", files, Words())


def listed(*files: DataFile) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(*files)
    return [str(problem).rpartition("/")[2] for problem in caught.value.problems]


class TestProblems:
    def test_every_fault_of_every_file_is_listed_dev_files_too(self, tmp_path: Path) -> None:
        dev = data_file(tmp_path, "dev.csv", "word\nbad\n")
        first = data_file(tmp_path, "a.csv", "id,word\n1,x\n2,bad\n1,y\n", dev.path)
        second = data_file(tmp_path, "b.jsonl", '{"word": "x"}\n{nonsense}\n')
        third = data_file(tmp_path, "c.csv", "")
        found = listed(first, second, third)
        assert found.pop(5).startswith("b.jsonl:2: broken JSON (")
        assert found == [
            "a.csv:3: the word is bad; expected a good one",
            "a.csv:3: and ugly; expected a pretty one",
            "a.csv:4: duplicate id '1' (also on line 2); expected every id once in a file",
            "dev.csv:2: the word is bad; expected a good one",
            "dev.csv:2: and ugly; expected a pretty one",
            "c.csv: an empty file; expected at least one row",
        ]

    @pytest.mark.parametrize("rows", ["x,1\n", "x,1\ny,2\n", "r,a,gged\nx,1\n"])
    def test_a_missing_column_is_said_once_even_if_the_first_row_is_ragged(
        self, tmp_path: Path, rows: str
    ) -> None:
        found = listed(data_file(tmp_path, "a.csv", f"Text,id\n{rows}"))
        wanted = "a.csv:1: missing column 'word'; expected it in the header (found: text, id)"
        assert [problem for problem in found if "missing" in problem] == [wanted]
        assert [problem for problem in found if "gged" in problem] == (
            [
                (
                    "a.csv:2: a row of 3 fields; 'gged' belongs to no column; "
                    "expected 2 fields as in the header; put texts that hold the separator in double quotes"
                )
            ]
            if "gged" in rows
            else []
        )

    def test_a_key_missing_in_one_json_row_is_that_row(self, tmp_path: Path) -> None:
        found = listed(data_file(tmp_path, "a.jsonl", '{"word": "x"}\n{"Wort": "y", "id": 3}\n{}\n'))
        assert found == [
            "a.jsonl:2: missing column 'word'; expected it among the keys (found: wort, id)",
            "a.jsonl:3: missing column 'word'; expected it among the keys (found: none)",
        ]

    @pytest.mark.parametrize(
        ("content", "what"),
        [("", "an empty file"), ("word,id\n", "no rows"), ("\n\n", "no rows"), ("word\n\n", "no rows")],
    )
    def test_nothing_to_ask(self, tmp_path: Path, content: str, what: str) -> None:
        assert listed(data_file(tmp_path, "a.csv", content)) == [f"a.csv: {what}; expected at least one row"]

    def test_duplicate_ids_are_found_in_json_on_one_line(self, tmp_path: Path) -> None:
        content = json.dumps([{"id": 7, "word": "x"}, {"id": "7", "word": "y"}])
        assert listed(data_file(tmp_path, "a.json", content)) == [
            "a.json:1: duplicate id '7' (also on line 1); expected every id once in a file"
        ]

    def test_one_file_that_cannot_be_read_does_not_hide_the_others(self, tmp_path: Path) -> None:
        chinese = tmp_path / "gb.csv"
        chinese.write_bytes("word\n以下哪项正确\n".encode("gb18030"))
        found = listed(DataFile(chinese, "gb"), data_file(tmp_path, "z.csv", "word\nbad\n"))
        assert [problem.split(":")[0] for problem in found] == ["gb.csv", "z.csv", "z.csv"]

    def test_one_problem_and_many_are_counted(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"^1 problem in the data:"):
            load(data_file(tmp_path, "a.csv", ""))
        with pytest.raises(DataError, match=r"^2 problems in the data"):
            load(data_file(tmp_path, "a.csv", "word\nbad\n"))

    def test_the_first_twenty_of_many_problems_are_listed_and_the_others_counted(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError) as caught:
            load(data_file(tmp_path, "a.csv", "word,id\n" + "".join(f"bad,{row}\n" for row in range(15))))
        message = str(caught.value)
        assert len(caught.value.problems) == 30
        assert message.count("; expected") == 20
        assert "… and 10 more; `evalsuite validate --json` lists all of them" in message

    def test_invisible_characters_in_a_message_are_spelled_out(self, tmp_path: Path) -> None:
        found = listed(data_file(tmp_path, "a.csv", "id,word\nx\u200b,y\nx\u200b,z\n"))
        assert found[0].startswith("a.csv:3: duplicate id 'x[U+200B ZERO WIDTH SPACE]' (also on line 2)")


class TestNotes:
    def test_columns_that_hold_something_and_that_nothing_reads_are_named_once(self, tmp_path: Path) -> None:
        rows = "".join(f"{row},x,,why,{row % 2}\n" for row in range(5))
        file = data_file(tmp_path, "a.csv", "id,word,empty,Comment,weight\n" + rows)
        assert load(file).notes == ("nothing reads the columns 'comment', 'weight'.",)

    def test_a_column_that_a_later_row_reads_is_not_named(self, tmp_path: Path) -> None:
        lines = '{"words": ["x"], "word": "unread"}\n' * 3 + '{"words": null, "word": "y"}\n'
        assert load(data_file(tmp_path, "a.jsonl", lines)).notes == ()

    def test_a_control_character_in_a_text_is_named(self, tmp_path: Path) -> None:
        lines = ['{"word": "x\\ty\\n"}', '{"word": "x\\u0000y"}', '{"word": "z\\u0000"}']
        file = data_file(tmp_path, "a.jsonl", "\n".join(lines))
        (note,) = load(file).notes
        assert note.startswith("the column 'word' holds the control character [U+0000], which is sent")
        assert note.endswith("a.jsonl:2).")
        assert load(replace(file, lenient=True)).notes == ()

    def test_repairs_of_files_and_rows_are_counted_with_their_first_place(self, tmp_path: Path) -> None:
        file = data_file(tmp_path, "a.csv", "word,id\nx\nLOUD,b\ny\nLOUDER,d\n")
        notes = [note.replace(str(file.path), "a.csv") for note in load(file).notes]
        assert notes == [
            "rows have fewer cells than the header; what is missing is read as empty (2 times, first a.csv:2).",
            "shouted words are read (2 times, first a.csv:3).",
        ]

    def test_columns_of_the_users_own_names(self, tmp_path: Path) -> None:
        columns = ColumnNames.from_mapping({"word": "Wort"})
        file = replace(data_file(tmp_path, "a.csv", "id,Wort,word\n1,x,y\n2,bad,z\n"), columns=columns)
        with pytest.raises(DataError, match=r"a.csv:3: the word is bad"):
            load(file)
        good = replace(data_file(tmp_path, "b.csv", "id,Wort\n1,x\n"), columns=columns)
        assert [sample.row for sample, _ in load(good).samples()] == ["x"]
        assert load(good).notes == ("--columns: 'word' is read from 'wort'.",)

    def test_a_name_of_the_users_that_is_no_column_is_refused_with_the_columns_there_are(
        self, tmp_path: Path
    ) -> None:
        columns = ColumnNames.from_mapping({"word": "Wort"})
        found = listed(replace(data_file(tmp_path, "a.csv", "id,Woerter\n1,x\n"), columns=columns))
        assert found == [
            "a.csv:1: missing column 'wort'; expected it in the header (found: id, woerter)",
            "a.csv:1: --columns word=wort: there is no column 'wort'; expected one of id, woerter",
        ]


class TestSamples:
    def test_ids_subjects_lines_and_facts(self, tmp_path: Path) -> None:
        file = data_file(tmp_path, "a.csv", 'id,word\nx1,plain\n,maths:two\n"  x2 ","a\nb"\n')
        dataset = load(file)
        assert [(s.id, s.index, s.line, s.subset) for s, _ in dataset.samples()] == [
            ("x1", 0, 2, "a"),
            ("1", 1, 3, "maths"),
            ("x2", 2, 4, "a"),
        ]
        assert dataset.counts == {"a": 2, "maths": 1}
        assert dataset.traits == {"long": 1}
        assert [(fact.rows, len(fact.sha256)) for fact in dataset.facts] == [(3, 64)]

    def test_a_record_may_hold_several_rows(self, tmp_path: Path) -> None:
        file = data_file(tmp_path, "a.jsonl", '{"words": ["x", "y"]}\n{"word": "z"}\n')
        assert [(s.id, s.index, s.line, s.row) for s, _ in load(file).samples()] == [
            ("0-0", 0, 1, "x"),
            ("0-1", 1, 1, "y"),
            ("2", 2, 2, "z"),
        ]
        bad = data_file(tmp_path, "b.jsonl", '{"words": []}\n{"words": ["x", "bad"]}\n')
        assert [problem.partition("; ")[0] for problem in listed(bad)] == [
            "b.jsonl:1: record 0 has no words",
            "b.jsonl:2: the word is bad",
            "b.jsonl:2: and ugly",
        ]

    def test_shots_come_from_the_dev_file_only(self, tmp_path: Path) -> None:
        dev = data_file(tmp_path, "a_dev.csv", "word\nshown\n")
        asked = data_file(tmp_path, "a_val.csv", "word\nasked\n", dev.path)
        alone = data_file(tmp_path, "b_val.csv", "word\nalone\n")
        assert [(sample.row, tuple(pool)) for sample, pool in load(asked, alone).samples()] == [
            ("asked", ("shown",)),
            ("alone", ()),
        ]

    def test_a_limit_is_spread_over_the_subjects_and_takes_their_first_rows(self, tmp_path: Path) -> None:
        many = data_file(tmp_path, "many.csv", "word\n" + "".join(f"m{i}\n" for i in range(50)))
        few = data_file(tmp_path, "few.csv", "word\nf0\n")
        some = data_file(tmp_path, "some.csv", "word\n" + "".join(f"s{i}\n" for i in range(9)))
        dataset = load(many, few, some)
        assert dataset.quotas(7) == {"many": 3, "few": 1, "some": 3}
        assert [sample.row for sample, _ in dataset.samples(7)] == ["m0", "m1", "m2", "f0", "s0", "s1", "s2"]
        assert len(list(dataset.samples(1000))) == len(list(dataset.samples())) == 60

    @pytest.mark.parametrize("content", ["word\nx\n", "word\nx\nbad\n", "word\nx\nragged,y\n"])
    def test_a_large_file_that_changed_meanwhile_is_noticed(
        self, tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("evalsuite.data.dataset.CACHED_DATASET_BYTES", 0)
        file = data_file(tmp_path, "a.csv", "word\nx\ny\n")
        dataset = load(file)
        file.path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match="changed while the run was going on"):
            list(dataset.samples())

    def test_a_small_file_is_read_once(self, tmp_path: Path) -> None:
        file = data_file(tmp_path, "a.csv", "word\nx\ny\n")
        dataset = load(file)
        file.path.unlink()
        assert [sample.row for sample, _ in dataset.samples()] == ["x", "y"]
        assert [sample.row for sample, _ in dataset.samples()] == ["x", "y"]

    def test_samples_are_lazy(self, tmp_path: Path) -> None:
        rows = 20_000
        file = data_file(tmp_path, "big.csv", "word,more\n" + f"x,{'y' * 200}\n" * rows)
        dataset = load(file)
        tracemalloc.start()
        try:
            assert sum(1 for _ in dataset.samples()) == rows
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < file.path.stat().st_size / 10

    def test_a_few_samples_of_a_big_file_read_a_few_lines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("evalsuite.data.dataset.CACHED_DATASET_BYTES", 0)
        file = data_file(tmp_path, "big.csv", "word\n" + "x\n" * 10_000)
        dataset = load(file)
        parsed = []
        parser = dataset.parser
        parse = parser.parse

        def counted(values: Mapping[str, Any]) -> str:
            parsed.append(1)
            return parse(values)

        monkeypatch.setattr(parser, "parse", counted)
        assert len(list(dataset.samples(limit=5))) == 5
        assert len(parsed) <= 10_000
        stream = dataset.samples()
        before = len(parsed)
        next(stream)
        assert len(parsed) == before + 1


counts = st.dictionaries(st.text(max_size=3), st.integers(1, 40), max_size=8)


@given(counts, st.none() | st.integers(1, 200))
def test_a_limit_is_shared_fairly(sizes: dict[str, Any], limit: Any) -> None:
    quotas = spread_evenly(sizes, limit)
    total = sum(sizes.values())
    assert sum(quotas.values()) == (total if limit is None else min(limit, total))
    assert all(0 <= quotas[name] <= sizes[name] for name in sizes)
    open_quotas = [quotas[name] for name in sizes if quotas[name] < sizes[name]]
    assert not open_quotas or max(quotas.values()) - min(open_quotas) <= 1
