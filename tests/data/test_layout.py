"""Folders of subjects as people have them: which file is asked, which one gives the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shared_data import SHARED_DATA

from evalsuite.data.layout import dataset_name, find_files, subject_of
from evalsuite.errors import DataError

ROW = "question,A,B,answer\nq,1,2,A\n"
NO_ANSWER = "id,question,A,B\n0,q,1,2\n"
SHARED = SHARED_DATA


def tree(root: Path, *names: str, **contents: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            NO_ANSWER if name in contents.get("unanswered", "").split() else ROW, encoding="utf-8"
        )
    return root


def found(path: Path, root: Path) -> list[tuple[str, str, str | None]]:
    def short(file: Path | None) -> str | None:
        return file.resolve().relative_to(root.resolve()).as_posix() if file else None

    return [(file.subject, str(short(file.path)), short(file.dev)) for file in find_files(path)]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        find_files(path)
    return str(caught.value)


class TestFolders:
    def test_ceval_asks_val_because_its_test_has_no_answers(self, tmp_path: Path) -> None:
        unanswered = "test/law_test.csv test/logic_test.csv"
        root = tree(
            tmp_path,
            "val/law_val.csv",
            "val/logic_val.csv",
            "dev/law_dev.csv",
            "dev/logic_dev.csv",
            *unanswered.split(),
            unanswered=unanswered,
        )
        assert found(root, root) == [
            ("law", "val/law_val.csv", "dev/law_dev.csv"),
            ("logic", "val/logic_val.csv", "dev/logic_dev.csv"),
        ]

    def test_cmmlu_asks_test(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "test/b.csv", "test/a.csv", "dev/a.csv", "test/.hidden.csv", "test/notes.txt")
        assert found(root, root) == [("a", "test/a.csv", "dev/a.csv"), ("b", "test/b.csv", None)]

    def test_suffixed_files_of_any_format(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "x_val.csv", "x_dev.tsv", "y_VAL.csv", "y_Dev.csv", "other.csv")
        assert found(root, root) == [("x", "x_val.csv", "x_dev.tsv"), ("y", "y_VAL.csv", "y_Dev.csv")]

    def test_suffixed_test_files_are_asked_only_with_answers(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "x_val.csv", "x_test.csv", unanswered="x_test.csv")
        assert found(root, root) == [("x", "x_val.csv", None)]
        other = tree(tmp_path / "other", "x_val.csv", "x_test.csv")
        assert found(other, other) == [("x", "x_test.csv", None)]

    @pytest.mark.parametrize("form", ["{split}/x.csv", "x_{split}.csv"])
    def test_validation_is_a_split_too(self, tmp_path: Path, form: str) -> None:
        names = [form.format(split=split) for split in ("validation", "test")]
        root = tree(tmp_path, *names, unanswered=names[1])
        assert [path for _, path, _ in found(root, root)] == [names[0]]

    def test_an_empty_answer_column_is_no_answer(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "val/x.csv", "test/x.csv")
        (root / "test/x.csv").write_text("question,A,B,answer\nq,1,2,\n", encoding="utf-8")
        assert [path for _, path, _ in found(root, root)] == ["val/x.csv"]

    def test_answers_are_looked_for_in_every_file(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "val/x.csv", "test/a.csv", "test/x.csv")
        (root / "test/a.csv").write_text("question,A,B,answer\n", encoding="utf-8")
        assert [path for _, path, _ in found(root, root)] == ["test/a.csv", "test/x.csv"]

    def test_a_file_that_cannot_be_read_is_left_to_the_check_of_its_rows(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "val/x.csv", "test/x.csv")
        (root / "test/x.csv").write_bytes("问题,答案\n以下哪项,甲\n".encode("gb18030"))
        assert [path for _, path, _ in found(root, root)] == ["test/x.csv"]

    def test_test_without_answers_and_nothing_else_is_still_found(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "test/x.csv", unanswered="test/x.csv")
        assert [path for _, path, _ in found(root, root)] == ["test/x.csv"]

    @pytest.mark.parametrize("names", [("val/x.csv", "val/x.jsonl"), ("x_val.csv", "x_val.json")])
    def test_two_files_of_one_subject_are_refused_not_dropped(
        self, tmp_path: Path, names: tuple[Any, ...]
    ) -> None:
        text = refusal(tree(tmp_path, *names))
        assert "a second file for the subject 'x'" in text
        assert "Remove one of them" in text

    @pytest.mark.parametrize("names", [(), ("data.csv",), ("a/b/c_val.csv",), ("dev/x.csv",), ("x_dev.csv",)])
    def test_a_folder_without_a_known_layout_says_what_is_known(
        self, tmp_path: Path, names: tuple[Any, ...]
    ) -> None:
        text = refusal(tree(tmp_path, *names))
        assert f"{tmp_path}: a folder without a known layout; expected test/ or val/" in text
        assert ".csv" in text.splitlines()[-1]

    def test_a_folder_named_like_a_file_is_no_file(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "val/x.csv")
        (root / "val/y.csv").mkdir()
        assert [path for _, path, _ in found(root, root)] == ["val/x.csv"]

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert "no such file or folder" in refusal(tmp_path / "none")


class TestOneFile:
    @pytest.mark.parametrize(
        ("asked", "beside"),
        [
            ("exam.csv", "exam_dev.csv"),
            ("exam_val.csv", "exam_dev.csv"),
            ("exam_test.csv", "exam_dev.csv"),
            ("exam_val.csv", "exam_DEV.csv"),
            ("exam.csv", "exam_dev.jsonl"),
            ("test.csv", "dev.csv"),
            ("data.jsonl", "dev.csv"),
            ("test/exam.csv", "dev/exam.csv"),
            ("val/exam_val.csv", "dev/exam_dev.csv"),
            ("val/exam_val.csv", "dev/exam.csv"),
            ("test/exam.csv", "dev/exam.json"),
        ],
    )
    def test_the_dev_file_beside_it(self, tmp_path: Path, asked: str, beside: str) -> None:
        root = tree(tmp_path, asked, beside)
        assert found(root / asked, root)[0][1:] == (asked, beside)

    def test_the_same_format_comes_first(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "exam.jsonl", "exam_dev.csv", "exam_dev.jsonl")
        assert found(root / "exam.jsonl", root)[0][2] == "exam_dev.jsonl"

    @pytest.mark.parametrize("asked", ["exam_dev.csv", "dev.csv", "dev/exam.csv", "other.csv"])
    def test_never_the_evaluated_file_itself(self, tmp_path: Path, asked: str) -> None:
        root = tree(tmp_path, asked, "exam_val.csv")
        assert found(root / asked, root)[0][2] is None

    def test_never_the_evaluated_file_under_another_name(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "exam_val.csv")
        (root / "exam_dev.csv").symlink_to("exam_val.csv")
        assert found(root / "exam_val.csv", root)[0][2] is None

    def test_a_relative_path_inside_the_split_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tree(tmp_path, "test/exam.csv", "dev/exam.csv")
        monkeypatch.chdir(root / "test")
        assert found(Path("exam.csv"), root) == [("exam", "test/exam.csv", "dev/exam.csv")]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("set/exam_val.csv", "exam"),
        ("set/exam.csv", "exam"),
        ("set/test.jsonl", "set"),
        ("set/DATA.json", "set"),
        ("set", "set"),
        ("set/val", "set"),
        ("set/.", "set"),
        ("set/val/..", "set"),
    ],
)
def test_the_name_results_stand_under(tmp_path: Path, path: str, name: str) -> None:
    tree(tmp_path, "set/val/x.csv", "set/test.jsonl", "set/DATA.json", "set/exam.csv", "set/exam_val.csv")
    assert dataset_name(tmp_path / path) == name


def test_the_name_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "my_set/val/x.csv", "my_set/test.jsonl")
    monkeypatch.chdir(tmp_path / "my_set")
    assert dataset_name(Path()) == dataset_name(Path("test.jsonl")) == "my_set"
    monkeypatch.chdir("val")
    assert dataset_name(Path("..")) == dataset_name(Path("../test.jsonl")) == "my_set"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("a_val.csv", "a"),
        ("a_b_Test.csv", "a_b"),
        ("dev.csv", "dev"),
        ("_val.csv", "_val"),
        ("interval.csv", "interval"),
    ],
)
def test_the_subject_of_a_file(name: str, subject: str) -> None:
    assert subject_of(Path(name)) == subject


@pytest.mark.skipif(not (SHARED / "cmmlu").is_dir(), reason="the shared data is not on this machine")
def test_the_real_cmmlu_folder() -> None:
    files = find_files(SHARED / "cmmlu")
    assert len(files) == 8
    assert all(file.dev and file.dev.name == file.path.name for file in files)
