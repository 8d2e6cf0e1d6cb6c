"""`validate`, `datasets`, `doctor` and `--help` as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evalsuite._version import __version__
from evalsuite.cli.app import main
from evalsuite.data.builtin import BUILTIN_DATASETS
from evalsuite.tasks import KINDS
from evalsuite.tasks.mcq import McqTask


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def evalsuite(monkeypatch: Any, capsys: Any, tmp_path: Any) -> Any:
    """Run a command in an empty folder; its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["evalsuite", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def write(name: str, *lines: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


GOOD = ("question,A,B,answer", "q,1,2,A", "r,1,2,B")


class TestValidate:
    def test_good_data(self, evalsuite: Any) -> None:
        write("exam_val.csv", *GOOD)
        write("exam_dev.csv", "question,A,B,answer", "s,1,2,A", "t,1,2,B")
        ended = evalsuite("validate", "exam_val.csv", "mcq:exam_val.csv")
        assert ended.code == 0
        assert ended.out.splitlines() == [
            f"exam_val.csv: 2 rows of kind mcq (inferred from the columns: {McqTask.columns})",
            "  few-shot examples from dev files: up to 2",
            "mcq:exam_val.csv: 2 rows of kind mcq",
            "  few-shot examples from dev files: up to 2",
        ]

    def test_a_folder_lists_its_subjects(self, evalsuite: Any) -> None:
        for subject in ("law", "art"):
            write(f"set/val/{subject}.csv", *GOOD)
        assert evalsuite("validate", "set").out.splitlines()[1:] == ["  art: 2 rows", "  law: 2 rows"]

    def test_every_bad_row_of_the_kinds_that_are_judged_or_measured_is_listed(self, evalsuite: Any) -> None:
        write("judge.csv", "question,rubric,scale,prediction_b", "q,r,1-5,b", " ,r,5-1,", "q,,x,b")
        write("texts.jsonl", '{"text": "a b"}', '{"text": " "}', '{"id": "x"}', '{"text": null}')
        write(
            "pairs.jsonl",
            '{"prompt": "q", "chosen": "a", "rejected": "b"}',
            '{"prompt": "q", "chosen": "", "rejected": "b"}',
            '{"prompt": "q", "chosen": "a", "rejected": "a"}',
            '{"chosen": "a", "rejected": "b"}',
            '{"prompt": "q", "chosen": "a"}',
        )
        ended = evalsuite("validate", "judge.csv", "perplexity:texts.jsonl", "pairs.jsonl")
        assert ended.code == 2
        places = [line.split(";")[0] for line in ended.out.splitlines()[:-1]]
        assert places == [
            "judge.csv:3: the question is empty",
            "judge.csv:3: 'scale' is '5-1'",
            "judge.csv:3: the other answer is empty",
            "judge.csv:4: 'scale' is 'x'",
            "texts.jsonl:2: the text is empty",
            "texts.jsonl:3: missing column 'text'",
            "texts.jsonl:4: the text is empty",
            "pairs.jsonl:2: the chosen answer is empty",
            "pairs.jsonl:3: both answers are the same",
            "pairs.jsonl:4: there is no prompt",
            "pairs.jsonl:5: missing column 'rejected'",
        ]
        assert ended.out.splitlines()[-1] == "11 problems found."

    def test_every_bad_row_of_every_file_is_listed(self, evalsuite: Any) -> None:
        write(
            "messy.csv",
            "id,Question,A,B,C,Answer",
            "0,q,x,y,,C",
            '2,"two',
            'lines",x,y,z,A',
            "2,r,x,y,z,B",
            "3,,x,,,A",
            "4,s,x,y",
            '5,"t"u,x,y,z,A',
        )
        write("broken.jsonl", '{"query": "q", "response": "r"}', "{", "[]", '{"query": "q"}')
        write("good.csv", *GOOD)
        ended = evalsuite("validate", "messy.csv", "broken.jsonl", "good.csv")
        assert ended.code == 2
        lines = ended.out.splitlines()
        assert lines[0].startswith("good.csv: 2 rows of kind mcq")
        assert [line.split(": ")[0] for line in lines[1:-1]] == [
            "messy.csv:2",
            "messy.csv:5",
            "messy.csv:6",
            "messy.csv:6",
            "messy.csv:7",
            "messy.csv:8",
            "broken.jsonl:2",
            "broken.jsonl:3",
            "broken.jsonl:4",
        ]
        assert all("; expected " in line for line in lines[1:-1])
        assert "messy.csv:5: duplicate id '2' (also on line 3); expected every id once in a file" in lines
        assert lines[-1] == "9 problems found."
        assert not ended.err

    def test_a_wrong_name_does_not_hide_the_bad_rows_of_another_file(self, evalsuite: Any) -> None:
        write("bad.csv", "query,response", "q,")
        write("odd.csv", "prompt,completion", "q,r")
        ended = evalsuite("validate", "bad.csv", "gone.csv", "odd.csv", "mqc:bad.csv", "--debug")
        assert ended.code == 2
        assert "bad.csv:2: the reference answer is empty" in ended.out
        assert "gone.csv: no such file, folder or built-in dataset. Did you mean " in ended.out
        assert (
            "odd.csv: cannot tell the kind of this dataset from its columns (prompt, completion)."
            in ended.out
        )
        assert "Did you mean 'mcq:bad.csv'?" in ended.out
        assert ended.out.endswith("4 problems found.\n")
        assert "Traceback" not in ended.out + ended.err

    @pytest.mark.parametrize(
        ("spec", "content", "says"),
        [
            ("x.csv", b"", "x.csv: an empty file"),
            ("qa:x.csv", b"query,response\n", "x.csv: no rows; expected at least one row"),
            (
                "x.csv",
                "query,response\n问题在哪里,回答在这里\n".encode("gb18030"),
                "x.csv: wrong encoding: the file is not UTF-8; GB18030",
            ),
            ("x.csv", "query,response\nq,r\n".encode("utf-16-le"), "UTF-16LE fits it"),
            (
                "x.csv",
                b"query,response\nq,caf\xe9\n",
                "x.csv: wrong encoding: the file is not UTF-8; Windows-1252 fits it",
            ),
            (
                "x.csv",
                "query,response\n文文文,é\n".encode() + b"q,caf\xe9\n",
                "x.csv:3: byte 0xe9 at position 6 is not UTF-8; expected UTF-8 text",
            ),
            ("x.json", b'[{"query": "q", "response": "r"},\n{"query": }]', "x.json:2: broken JSON"),
            ("x.txt", b"hello", "unknown file format '.txt'"),
        ],
    )
    def test_one_problem(self, evalsuite: Any, spec: str, content: bytes, says: str) -> None:
        Path(spec.removeprefix("qa:")).write_bytes(content)
        ended = evalsuite("validate", spec)
        assert ended.code == 2
        assert says in ended.out
        assert ended.out.endswith("1 problem found.\n")

    def test_a_folder_without_a_known_layout(self, evalsuite: Any) -> None:
        Path("things").mkdir()
        ended = evalsuite("validate", "things")
        assert (ended.code, "things: a folder without a known layout" in ended.out) == (2, True)

    def test_gold_steps_that_their_own_tools_refuse_are_warnings(self, evalsuite: Any) -> None:
        tools = [{"name": "forecast", "parameters": {"day": "integer, required"}}]
        targets = [
            'forecast\nAction Input: {"day": 1}',
            "forcast\nAction Input: {}",
            "forecast\nAction Input: {'day'",
        ]
        records = [
            {
                "id": number,
                "messages": [{"role": "user", "content": "?"}],
                "tools": tools,
                "target": f"Action: {target}",
            }
            for number, target in enumerate(targets)
        ]
        write("steps.jsonl", *map(json.dumps, records))
        ended = evalsuite("validate", "toolbench:steps.jsonl")
        assert ended.code == 0
        expected = "; expected a step that the record's own tools allow"
        assert ended.out.splitlines() == [
            "toolbench:steps.jsonl: 3 rows of kind toolbench",
            (
                "warning: steps.jsonl:2: row '1': the gold step calls 'forcast', which is not offered "
                f"(the nearest name is 'forecast') [gold_action_not_offered]{expected}"
            ),
            f"warning: steps.jsonl:3: row '2': the gold input of 'forecast' is no JSON object [gold_malformed_json]{expected}",
            "  2 warnings; these rows are asked all the same",
        ]

    def test_columns_that_nothing_reads_and_repairs_are_notes(self, evalsuite: Any) -> None:
        write("exam.csv", "question;A;B;answer;source", "q;A. x;B. y;A;book", "r;A. x;B. z;B;web")
        ended = evalsuite("validate", "exam.csv")
        assert ended.code == 0
        assert ended.out.splitlines()[1:] == [
            "  note: the columns are separated by a semicolon, which the file's name does not say (exam.csv:1).",
            (
                '  note: options repeat their own letter ("A. …"), which is dropped (2 times, first exam.csv:2).'
            ),
            "  note: nothing reads the column 'source'.",
        ]

    def test_json_lists_every_finding_for_machines(self, evalsuite: Any) -> None:
        write("many.csv", "question,A,B,answer", *(f"q{row},x,y,Z" for row in range(30)))
        write("odd.csv", "question,A,B,answer", "q,nan,NaN,A")
        ended = evalsuite("validate", "--json", "many.csv", "odd.csv", "gone.csv")
        found = json.loads(ended.out)
        assert (ended.code, found["ok"]) == (2, False)
        assert [dataset["spec"] for dataset in found["datasets"]] == ["odd.csv"]
        assert len(found["datasets"][0]["warnings"]) == 3
        assert len(found["errors"]) == 31
        assert found["errors"][0] | {"message": ""} == {
            "severity": "error",
            "dataset": "many.csv",
            "file": "many.csv",
            "line": 2,
            "message": "",
        }

    def test_the_first_twenty_problems_of_a_file_are_listed_and_the_others_counted(
        self, evalsuite: Any
    ) -> None:
        write("many.csv", "question,A,B,answer", *(f"q{row},x,y,Z" for row in range(30)))
        lines = evalsuite("validate", "many.csv").out.splitlines()
        assert sum(line.startswith("many.csv:") and "expected" in line for line in lines) == 20
        assert lines[-2:] == ["many.csv: … and 10 more; --json lists all of them", "30 problems found."]

    def test_own_names_of_columns(self, evalsuite: Any) -> None:
        write("odd.csv", "Q,A,B,Key,question", "q,x,y,A,unused", "r,x,y,C,unused")
        ended = evalsuite("validate", "mcq:odd.csv", "--columns", "question=Q,answer=Key")
        assert ended.out.splitlines()[0].startswith("odd.csv:3: the answer 'C' is not among the options")
        assert evalsuite("validate", "odd.csv", "--columns", "question").code == 2

    @pytest.mark.parametrize(
        "lines",
        [
            ("query,A,B,answer", "q,x,y,A"),
            ("question,option_a,answer", "q,x,A"),
            ("question,answer", "q,A", "r,B"),
        ],
    )
    def test_what_looks_like_multiple_choice_is_never_qa_in_silence(
        self, evalsuite: Any, lines: tuple[Any, ...]
    ) -> None:
        write("exam.csv", *lines)
        ended = evalsuite("validate", "exam.csv")
        assert ended.code == 2
        assert "--columns question=NAME,answer=NAME" in ended.out
        assert "-d qa:exam.csv" in ended.out
        assert evalsuite("validate", "qa:exam.csv").code == 0

    def test_nothing_named(self, evalsuite: Any) -> None:
        assert evalsuite("validate").code == 2

    def test_every_packaged_example(self, evalsuite: Any) -> None:
        names = [dataset.name for dataset in BUILTIN_DATASETS if not dataset.url]
        ended = evalsuite("validate", *names)
        assert ended.code == 0
        assert [line.split(":")[0] for line in ended.out.splitlines() if not line.startswith(" ")] == names


def test_datasets_names_every_kind_and_every_name(evalsuite: Any) -> None:
    ended = evalsuite("datasets")
    assert ended.code == 0
    assert all(f"  {dataset.name} " in ended.out for dataset in BUILTIN_DATASETS)
    assert all(f"  {kind} " in ended.out for kind in KINDS)


def test_doctor_says_what_can_be_served_and_what_to_install(evalsuite: Any, tmp_path: Path) -> None:
    ended = evalsuite("doctor")
    assert ended.code == 0
    assert f"evalsuite {__version__}" in ended.out
    assert "ready  remote" in ended.out
    assert "smollm2" in ended.out
    assert f"cache: {tmp_path / 'cache'}" in ended.out
    assert "fetched on first use (98 MB)" in ended.out
    assert "w4a16-gptq" in ended.out


def test_doctor_without_the_optional_packages(evalsuite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    absent = {"pyarrow", "xllamacpp"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else find(name, *rest)
    )
    ended = evalsuite("doctor")
    assert ended.code == 0
    assert "pip install 'evalsuite[parquet]'" in ended.out
    assert "absent llamacpp" in ended.out
    assert "pip install 'evalsuite[llamacpp]'" in ended.out


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_help_lists_the_commands(evalsuite: Any, words: list[Any]) -> None:
    ended = evalsuite(*words)
    assert all(command in ended.out + ended.err for command in ("run", "validate", "datasets", "doctor"))


def test_run_help_shows_every_option(evalsuite: Any) -> None:
    from evalsuite.config import RunConfig

    ended = evalsuite("run", "--help")
    assert ended.code == 0
    for field in (option.name for option in RunConfig.options()):
        assert f"--{field.replace('_', '-').replace('datasets', 'dataset')}" in ended.out


def test_version(evalsuite: Any) -> None:
    assert evalsuite("--version") == (0, f"evalsuite {__version__}\n", "")


@pytest.mark.parametrize("words", [["valdate", "x"], ["validate", "--nope"], ["run", "--limit", "many"]])
def test_wrong_words_end_with_2(evalsuite: Any, words: list[Any]) -> None:
    ended = evalsuite(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
