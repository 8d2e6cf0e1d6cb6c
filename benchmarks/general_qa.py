"""EvalScope's side of `scoring.py`: reads lines of pairs, scores them as its general_qa does, writes the seconds.

Runs in an environment that holds EvalScope, so it imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import time
import warnings


def main() -> None:
    """One line of JSON pairs in, one number out, until the input ends."""
    warnings.simplefilter("ignore")
    from evalscope.benchmarks.general_qa_vqa_metrics import METRIC_SCORE_KEYS, calculate_metric_score

    for line in sys.stdin:
        pairs = json.loads(line)
        start = time.process_time()
        for reference, prediction in pairs:
            for metric in METRIC_SCORE_KEYS:
                calculate_metric_score(metric, prediction, reference)
        print(time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()
