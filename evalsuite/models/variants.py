"""The variants of a run: what `--ckpt`, `--adapter`, `--merge` and `--quant` name together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalsuite.errors import CheckpointError, ConfigError
from evalsuite.models.adapters import read_adapter
from evalsuite.models.checkpoint import Checkpoint, combine_fingerprints, short_name
from evalsuite.models.quantization import LOAD_TIME_METHODS
from evalsuite.models.recognise import find_checkpoint, with_adapters

MERGED_SUFFIX = "-merged"
_ADAPTER = re.compile(r"^(?:(?P<base>[\w.+-]+):)?(?P<name>[\w.+-]+)=(?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class AdapterOption:
    """The parts of `[CKPT:][NAME=]PATH[+PATH…]`."""

    base: str | None
    name: str
    source: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """The adapters' folders in order; an existing path with a plus in its name is one folder."""
        whole = Path(self.source).expanduser()
        if whole.exists():
            return (whole,)
        return tuple(Path(part).expanduser() for part in self.source.split("+"))


def find_variants(
    ckpts: Sequence[str], adapters: Sequence[str], *, merge: bool = False, quants: Sequence[str] = ()
) -> tuple[Checkpoint, ...]:
    """Every variant: the checkpoints, each followed by its adapters and by what is made of them.

    Raises `CheckpointError` for what does not exist or does not fit together, `ConfigError` for names that clash.
    """
    bases = [find_checkpoint(text) for text in ckpts]
    options = [parse_adapter(text) for text in adapters]
    on_base: dict[str, list[Checkpoint]] = {base.name: [] for base in bases}
    for option in options:
        base = _base_of(option, bases)
        said = f"--adapter {option.name}={option.source}"
        found = tuple(read_adapter(path, said) for path in option.paths)
        on_base[base.name].append(with_adapters(base, option.name, option.source, found, said))
    variants: list[Checkpoint] = []
    for base in bases:
        with_base = [base, *on_base[base.name]]
        variants += with_base
        variants += [merged(one) for one in with_base if merge and one.adapters and not one.recipe]
        variants += [quantized(base, method) for method in quants]
    if merge and not any(one.recipe for one in variants):
        raise ConfigError("--merge: there is no adapter to merge; name one with --adapter NAME=PATH.")
    _refuse_equal_names(variants)
    return tuple(variants)


def parse_adapter(text: str) -> AdapterOption:
    """Parse `[CKPT:][NAME=]PATH[+PATH…]`."""
    match = _ADAPTER.match(text)
    if match and not Path(text).expanduser().exists():
        return AdapterOption(match["base"], match["name"], match["path"])
    return AdapterOption(None, "+".join(short_name(part) for part in text.split("+")), text)


def merged(variant: Checkpoint) -> Checkpoint:
    """A variant with its adapters merged into its base, which has yet to be made. Raises `CheckpointError`."""
    if variant.base_form != "original":
        raise CheckpointError(
            f"{variant.name}: its base is {variant.details.get('base')}, which is of the form '{variant.base_form}'; adapters are merged into "
            "an original Hugging Face folder. Give that as --ckpt."
        )
    name = variant.name + MERGED_SUFFIX
    return replace(
        variant,
        name=name,
        model=name,
        form="original",
        base_form=None,
        recipe=("merge",),
        fingerprint=combine_fingerprints(variant.fingerprint, "merged"),
    )


def quantized(base: Checkpoint, method: str) -> Checkpoint:
    """A variant with the same weights, quantized while they are loaded. Raises `CheckpointError`, `ConfigError`."""
    if method not in LOAD_TIME_METHODS:
        known = ", ".join(f"{name} ({how.description})" for name, how in LOAD_TIME_METHODS.items())
        raise ConfigError(f"--quant {method}: not one of the methods that quantize while loading: {known}.")
    if base.form != "original":
        raise CheckpointError(
            f"--quant {method}: {base.source} is of the form '{base.form}'; only an original Hugging Face folder can be quantized while it is loaded."
        )
    name = f"{base.name}-{method}"
    return replace(
        base,
        name=name,
        model=name,
        form=LOAD_TIME_METHODS[method].form,
        base_form=None,
        quant=method,
        fingerprint=combine_fingerprints(base.fingerprint, method),
        details={**base.details, "quantization": f"{LOAD_TIME_METHODS[method].description}, while loading"},
    )


def _base_of(option: AdapterOption, bases: Sequence[Checkpoint]) -> Checkpoint:
    said = f"--adapter {option.name}={option.source}"
    names = ", ".join(base.name for base in bases)
    if option.base is None:
        if len(bases) == 1:
            return bases[0]
        example = f"--adapter {bases[0].name}:{option.name}={option.source}" if bases else ""
        raise ConfigError(
            f"{said}: on which checkpoint? There are {len(bases)} ({names}); say {example}"
            if bases
            else f"{said}: on which checkpoint? Give its base with --ckpt PATH."
        )
    for base in bases:
        if base.name == option.base:
            return base
    raise ConfigError(f"{said}: there is no checkpoint '{option.base}'; the names are: {names}.")


def _refuse_equal_names(variants: Sequence[Checkpoint]) -> None:
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"--ckpt: two checkpoints are called '{name}'; name them: --ckpt first=PATH --ckpt second=PATH"
            )
