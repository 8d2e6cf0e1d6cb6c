"""Calibration data: prompts of the user's own files, of every kind, as their task asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known import known
from run_helpers import numbered, only_plan, write_qa

from evalsuite.conversion.scripts.calibration import tokenize_prompts
from evalsuite.data.builtin import BUILTIN_DATASETS
from evalsuite.errors import DataError, InputError
from evalsuite.evaluation.calibration import read_calibration_prompts


class LetterTokenizer:
    """A token a letter; its template marks who speaks."""

    chat_template: str | None = "there is one"

    def __call__(self, text: Any) -> Any:
        return {"input_ids": [ord(letter) for letter in text]}

    def apply_chat_template(
        self, messages: Any, *, tools: Any, add_generation_prompt: Any, return_dict: Any
    ) -> Any:
        text = "".join(f"<{one['role']}>{one['content']}" for one in messages) + f"{tools or ''}<assistant>"
        return self(text)


def text_of(tokens: list[int]) -> str:
    return "".join(map(chr, tokens))


def test_the_prompts_are_those_that_a_run_would_ask(tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(9))
    prompts, facts = read_calibration_prompts(f"qa:{data}", 4)
    assert len(prompts) == 4
    plan = only_plan(f"qa:{data}")
    asked = [list(known(plan.request(sample, shots)[0].messages)) for sample, shots in plan.samples()]
    assert all(prompt["messages"] in asked for prompt in prompts)
    assert facts == {"calibration": {"spec": f"qa:{data}", "prompts": 4, "data": [plan.data_hash]}}


@pytest.mark.parametrize("name", [dataset.name for dataset in BUILTIN_DATASETS if not dataset.url])
def test_every_kind_of_dataset_calibrates(name: str) -> None:
    prompts, _ = read_calibration_prompts(name, 3)
    assert 1 <= len(prompts) <= 3
    tokens = tokenize_prompts(prompts, LetterTokenizer(), 5000)
    assert all(len(one) > 10 for one in tokens)


def test_messages_go_through_the_template_with_their_tools_and_are_cut() -> None:
    prompt = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "search"}]}
    (tokens,) = tokenize_prompts([prompt], LetterTokenizer(), 1000)
    assert text_of(tokens) == "<user>hi[{'name': 'search'}]<assistant>"
    assert [len(one) for one in tokenize_prompts([prompt], LetterTokenizer(), 7)] == [7]


def test_a_base_model_without_a_template_is_calibrated_by_the_bare_texts() -> None:
    tokenizer = LetterTokenizer()
    tokenizer.chat_template = None
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    told: list[dict[str, Any]] = [{"messages": messages, "tools": None}, {"text": "once"}]
    assert [text_of(one) for one in tokenize_prompts(told, tokenizer, 100)] == ["be kind\n\nhi", "once"]


def test_bad_rows_are_listed_and_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"query": "a", "response": "b"}\nnonsense\n')
    with pytest.raises(DataError, match=r"broken\.jsonl:2"):
        read_calibration_prompts(f"qa:{broken}", 4)
    with pytest.raises(InputError, match="nowhere"):
        read_calibration_prompts("qa:nowhere.csv", 4)
