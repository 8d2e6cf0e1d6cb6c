"""`evalsuite export merge|quantize|gguf`: write a merged, quantized or converted model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.help import SectionedCommand

if TYPE_CHECKING:
    from evalsuite.evaluation.export import ExportResult

GIBIBYTE, MEBIBYTE = 2**30, 2**20
Ckpt = Annotated[str, typer.Option(metavar="PATH|HUB_ID", help="Checkpoint, as for `evalsuite run`: a Hugging Face folder, or an adapter that names its base.")]  # fmt: skip
AdapterOption = Annotated[str | None, typer.Option(metavar="PATH[+PATH]", help="Adapters to merge into it, in order.")]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier export.")]

export = typer.Typer(
    name="export",
    no_args_is_help=True,
    help="Export a model merged, quantized or as GGUF, with the libraries made for it.\n\n"
    "The exported model is reloaded and compared with the original before it gets its final name. "
    "evalsuite-export.json records what it was made from and how close it is.",
)


@export.command(cls=SectionedCommand)
def merge(
    ckpt: Ckpt,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    adapter: AdapterOption = None,
    force: Force = False,
) -> None:
    """Merge adapters into their base with peft.

    LLaMA-Pro blocks of ms-swift are merged by ms-swift.

    \b
      evalsuite export merge --ckpt models/Qwen3-8B --adapter out/checkpoint-500 --out merged
    """  # noqa: D301 - the formatter wants the real character

    def work(place: Any, log: Path) -> ExportResult:
        from evalsuite.evaluation.export import export_merge

        return export_merge(ckpt, adapter, place, log)

    _execute(work, out, force=force)


@export.command(cls=SectionedCommand)
def quantize(
    ckpt: Ckpt,
    method: Annotated[str, typer.Option(metavar="NAME", help="Method: bnb-int8, bnb-nf4, torchao-int8, fp8 (GPU); with llm-compressor w8a8, w8a16, w4a16, fp8-dynamic, and calibrated w8a8-gptq, w4a16-gptq, w4a16-awq (GPU).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    adapter: AdapterOption = None,
    calibration: Annotated[str | None, typer.Option(metavar="[KIND:]PATH", help="Calibration prompts: any dataset that `evalsuite run -d` takes, rendered as it would be asked.")] = None,
    calibration_rows: Annotated[int, typer.Option(min=1, metavar="N", help="Number of calibration prompts, spread evenly.")] = 256,
    force: Force = False,
) -> None:  # fmt: skip
    """Quantize a checkpoint. Adapters are merged first.

    \b
      evalsuite export quantize --ckpt merged --method w4a16-gptq --calibration qa.csv --out merged-w4a16
    """  # noqa: D301 - the formatter wants the real character

    def work(place: Any, log: Path) -> ExportResult:
        from evalsuite.evaluation.export import export_quantized

        return export_quantized(
            ckpt, adapter, method, place, log, calibration=calibration, rows=calibration_rows
        )

    _execute(work, out, force=force)


@export.command(cls=SectionedCommand)
def gguf(
    ckpt: Ckpt,
    out: Annotated[Path, typer.Option(metavar="FILE.gguf", help="File to write.")],
    quant: Annotated[str, typer.Option(metavar="TYPE", help="Type: F32, F16, BF16, Q8_0, or one of llama.cpp's quantizer: Q6_K, Q5_K_M, Q4_K_M, Q4_0, Q3_K_M, Q2_K, IQ4_XS, …")] = "Q8_0",
    adapter: AdapterOption = None,
    force: Force = False,
) -> None:  # fmt: skip
    """Convert a checkpoint to one GGUF file with llama.cpp. Adapters are merged first.

    \b
      evalsuite export gguf --ckpt models/Qwen3-8B --adapter out/checkpoint-500 --quant Q4_K_M --out sft.gguf
    """  # noqa: D301 - the formatter wants the real character

    def work(place: Any, log: Path) -> ExportResult:
        from evalsuite.evaluation.export import export_gguf

        return export_gguf(ckpt, adapter, quant, place, log)

    _execute(work, out, force=force)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(export)


def _execute(work: Callable[[Any, Path], ExportResult], out: Path, *, force: bool) -> None:
    from evalsuite.cli.execute import execute_export

    execute_export(work, out, force=force, show=show_exported)


def show_exported(exported: ExportResult) -> None:
    """Print what was exported, how close it is to the original, and how to evaluate it."""
    print("\n".join(exported_lines(exported)), flush=True)


def exported_lines(exported: ExportResult) -> list[str]:
    """The lines that `show_exported` prints."""
    near, changed = exported.made.fidelity, exported.made.changed
    lines = [
        f"{exported.path}: {_size(exported.size)} (weights of the source: {_size(exported.source_size)}), made in {exported.seconds:.0f} s",
        f"reloaded and compared with the original: {near}",
    ]
    if changed and not changed.differs:
        lines.append(
            "WARNING: the merged model answers exactly like its base: either the adapter was saved before it learned anything, "
            "or its changes are too small for this number format."
        )
    elif changed:
        lines.append(f"compared with its base: {changed}")
    if near.same_tokens < near.texts:
        lines.append(
            f"WARNING: {near.texts - near.same_tokens} of {near.texts} texts are split into other tokens than by the original."
        )
    return [
        *lines,
        f"sample answer: {near.answer!r}",
        f"evaluate it: evalsuite run --ckpt {exported.path} -d …",
    ]


def _size(count: int) -> str:
    return f"{count / GIBIBYTE:.2f} GiB" if count >= GIBIBYTE else f"{count / MEBIBYTE:.0f} MiB"
