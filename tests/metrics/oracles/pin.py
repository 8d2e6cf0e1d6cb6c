"""Writes `vectors/PROFILE.json`: the picked records with the scores of each profile's source.

`python tests/metrics/oracles/pin.py FOLDER PROFILE…`, FOLDER being what `make.py` made, PROFILE a name of `SOURCES`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from profile_cases import PICKED, VECTORS  # noqa: E402

ENVIRONMENT = {
    "mcq/evalscope": "evalscope",
    "mcq/oc_first_capital": "opencompass",
    "mcq/oc_first_option": "opencompass",
    "gsm8k/lm_eval_strict": "lm_eval",
    "gsm8k/lm_eval_flexible": "lm_eval",
    "gsm8k/opencompass": "opencompass",
    "qa/evalscope": "evalscope",
    "qa/swift": "swift",
    "toolbench/paper": "toolbench",
}
"""In which of the environments of `make.py` a profile's source is."""
SOURCES = {
    "mcq/evalscope": "evalscope 1.14.1: utils/multi_choices.py, metrics/nlp/metrics.py",
    "mcq/oc_first_capital": "opencompass 0.5.4: utils/text_postprocessors.py first_capital_postprocess",
    "mcq/oc_first_option": "opencompass 0.5.4: utils/text_postprocessors.py first_option_postprocess",
    "gsm8k/lm_eval_strict": "lm-eval 0.4.13: tasks/gsm8k/gsm8k.yaml strict-match, api/metrics.py exact_match",
    "gsm8k/lm_eval_flexible": "lm-eval 0.4.13: tasks/gsm8k/gsm8k.yaml flexible-extract, api/metrics.py exact_match",
    "gsm8k/opencompass": "opencompass 0.5.4: datasets/gsm8k.py gsm8k_postprocess, Gsm8kEvaluator",
    "qa/evalscope": "evalscope 1.14.1: benchmarks/general_qa_vqa_metrics.py, with rouge-chinese 1.0.3, nltk 3.10.4, jieba 0.42.1",
    "qa/swift": "ms-swift 4.6.0: metrics/nlg.py compute_rouge_bleu (unrounded), with rouge 1.0.1, nltk 3.10.4, jieba 0.42.1",
}


def answers(folder: Path, profile: str, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the profile's source says of each record."""
    python = folder / ENVIRONMENT[profile] / "bin" / "python"
    lines = "".join(json.dumps(record) + "\n" for record in records)
    done = subprocess.run(
        [str(python), str(HERE / "ask.py"), profile], input=lines.encode(), stdout=subprocess.PIPE, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def pin(folder: Path, profile: str) -> None:
    """Write a profile's vectors."""
    records = PICKED[profile.partition("/")[0]]
    found = answers(folder, profile, records)
    lines = [
        json.dumps({"record": record, "expected": expected}, ensure_ascii=False)
        for record, expected in zip(records, found, strict=True)
    ]
    head = json.dumps(
        {"source": SOURCES[profile], "made_by": "tests/metrics/oracles/pin.py"}, ensure_ascii=False
    )
    text = f'{head[:-1]}, "vectors": [\n' + ",\n".join(lines) + "\n]}\n"
    (VECTORS / f"{profile.replace('/', '_')}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        pin(Path(sys.argv[1]), name)
