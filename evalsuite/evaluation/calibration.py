"""Calibration data: prompts of the user's own files, as their task would ask them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalsuite.errors import InputError
from evalsuite.runs.plan import plan_spec


def read_calibration_prompts(spec: str, rows: int) -> tuple[Sequence[Mapping[str, Any]], dict[str, Any]]:
    """Take up to `rows` prompts, spread evenly over a dataset, and the facts to record about them. Raises `InputError`."""
    prompts: list[dict[str, Any]] = []
    plans = plan_spec(spec)
    for plan in plans:
        some = replace(plan, limit=max(1, rows // len(plans)))
        for sample, shots in some.samples():
            prompt, _ = plan.request(sample, shots)
            prompts.append(
                {"messages": list(prompt.messages), "tools": list(prompt.tools) if prompt.tools else None}
                if prompt.messages is not None
                else {"text": prompt.text}
            )
    if not prompts:
        raise InputError(f"--calibration {spec}: it has no rows to calibrate by.")
    hashes = [plan.data_hash for plan in plans]
    return prompts, {"calibration": {"spec": spec, "prompts": len(prompts), "data": hashes}}
