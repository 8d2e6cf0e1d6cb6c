"""One state of the weights is told from another, however they lie in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.training import fingerprint
from evalsuite.training.fingerprint import weights_fingerprint

pytestmark = pytest.mark.filterwarnings("default")
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int8)


def model(*tensors: Any) -> Any:
    """What has these weights."""
    found = torch.nn.Module()
    found.config = SimpleNamespace()
    for number, tensor in enumerate(tensors):
        found.register_parameter(f"weight{number}", torch.nn.Parameter(tensor, requires_grad=False))
    return found


def numbers(count: Any, dtype: Any) -> Any:
    return torch.arange(1, count + 1).to(dtype)


@given(count=st.integers(0, 40), dtype=st.sampled_from(DTYPES))
def test_weights_fingerprint_equal_weights_have_one_fingerprint_wherever_they_lie(
    count: Any, dtype: Any
) -> None:
    first = numbers(count, dtype)
    inside = numbers(count + 1, dtype).clone()
    inside[1:] = first
    slanted = torch.stack([first, first], dim=1)[:, 0]
    assert (
        weights_fingerprint(model(first))
        == weights_fingerprint(model(inside[1:]))
        == weights_fingerprint(model(slanted))
    )


@given(count=st.integers(2, 40), dtype=st.sampled_from(DTYPES), data=st.data())
def test_weights_fingerprint_one_changed_or_two_exchanged_numbers_are_another_fingerprint(
    count: Any, dtype: Any, data: Any
) -> None:
    first = numbers(count, dtype)
    place, other = data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))
    changed, exchanged = first.clone(), first.clone()
    changed[place] = 99
    exchanged[place], exchanged[other] = first[other], first[place]
    assert len({weights_fingerprint(model(one)) for one in (first, changed, exchanged)}) == 3


def test_weights_fingerprint_numbers_are_told_apart_in_every_piece_of_a_large_weight(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(fingerprint, "AT_ONCE", 4)
    first = numbers(40, torch.float32)
    found = {weights_fingerprint(model(first))}
    for place in range(40):
        changed = first.clone()
        changed[place] = 99
        found.add(weights_fingerprint(model(changed)))
    assert len(found) == 41


def test_weights_fingerprint_only_what_is_trained_counts_where_something_is() -> Any:
    base, adapter = numbers(8, torch.float32), numbers(4, torch.float32)

    def state(base: Any, adapter: Any) -> Any:
        found = model(base, adapter)
        found.weight1.requires_grad_()
        return weights_fingerprint(found)

    assert state(base, adapter) == state(base + 1, adapter)
    assert state(base, adapter) != state(base, adapter + 1)
