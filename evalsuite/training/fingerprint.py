"""What tells one state of the weights from another, quickly, wherever they are: sums of their bits."""

from __future__ import annotations

from typing import Any

import torch

from evalsuite.models.checkpoint import fingerprint_of

AT_ONCE = 1 << 22
"""Numbers that are widened to 64 bits together: 32 MB."""
PERIOD = 65_521
"""Numbers are weighted by their place, up to this prime, so that two that change places are seen."""
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def weights_fingerprint(model: Any) -> str:
    """A fingerprint of all that is trained (of all weights, where nothing is). The same weights have the same one.

    Other weights have another one but for chance; it is no cryptographic hash.
    """
    named = list(model.named_parameters())
    trained = [(name, one) for name, one in named if one.requires_grad] or named
    sums = [(name, one, _sums(one.detach())) for name, one in trained]
    parts = [f"{name} {tuple(one.shape)} {one.dtype} {found.tolist()}" for name, one, found in sums]
    return fingerprint_of(str(getattr(model.config, "_name_or_path", "")), *parts)


def _sums(tensor: torch.Tensor) -> torch.Tensor:
    """Two sums over the bits, plain and weighted by place; 64-bit integers that wrap."""
    bits = tensor.contiguous().flatten().view(BITS[tensor.element_size()])
    weights = torch.arange(1, AT_ONCE + 1, device=tensor.device).remainder_(PERIOD)
    found = torch.zeros(2, dtype=torch.int64, device=tensor.device)
    for number, piece in enumerate(torch.split(bits, AT_ONCE)):
        wide = piece.to(torch.int64)
        found[0] += wide.sum()
        found[1] += (wide * weights[: len(wide)]).sum() * (number + 1)
    return found
