"""What a profile's source says: `ENVIRONMENT/bin/python ask.py PROFILE < records.jsonl > answers.jsonl`.

Runs in an environment of `make.py`, so it imports nothing of ours. A record is what the profile judges, an answer
its scores by name (and what it read, where it extracts); the functions asked are the sources' own.
"""

from __future__ import annotations

import ast
import functools
import json
import logging
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

UNPACKED = Path(sys.prefix) / "unpacked"


def evalscope_mcq(record: Any) -> Any:
    from evalscope.metrics.nlp.metrics import Accuracy, MultiChoiceAcc
    from evalscope.utils.multi_choices import parse_answers, parse_answers_zh

    state = SimpleNamespace(choices=record["labels"][:10], output=SimpleNamespace(completion=record["reply"]))
    parse = parse_answers_zh if record["chinese"] else parse_answers
    found = "".join(sorted(parse(state, multiple_correct=record["multiple"], completion=record["reply"])))
    metric = MultiChoiceAcc() if record["multiple"] else Accuracy()
    return {"answer": found, "accuracy": metric.apply([found], ["".join(record["gold"])])[0]}


def oc_first_capital(record: Any) -> Any:
    (first_capital,) = functions("opencompass/utils/text_postprocessors.py", "first_capital_postprocess")
    found = first_capital(record["reply"])
    return {"answer": found, "accuracy": float(found == "".join(record["gold"]))}


def oc_first_option(record: Any) -> Any:
    (first_option,) = functions("opencompass/utils/text_postprocessors.py", "first_option_postprocess")
    found = first_option(record["reply"], "".join(record["labels"]))
    return {"answer": found, "accuracy": float(found == "".join(record["gold"]))}


LM_EVAL_TASKS: dict[str, Any] = {}
"""Read once."""


def lm_eval_gsm8k(record: Any, name: Any) -> Any:
    import lm_eval
    import yaml
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters import build_filter_ensemble

    if "gsm8k" not in LM_EVAL_TASKS:
        LM_EVAL_TASKS["gsm8k"] = yaml.safe_load(
            (Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k.yaml").read_text()
        )
    task = LM_EVAL_TASKS["gsm8k"]
    (steps,) = (entry["filter"] for entry in task["filter_list"] if entry["name"] == name)
    found = [record["reply"]]
    ensemble = build_filter_ensemble(
        name, [[step["function"], {k: v for k, v in step.items() if k != "function"}] for step in steps]
    )
    responses = [found]
    for make in ensemble.filters:
        responses = list(make().apply(responses, [{}]))
    answer = responses[0]
    metric = dict(task["metric_list"][0])
    options = {
        key: value for key, value in metric.items() if key.startswith("ignore") or key == "regexes_to_ignore"
    }
    score = exact_match_hf_evaluate([answer], [record["answer"]], **options)["exact_match"]
    return {"answer": answer, "accuracy": float(score)}


def opencompass_gsm8k(record: Any) -> Any:
    postprocess, of_dataset, evaluator = functions(
        "opencompass/datasets/gsm8k.py", "gsm8k_postprocess", "gsm8k_dataset_postprocess", "Gsm8kEvaluator"
    )
    found = postprocess(record["reply"])
    try:
        right = of_dataset(record["answer"])
    except IndexError:
        return {"answer": found, "accuracy": None}
    return {"answer": found, "accuracy": evaluator().score([found], [right])["accuracy"] / 100}


def evalscope_qa(record: Any) -> Any:
    import nltk

    nltk.data.path[:] = [str(UNPACKED / "llama_index/core/_static/nltk_cache")]
    from evalscope.api.evaluator.state import Target
    from evalscope.benchmarks.general_qa_vqa_metrics import calculate_metric_score

    reference = Target(record["reference"]).display
    scores: dict[str, Any] = {}
    for metric in ("Rouge", "BLEU"):
        scores |= calculate_metric_score(metric, record["reply"], reference)
    return scores


def swift(record: Any) -> Any:
    """`compute_rouge_bleu` for one row; the package's own rounding to six decimals is taken off."""
    (compute,) = functions("swift/metrics/nlg.py", "compute_rouge_bleu")
    return compute([record["reply"]], [record["reference"]])


def toolbench_paper(record: Any) -> Any:
    """`run_eval` for one batch of records, through the files it reads and writes."""
    sys.path.append(str(UNPACKED / "evalscope/third_party/toolbench_static"))
    from eval import EvalArgs, run_eval

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "predictions.json").write_text(json.dumps(record["records"]))
        run_eval(EvalArgs(folder, f"{folder}/scored"))
        return json.loads(Path(folder, "scored/metrics.json").read_text())


@functools.cache
def functions(path: Any, *names: Any) -> Any:
    """Functions and classes of an unpacked module, as they stand there, without what the module imports."""
    tree = ast.parse((UNPACKED / path).read_text(encoding="utf-8"))
    wanted = [node for node in tree.body if getattr(node, "name", "") in names]
    for node in wanted:
        node.decorator_list = []
    given = {
        "re": re,
        "List": list,
        "BaseEvaluator": object,
        "MeanMetric": Mean,
        "round": lambda value, _: value,
    }
    exec(compile(ast.Module(wanted, []), path, "exec"), given)
    return tuple(given[name] for name in names)


class Mean:
    """Stands for ms-swift's MeanMetric, whose module needs torch."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def update(self, value: Any) -> None:
        self.values.append(value)

    def compute(self) -> Any:
        return {"value": sum(self.values) / len(self.values) if self.values else float("nan")}


PROFILES = {
    "mcq/evalscope": evalscope_mcq,
    "mcq/oc_first_capital": oc_first_capital,
    "mcq/oc_first_option": oc_first_option,
    "gsm8k/lm_eval_strict": lambda record: lm_eval_gsm8k(record, "strict-match"),
    "gsm8k/lm_eval_flexible": lambda record: lm_eval_gsm8k(record, "flexible-extract"),
    "gsm8k/opencompass": opencompass_gsm8k,
    "qa/evalscope": evalscope_qa,
    "qa/swift": swift,
    "toolbench/paper": toolbench_paper,
}


def main() -> None:
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    ask = PROFILES[sys.argv[1]]
    answers = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr
    answers.writelines(json.dumps(ask(json.loads(line))) + "\n" for line in sys.stdin.buffer)
    answers.flush()


if __name__ == "__main__":
    main()
