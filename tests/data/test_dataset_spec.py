"""`[kind:]name-or-path`: what is meant, and what to say when nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.data.spec import parse_spec
from evalsuite.errors import ConfigError
from evalsuite.tasks import KINDS


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("mcq:data/ceval", "mcq", "data/ceval"),
        ("toolbench:a:b.json", "toolbench", "a:b.json"),
        ("data/a:b.csv", None, "data/a:b.csv"),
        ("gsm8k", None, "gsm8k"),
        ("C:/data/x.csv", None, "C:/data/x.csv"),
        ("./x.csv", None, "./x.csv"),
        ("a b:c", None, "a b:c"),
    ],
)
def test_kind_and_target(text: str, kind: str | None, target: str) -> None:
    spec = parse_spec(text, list(KINDS))
    assert (spec.kind, spec.target, spec.text) == (kind, target, text)


def test_an_existing_file_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mcq:x.csv").touch()
    assert parse_spec("mcq:x.csv", list(KINDS)).kind is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "mqc:x.csv",
            "there is no dataset kind 'mqc'; use toolbench, preference, judge, mcq, gsm8k, qa, perplexity, evalscope, opencompass or vlmeval. Did you mean 'mcq:x.csv'?",
        ),
        ("MCQ:x.csv", "Did you mean 'mcq:x.csv'?"),
        ("tool-bench:x.json", "Did you mean 'toolbench:x.json'?"),
        ("zzzz:x.csv", "there is no dataset kind 'zzzz'"),
        ("evalscope:x", "only `evalsuite run -d evalscope:x` takes it"),
        ("mcq:", "no dataset is named"),
        ("mcq:  ", "no dataset is named"),
        ("", "no dataset is named"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, list(KINDS))
    assert says in str(caught.value)
    assert "-d" in str(caught.value)
