"""Files with the tasks that read them: kinds told from columns, styles, few-shot pools, names."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from run_helpers import only_plan
from shared_data import SHARED_DATA

from evalsuite.config import build_config
from evalsuite.errors import ConfigError, DataError, InputError
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.plan import plan_datasets

SHARED = SHARED_DATA
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not on this machine")
HEADER = "question,A,B,C,answer"


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def plans(*specs: str | Path, **options: Any) -> tuple[DatasetPlan, ...]:
    return plan_datasets(build_config({"datasets": [str(spec) for spec in specs], "ckpt": "x", **options}))


def questions(plan: DatasetPlan) -> list[str]:
    """All prompts of a plan as text."""
    return [str(plan.request(sample, shots)[0].messages) for sample, shots in plan.samples()]


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "content", "kind"),
        [
            ("a.csv", "Question,a,B,Answer\nq,1,2,A\n", "mcq"),
            ("a.csv", ",Question,A,B,C,D,Answer\n0,q,1,2,3,4,D\n", "mcq"),
            ("a.tsv", "QUERY\tRESPONSE\nq\tr\n", "qa"),
            ("a.jsonl", '{"question": "q", "answer": "so #### 3"}\n', "gsm8k"),
            ("a.json", '{"data": [{"question": "q", "choices": ["x", "y"], "answer": "y"}]}', "mcq"),
            (
                "a.csv",
                'messages,tools,target\n"[{""role"": ""user"", ""content"": ""q""}]","[{""name"": ""f""}]",Action: f\n',
                "toolbench",
            ),
        ],
    )
    def test_told_from_the_columns(self, tmp_path: Path, name: str, content: str, kind: str) -> None:
        plan = only_plan(str(write(tmp_path / name, content)))
        assert (plan.task.kind, plan.recognised, plan.rows) == (kind, True, 1)

    def test_refused_when_it_cannot_be(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError, match=r"cannot tell the kind of this dataset from its columns \(prompt, text\)"
        ):
            only_plan(str(write(tmp_path / "a.csv", "prompt,text", "q,r")))

    def test_a_named_kind_says_which_column_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError,
            match=r"a\.csv:1: missing columns 'answer' and 'B'; expected them in the header \(found: question, a\)",
        ):
            only_plan(f"mcq:{write(tmp_path / 'a.csv', 'question,A', 'q,1', 'r,2')}")

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.tsv"])
    def test_an_empty_file(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        for spec in (tmp_path / name, f"mcq:{tmp_path / name}"):
            with pytest.raises(DataError, match="an empty file"):
                only_plan(str(spec))

    def test_parquet(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        rows = {"question": ["q", "r"], "choices": [["x", "y"], ["x", "y", "z"]], "answer": ["A", "z"]}
        parquet.write_table(pa.table(rows), tmp_path / "a.parquet")
        assert [sample.row.answer for sample, _ in only_plan(str(tmp_path / "a.parquet")).samples()] == [
            ("A",),
            ("C",),
        ]

    def test_toolbench_rows_as_json_text_in_a_csv(self, tmp_path: Path) -> None:
        steps = json.loads(Path("datasets_custom/toolbench_style.json").read_text(encoding="utf-8"))
        with (tmp_path / "steps.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(
                stream, ["id", "dialogue", "messages", "tools", "target"], extrasaction="ignore"
            )
            writer.writeheader()
            writer.writerows(
                {**step, "messages": json.dumps(step["messages"]), "tools": json.dumps(step["tools"])}
                for step in steps
            )
        told = [sample.row for sample, _ in only_plan(str(tmp_path / "steps.csv")).samples()]
        assert told == [sample.row for sample, _ in only_plan("toolbench_style").samples()]


class TestFewShot:
    def folder(self, root: Path) -> Path:
        write(root / "set/maths_val.csv", HEADER, *(f"asked {i},1,2,,A" for i in range(9)))
        write(root / "set/maths_dev.csv", HEADER, *(f"shown {i},1,2,3,C" for i in range(3)))
        return root / "set"

    @pytest.mark.parametrize("options", [{}, {"shots": 2}, {"shots": 0}])
    def test_never_from_the_evaluated_file(self, tmp_path: Path, options: dict[str, Any]) -> None:
        (plan,) = plans(self.folder(tmp_path), **options)
        shots = options.get("shots", 3)
        assert plan.style.shots == shots
        for prompt in questions(plan):
            assert prompt.count("asked") == 1
            assert [f"shown {i}" in prompt for i in range(3)] == [i < shots for i in range(3)]

    def test_more_than_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"--shots 4: set has only 3 examples in a dev file"):
            plans(self.folder(tmp_path), shots=4)

    def test_without_a_dev_file(self, tmp_path: Path) -> None:
        lone = write(tmp_path / "lone.csv", HEADER, *(f"asked {i},1,2,,A" for i in range(9)))
        (plan,) = plans(lone)
        assert plan.style.shots == 0
        with pytest.raises(
            ConfigError, match=r"--shots 1: lone has no examples .* never taken from the evaluated rows"
        ):
            plans(lone, shots=1)

    def test_gsm8k_has_examples_of_its_own(self, tmp_path: Path) -> None:
        file = write(tmp_path / "sums.jsonl", '{"question": "1 + 1?", "answer": "#### 2"}')
        (plan,) = plans(file)
        assert plan.style.shots == 4
        assert len(next(plan.samples())[1]) == 4
        with pytest.raises(ConfigError, match="--shots 5"):
            plans(file, shots=5)
        write(tmp_path / "sums_dev.jsonl", '{"question": "2 + 2?", "answer": "2 + 2 = 4 #### 4"}')
        (plan,) = plans(file)
        assert [shot.question for shot in next(plan.samples())[1]] == ["2 + 2?"]

    def test_bad_rows_of_the_dev_file_are_found_before_anything_is_asked(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        write(folder / "maths_dev.csv", HEADER, "shown,1,2,3,E")
        with pytest.raises(DataError, match=r"maths_dev\.csv:2: the answer 'E' is not among the options"):
            plans(folder)


class TestStyles:
    def test_rows_with_three_and_five_options_and_several_answers(self, tmp_path: Path) -> None:
        file = write(tmp_path / "mixed.csv", "question,A,B,C,D,E,answer", "q,1,2,3,,,C", 'r,1,2,3,4,5,"A,E"')
        (plan,) = plans(file)
        assert plan.style.multiple
        assert [metric.name for metric in plan.metrics] == ["accuracy", "accuracy_macro", "partial_credit"]
        first, second = questions(plan)
        assert "C. 3" in first
        assert "D." not in first
        assert "E. 5" in second

    def test_a_subject_column_makes_subsets_and_headers(self, tmp_path: Path) -> None:
        file = write(
            tmp_path / "one.csv", "subject,question,A,B,answer", "law,q,1,2,A", "art,r,1,2,B", "law,s,1,2,A"
        )
        (plan,) = plans(file)
        assert plan.dataset.counts == {"law": 2, "art": 1}
        assert "questions about art" in questions(plan)[1]

    def test_the_language_follows_the_data_unless_it_is_said(self, tmp_path: Path) -> None:
        file = write(tmp_path / "zh.csv", "question,A,B,answer", "哪个对？,甲,乙,A", "which?,x,y,A")
        assert [plans(file, lang=lang)[0].style.lang for lang in ("auto", "zh", "en")] == ["zh", "zh", "en"]
        assert plans(file, lang="en")[0].style.data_lang == "zh"

    @pytest.mark.parametrize("name", ["ceval", "C-Eval", "ceval-exam"])
    def test_a_folder_named_ceval_gets_its_wording(self, tmp_path: Path, name: str) -> None:
        write(
            tmp_path / name / "val" / "law_val.csv", "id,question,A,B,C,D,answer", "0,哪个对？,甲,乙,丙,丁,A"
        )
        (plan,) = plans(tmp_path / name)
        assert "以下是中国关于法学考试的单项选择题" in questions(plan)[0]

    def test_options_of_the_run_reach_the_requests(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.csv", "question,A,B,answer", "q,1,2,A")
        (plan,) = plans(file, max_tokens=9, temperature=0.5, stop="END", cot=True)
        assert (plan.generation.max_tokens, plan.generation.temperature, plan.generation.stop) == (
            9,
            0.5,
            ("END",),
        )
        assert "Think step by step" in questions(plan)[0]


class TestNames:
    def test_two_datasets_with_one_name_are_kept_apart(self, tmp_path: Path) -> None:
        files = [write(tmp_path / folder / "same.csv", "query,response", "q,r") for folder in ("a", "b", "c")]
        assert [plan.name for plan in plans(*files)] == ["same", "same-2", "same-3"]

    def test_the_bad_rows_of_all_datasets_are_listed_together(self, tmp_path: Path) -> None:
        files = [write(tmp_path / name, "query,response", "q,", ",r") for name in ("a.csv", "b.csv")]
        with pytest.raises(DataError) as caught:
            plans(*files)
        assert len(caught.value.problems) == 4

    def test_a_limit_is_spread_over_subjects(self, tmp_path: Path) -> None:
        for subject in "abc":
            write(
                tmp_path / "set" / f"{subject}_val.csv", HEADER, *(f"{subject}{i},1,2,3,A" for i in range(5))
            )
        (plan,) = plans(tmp_path / "set", limit=7)
        assert plan.rows == 7
        assert plan.info().subsets == {"a": 3, "b": 2, "c": 2}


@needs_shared
class TestRealData:
    def test_cmmlu(self) -> None:
        (plan,) = plans(f"mcq:{SHARED / 'cmmlu'}", limit=40)
        assert plan.dataset.quotas(40) == dict.fromkeys(plan.dataset.counts, 5)
        assert (plan.style.lang, plan.style.shots, plan.style.multiple) == ("zh", 5, False)
        assert len(list(plan.samples())) == 40

    def test_gsm8k_and_toolbench(self) -> None:
        sums, steps = plans(
            SHARED / "gsm8k" / "test.jsonl", SHARED / "toolbench" / "static_out_of_domain.json"
        )
        assert (sums.name, sums.task.kind, sums.rows) == ("gsm8k", "gsm8k", 1319)
        assert (steps.task.kind, steps.rows) == ("toolbench", sum(1 for _ in steps.samples()))
        assert all(sample.row.dialogue is not None for sample, _ in steps.samples())


def test_the_faults_of_all_datasets_are_said_together(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("question,A,B,answer\nq,1,2,Z\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        plan_datasets(build_config({"datasets": [str(bad), "no-such-set"], "ckpt": ["x"]}))
    assert f"{bad}:2: " in str(caught.value)
    assert "no-such-set: no such file" in str(caught.value)


def test_a_subject_called_all_is_told_from_the_whole_dataset(tmp_path: Path) -> None:
    data = tmp_path / "set.csv"
    data.write_text("question,A,B,answer,subject\nq,1,2,A,all\nr,1,2,B,other\n", encoding="utf-8")
    assert set(only_plan(str(data)).dataset.counts) == {"all (subject)", "other"}


def test_a_kind_asked_without_examples_stays_so_where_there_are_none(tmp_path: Path) -> None:
    data = tmp_path / "qa.csv"
    data.write_text("query,response\nq,r\n", encoding="utf-8")
    (plan,) = plan_datasets(build_config({"datasets": [str(data)], "ckpt": ["x"], "shots": 3}))
    assert plan.style.shots == 0
