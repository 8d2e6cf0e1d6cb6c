"""What tests of scoring without a model share: files of predictions for every kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evalsuite.config import ScoreConfig, build_score_config
from evalsuite.runs.predictions import PredictionPlan, plan_predictions

CALL = 'Thought: look\nAction: search\nAction Input: {"q": "tea"}'
FINISH = 'Thought: done\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "Green tea."}'
TOOLS = [{"name": "search", "parameters": {}}, {"name": "Finish", "parameters": {}}]
ASKED = [{"role": "user", "content": "Which tea?"}]
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "mcq": [
        {"question": "1 + 1?", "A": "one", "B": "two", "answer": "B", "prediction": "Answer: B"},
        {"question": "2 + 2?", "A": "four", "B": "five", "answer": "A", "prediction": "Answer: A"},
    ],
    "qa": [
        {"query": "Say something.", "response": "The quick brown fox jumps.", "prediction": "The quick brown fox jumps."},
        {"query": "And more?", "response": "Over the lazy dog again.", "prediction": "Over the lazy dog again."},
    ],
    "gsm8k": [
        {"question": "1 + 1?", "answer": "It is\n#### 2", "prediction": r"\boxed{2}"},
        {"question": "1000 + 1?", "answer": "#### 1,001", "prediction": "#### 1001"},
    ],
    "toolbench": [
        {"messages": ASKED, "tools": TOOLS, "target": CALL, "predictions": CALL},
        {"messages": ASKED, "tools": TOOLS, "target": FINISH, "predictions": FINISH},
    ],
}  # fmt: skip
"""Of each kind that is answered and needs no judge, rows whose predictions are the gold answers."""
MEASURED_ROWS: Mapping[str, list[dict[str, Any]]] = {
    "judge": [
        {"question": "Why?", "rubric": "", "prediction": "Because.", "judgement": {"score": 10, "reason": "so"}},
        {"question": "How?", "rubric": "", "prediction": "Thus.", "judgement": '{"score": 10}'},
    ],
    "perplexity": [
        {"text": "a b c", "logprobs": [None, -1.0, -2.0], "tokens": ["a", " b", " c"]},
        {"text": "d e", "logprobs": [None, -0.5], "tokens": ["d", " e"]},
    ],
    "preference": [
        {"prompt": "q", "chosen": "a", "rejected": "b", "chosen_logprobs": [-1.0], "rejected_logprobs": [-2.0]},
        {"prompt": "q", "chosen": "c", "rejected": "d", "chosen_logprobs": [-1.5, -0.5], "rejected_logprobs": [-3.0]},
    ],
}  # fmt: skip
"""The same of kinds that hold something else in a prediction's place."""
HEADLINE = {"mcq": "accuracy", "qa": "rouge_l", "gsm8k": "accuracy", "toolbench": "strict/plan_em"}
FROZEN = Path(__file__).parent / "metrics" / "frozen"
CORPORA = sorted(FROZEN.glob("*.jsonl"))
"""See `test_frozen_scores`."""


def frozen_plan(corpus: Path) -> PredictionPlan:
    """A frozen corpus, ready to be judged; its name begins with its kind."""
    (plan,) = plan_predictions(
        build_score_config({"datasets": [f"{corpus.stem.partition('_')[0]}:{corpus}"]})
    )
    return plan


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A JSONL file as Python's own writer leaves it: lone surrogates and NaN as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def scoring(out: Path, *specs: Path | str, **options: Any) -> ScoreConfig:
    """A scoring whose run directory is `out/scored`."""
    given = {"out": out, "name": "scored"} | options
    return build_score_config({"datasets": [str(spec) for spec in specs]} | given)
