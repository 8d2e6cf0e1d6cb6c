"""Datasets that are known by name: the small examples of this project, and public sets fetched on first use.

The examples stand in `datasets_custom/` of the repository and travel inside the installed package.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalsuite._util.user_cache import cache_folder, verified_download
from evalsuite.errors import ConfigError, InputError

_PACKAGED = Path(__file__).parent / "examples"
_REPOSITORY = Path(__file__).parents[2] / "datasets_custom"
FETCH_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BuiltinDataset:
    """A named dataset. `url` is set when it is fetched on first use, into the user's cache."""

    name: str
    kind: str
    description: str
    file: str
    url: str | None = None
    sha256: str | None = None

    def path(self) -> Path:
        """Where its file or folder is, or would be after fetching."""
        if self.url:
            return cache_folder("datasets", self.name, self.file)
        return (_PACKAGED if _PACKAGED.is_dir() else _REPOSITORY) / self.file


BUILTIN_DATASETS = (
    BuiltinDataset("mcq_zh", "mcq", "multiple choice in Chinese, 4 subjects (example data)", "mcq_zh"),
    BuiltinDataset("mcq_en", "mcq", "multiple choice in English, 4 subjects (example data)", "mcq_en"),
    BuiltinDataset("qa_zh", "qa", "questions and free answers in Chinese (example data)", "qa_zh.csv"),
    BuiltinDataset("qa_en", "qa", "questions and free answers in English (example data)", "qa_en.csv"),
    BuiltinDataset("gsm8k_style", "gsm8k", "grade-school word problems (example data)", "gsm8k_style.jsonl"),
    BuiltinDataset(
        "toolbench_style", "toolbench", "agent steps with tools (example data)", "toolbench_style.json"
    ),
    BuiltinDataset(
        "judge_style", "judge", "open questions for a judge, with rubrics (example data)", "judge_style.jsonl"
    ),
    BuiltinDataset(
        "judge_pairs_style",
        "judge",
        "the same against another answer (example data)",
        "judge_pairs_style.jsonl",
    ),
    BuiltinDataset(
        "perplexity_en", "perplexity", "short English texts (example data)", "perplexity_en.jsonl"
    ),
    BuiltinDataset(
        "perplexity_zh", "perplexity", "short Chinese texts (example data)", "perplexity_zh.jsonl"
    ),
    BuiltinDataset(
        "preference_style",
        "preference",
        "pairs of a good and a bad answer (example data)",
        "preference_style.jsonl",
    ),
    BuiltinDataset(
        "gsm8k",
        "gsm8k",
        "the gsm8k test set, 1,319 problems (fetched on first use)",
        "test.jsonl",
        "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/test.jsonl",
        "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
    ),
)


def find_builtin(name: str) -> BuiltinDataset | None:
    """The built-in dataset of that name."""
    return next((dataset for dataset in BUILTIN_DATASETS if dataset.name == name), None)


def locate_dataset(target: str) -> tuple[Path, str | None]:
    """The path a SPEC's target stands for, and its kind when it is a built-in name.

    An existing file or folder comes before a name. Raises `ConfigError` for neither, `InputError` when a
    public set cannot be fetched.
    """
    path = Path(target).expanduser()
    builtin = find_builtin(target)
    if path.exists() and (builtin is None or path.is_file() or any(path.iterdir())):
        return path, None
    if builtin is None:
        raise ConfigError(_unknown(target))
    if builtin.url and not builtin.path().exists():
        _fetch(builtin)
    return builtin.path(), builtin.kind


def _unknown(target: str) -> str:
    names = [dataset.name for dataset in BUILTIN_DATASETS]
    close = [
        *difflib.get_close_matches(target, names, n=1),
        *difflib.get_close_matches(target, _sibling_paths(target), n=1),
    ]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"{target}: no such file, folder or built-in dataset.{hint} `evalsuite datasets` lists the names."


def _sibling_paths(target: str) -> Iterator[str]:
    folder = Path(target).expanduser().parent
    return (str(folder / entry.name) for entry in folder.iterdir()) if folder.is_dir() else iter(())


def _fetch(dataset: BuiltinDataset) -> None:
    from evalsuite._util.http.calls import download  # only to fetch a dataset for the first time
    from evalsuite._util.http.transport import TransportError

    target = dataset.path()
    assert dataset.url
    assert dataset.sha256
    try:
        with verified_download(target, dataset.sha256) as temporary:
            temporary.write_bytes(download(dataset.url, FETCH_TIMEOUT_SECONDS))
    except TransportError as error:
        raise InputError(
            f"{dataset.name}: cannot fetch {dataset.url} ({error}). Download it elsewhere and copy it to {target}, "
            f"or name your own file: -d {dataset.kind}:PATH"
        ) from error
