"""Loads a saved model in the ordinary way and reads its predictions.

The job: `path`, `what` (its name in log lines), `device` (None: a GPU if there is one), `answers` (whether to ask a question too).
"""

from __future__ import annotations

from typing import Any

from evalsuite.conversion.scripts import read_job, report, say
from evalsuite.conversion.scripts.reading import read_model


def main() -> None:
    """Read the model of the job."""
    job = read_job()
    import torch
    import transformers

    say(f"loading {job['what']} to read it")
    device = job["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["path"], local_files_only=True)
    placed = {"device_map": "auto" if job["device"] is None else device} if device != "cpu" else {}
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        job["path"], dtype="auto", local_files_only=True, **placed
    )
    model.eval()
    say(f"asking {job['what']}")
    report({"reading": read_model(model, tokenizer, answers=job["answers"])})
