"""A quick fingerprint of weights on any device: sums of their bits."""

from __future__ import annotations

from typing import Any

import torch

from evalsuite.models.checkpoint import combine_fingerprints

AT_ONCE = 1 << 22
"""64-bit words summed in one step: 32 MB."""
PERIOD = 65_521
"""Words are weighted by position modulo this prime, so that swapped words change the sum."""
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
WORD_BYTES = 8


def weights_fingerprint(model: Any) -> str:
    """A fingerprint of all trained weights (of all weights if none is trained); equal weights have equal fingerprints.

    Different weights have different fingerprints except by chance. It is not a cryptographic hash.
    """
    named = list(model.named_parameters())
    trained = [(name, one) for name, one in named if one.requires_grad] or named
    places = _Places(max((one.numel() for _, one in trained), default=0))
    sums = [(name, one, _sums(one.detach(), places)) for name, one in trained]
    parts = [f"{name} {tuple(one.shape)} {one.dtype} {found.tolist()}" for name, one, found in sums]
    return combine_fingerprints(str(getattr(model.config, "_name_or_path", "")), *parts)


class _Places(dict[torch.device, torch.Tensor]):
    """The position weights, created once per device: for many small tensors they would take longer than the sums."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = min(most, AT_ONCE)

    def __missing__(self, device: torch.device) -> torch.Tensor:
        self[device] = torch.arange(1, self._most + 1, device=device).remainder_(PERIOD)
        return self[device]


def _sums(tensor: torch.Tensor, places: _Places) -> torch.Tensor:
    """Two sums over the bits, plain and weighted by position; 64-bit integers that wrap around."""
    weights = places[tensor.device]
    found = torch.zeros(2, dtype=torch.int64, device=tensor.device)
    for number, piece in enumerate(torch.split(_words(tensor), AT_ONCE)):
        wide = piece.to(torch.int64)
        found[0] += wide.sum()
        found[1] += (wide * weights[: len(wide)]).sum() * (number + 1)
    return found


def _words(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor's bits as integers: packed into 64 bits if they fill them evenly, otherwise one integer each."""
    flat = tensor.contiguous().flatten()
    size = flat.element_size()
    if not flat.numel() or flat.numel() * size % WORD_BYTES:
        return flat.view(BITS[size])
    if flat.storage_offset() * size % WORD_BYTES:
        flat = flat.clone()  # a view may begin between two words
    return flat.view(torch.int64)
