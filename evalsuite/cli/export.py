"""`evalsuite export merge|quantize|gguf`: write a model that was merged, quantized or converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from evalsuite.evaluation.export import ExportResult

GIBIBYTE, MEBIBYTE = 2**30, 2**20
Ckpt = Annotated[str, typer.Option(metavar="PATH|HUB_ID", help="The checkpoint, as for `evalsuite run`: a Hugging Face folder, or an adapter that names its base.")]  # fmt: skip
AdapterOption = Annotated[str | None, typer.Option(metavar="PATH[+PATH]", help="Adapters to merge into it, in order.")]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Replace what an export made there before.")]

export = typer.Typer(
    name="export",
    no_args_is_help=True,
    help="Write a model merged, quantized or as GGUF, by the libraries made for it.\n\n"
    "What is made is loaded again and asked the same as its source before it gets its name; evalsuite-export.json "
    "says what it was made from and how near it came.",
)


@export.command()
def merge(
    ckpt: Ckpt,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    adapter: AdapterOption = None,
    force: Force = False,
) -> None:
    """Write adapters into their base, by peft.

    New blocks of ms-swift's LLaMA-Pro are written in by ms-swift.

    \b
      evalsuite export merge --ckpt models/Qwen3-8B --adapter out/checkpoint-500 --out merged
    """  # noqa: D301 - the formatter wants the real character

    def work(place: Any, log: Path) -> ExportResult:
        from evalsuite.evaluation.export import export_merge

        return export_merge(ckpt, adapter, place, log)

    _execute(work, out, force=force)


@export.command()
def quantize(
    ckpt: Ckpt,
    method: Annotated[str, typer.Option(metavar="NAME", help="bnb-int8, bnb-nf4, torchao-int8, fp8 (GPU); by llm-compressor w8a8, w8a16, w4a16, fp8-dynamic, and calibrated w8a8-gptq, w4a16-gptq, w4a16-awq (GPU).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    adapter: AdapterOption = None,
    calibration: Annotated[str | None, typer.Option(metavar="[KIND:]PATH", help="Prompts to calibrate by: any file that `evalsuite run -d` takes, rendered as its task asks.")] = None,
    calibration_rows: Annotated[int, typer.Option(min=1, help="At most so many of them, spread evenly.")] = 256,
    force: Force = False,
) -> None:  # fmt: skip
    """Write a checkpoint quantized; of an adapter, merged first.

    \b
      evalsuite export quantize --ckpt merged --method w4a16-gptq --calibration qa.csv --out merged-w4a16
    """  # noqa: D301 - the formatter wants the real character

    def work(place: Any, log: Path) -> ExportResult:
        from evalsuite.evaluation.export import export_quantized

        return export_quantized(
            ckpt, adapter, method, place, log, calibration=calibration, rows=calibration_rows
        )

    _execute(work, out, force=force)


@export.command()
def gguf(
    ckpt: Ckpt,
    out: Annotated[Path, typer.Option(metavar="FILE.gguf", help="The file to write.")],
    quant: Annotated[str, typer.Option(metavar="TYPE", help="F32, F16, BF16, Q8_0, or what llama.cpp's quantizer makes: Q6_K, Q5_K_M, Q4_K_M, Q4_0, Q3_K_M, Q2_K, IQ4_XS, …")] = "Q8_0",
    adapter: AdapterOption = None,
    force: Force = False,
) -> None:  # fmt: skip
    """Write a checkpoint as one GGUF file, by llama.cpp; of an adapter, merged first.

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
    """What was made, how near it came, and how it is evaluated."""
    print("\n".join(exported_lines(exported)), flush=True)


def exported_lines(exported: ExportResult) -> list[str]:
    """What is shown."""
    near, changed = exported.made.fidelity, exported.made.changed
    lines = [
        f"{exported.path}: {_size(exported.size)} (weights of the source: {_size(exported.source_size)}), made in {exported.seconds:.0f} s",
        f"loaded again and held against its source: {near}",
    ]
    if changed and not changed.moved:
        lines.append(
            "WARNING: the merged model says what its base says: either the adapter was saved before it learned anything, or "
            "what it learned is too small to be kept in these numbers."
        )
    elif changed:
        lines.append(f"held against its base: {changed}")
    if near.same_tokens < near.texts:
        lines.append(
            f"WARNING: {near.texts - near.same_tokens} of {near.texts} texts are read as other tokens than by its source."
        )
    return [
        *lines,
        f"it answers: {near.answer!r}",
        f"evaluate it: evalsuite run --ckpt {exported.path} -d …",
    ]


def _size(count: int) -> str:
    return f"{count / GIBIBYTE:.2f} GiB" if count >= GIBIBYTE else f"{count / MEBIBYTE:.0f} MiB"
