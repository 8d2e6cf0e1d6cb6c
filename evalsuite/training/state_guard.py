"""Restores modules' modes and random numbers after a check.

Nothing else needs restoring: the tokenizer is copied, and generation neither reads generation_config nor changes the model's
configuration.
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
    """Put every module into evaluation mode inside the block; afterwards restore modes and random numbers."""
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
    """Restore the random generators of Python, numpy and torch on all devices."""
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
