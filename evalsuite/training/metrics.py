"""`compute_metrics` for `Trainer` and `Seq2SeqTrainer`, with the scorers of runs.

`acc`   share of predicted tokens (`token_acc`) and of whole rows (`seq_acc`) that are the labels', which are shifted by one for
        a decoder-only model. Labels of -100 are not counted, rows without a label neither. As ms-swift's `acc`.
`nlg`   `rouge-1`, `rouge-2`, `rouge-l`, `bleu-4` of generated texts, 0 to 100: the profile `swift`, rows averaged. Needs
        `predict_with_generate=True` and a tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from evalsuite.errors import ConfigError
from evalsuite.metrics import qa_profiles

IGNORED = -100
Named: TypeAlias = Literal["acc", "nlg"]
Floats: TypeAlias = dict[str, float]


@overload
def compute_metrics(
    name: Literal["acc"], tokenizer: Any = None, *, encoder_decoder: bool = False
) -> Accuracy: ...


@overload
def compute_metrics(
    name: Literal["nlg"], tokenizer: Any = None, *, encoder_decoder: bool = False
) -> Callable[[Any], Floats]: ...


def compute_metrics(
    name: Named, tokenizer: Any = None, *, encoder_decoder: bool = False
) -> Callable[[Any], Floats]:
    """The function for `Trainer(compute_metrics=…)`. Raises `ConfigError`.

    With `acc` also set `preprocess_logits_for_metrics=compute_metrics("acc").preprocess_logits_for_metrics`, otherwise the
    logits of the whole evaluation stay in memory. `encoder_decoder`: labels are not shifted.
    """
    if name == "acc":
        return Accuracy(encoder_decoder)
    if name != "nlg":
        raise ConfigError(f"compute_metrics({name!r}): write 'acc' or 'nlg'.")
    if tokenizer is None:
        raise ConfigError("compute_metrics('nlg', tokenizer): texts are compared, so it needs the tokenizer.")
    return Texts(tokenizer)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """See the module's docstring."""

    encoder_decoder: bool = False

    def __call__(self, predictions: Any) -> Floats:
        """`predictions`: logits (rows, positions, vocabulary) or token ids (rows, positions), and labels."""
        found, labels = _first(predictions.predictions), _first(predictions.label_ids)
        if found.ndim == labels.ndim + 1:
            found = found.argmax(-1)
        if not self.encoder_decoder:
            found, labels = found[:, :-1], labels[:, 1:]
        counted = labels != IGNORED
        right = (found == labels) & counted
        rows = counted.any(-1)
        if not rows.any():
            return {}
        whole = (right == counted).all(-1)
        return {
            "token_acc": float(right.sum() / counted.sum()),
            "seq_acc": float(whole[rows].mean()),
        }

    @staticmethod
    def preprocess_logits_for_metrics(logits: Any, labels: Any) -> Any:  # noqa: ARG004 - the trainer gives both
        """The most probable tokens: all that is kept of an evaluation."""
        return _first(logits).argmax(-1)


@dataclass(frozen=True, slots=True)
class Texts:
    """See the module's docstring."""

    tokenizer: Any

    def __call__(self, predictions: Any) -> Floats:
        """`predictions`: generated ids and labels."""
        return text_metrics(self._texts(predictions.predictions), self._texts(predictions.label_ids))

    def _texts(self, ids: Any) -> list[str]:
        ids = _first(ids)
        padding = self.tokenizer.pad_token_id
        padding = self.tokenizer.eos_token_id if padding is None else padding
        known = np.where(ids < 0, 0 if padding is None else padding, ids)
        return list(self.tokenizer.batch_decode(known, skip_special_tokens=True))


def text_metrics(replies: Sequence[str], references: Sequence[str]) -> Floats:
    """`nlg` for texts, if the framework has decoded them already. Metrics without a value in any row are omitted."""
    scores = [
        qa_profiles.swift(reference, reply) for reference, reply in zip(references, replies, strict=True)
    ]
    found: Floats = {}
    for name in qa_profiles.SWIFT:
        values = [value for score in scores if (value := score[name]) is not None]
        if values:
            found[name] = float(np.mean(values))
    return found


def _first(values: Any) -> Any:
    """The logits: models that return more return them first."""
    return values[0] if isinstance(values, tuple | list) else values
