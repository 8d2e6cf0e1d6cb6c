"""A check leaves no trace: modules' modes and random numbers are as they were before.

The tokenizer is copied, generation reads no generation_config and writes no flag of the model's configuration, so there
is nothing else to put back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def preserve_model_state(model: Any) -> Iterator[None]:
    """Evaluate inside: every module in evaluation mode; afterwards each in the mode it had, random numbers as before."""
    modes = [(module, module.training) for module in model.modules()]
    with preserve_random_state():
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Put back the generators of Python, numpy and torch, those of all its devices included."""
    python, numbers, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
