"""`evalsuite deploy`: serve what `run` would, and hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evalsuite.cli.run import backend_arguments

if TYPE_CHECKING:
    from evalsuite.backends.base import ServedModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(deploy)


def deploy(
    ckpt: Annotated[list[str], typer.Option(metavar="[NAME=]PATH|HUB_ID", help="Checkpoint to serve, as for `evalsuite run`; repeatable.")],
    adapter: Annotated[list[str] | None, typer.Option(metavar="[CKPT:]NAME=PATH", help="A LoRA on that checkpoint; repeatable.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Also serve each adapter merged into its base, as NAME-merged.")] = False,
    quant: Annotated[list[str] | None, typer.Option(metavar="METHOD", help="Also serve each checkpoint quantized while it is loaded; repeatable.")] = None,
    backend: Annotated[Literal["auto", "llamacpp", "transformers", "vllm", "lmdeploy", "sglang"], typer.Option(help="How it is served.")] = "auto",
    backend_arg: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Passed to the server, as for `evalsuite run`; port=N chooses the port.")] = None,
    chat_template: Annotated[str | None, typer.Option(metavar="FILE|TEXT", help="A Jinja chat template instead of the checkpoint's own.")] = None,
) -> None:  # fmt: skip
    """Start the server of `run` and hold it until Ctrl-C.

    Prints the base URL, the names served and how the openai package asks them. Ctrl-C, SIGTERM or the end of this
    process ends the server and everything it started.

    \b
      evalsuite deploy --ckpt base=DIR --adapter sft=ADAPTER_DIR
    """  # noqa: D301 - the formatter wants the real character
    from evalsuite.cli.execute import execute_deploy

    given = {
        "ckpt": ckpt,
        "adapter": adapter,
        "merge": merge,
        "quant": quant,
        "backend": backend,
        "backend_arg": backend_arguments(backend_arg),
        "chat_template": chat_template,
    }
    execute_deploy({key: value for key, value in given.items() if value or value == ""}, show_served)


def show_served(answering: Sequence[tuple[str, ServedModel]]) -> None:
    """Base URL and names, and a program that asks the last of them."""
    print("\n".join(served_lines(answering)), flush=True)


def served_lines(answering: Sequence[tuple[str, ServedModel]]) -> list[str]:
    """What is shown; a variant that is chosen by a field of the request has it in `extra_body`."""
    width = max(len(name) for name, _ in answering)
    lines = [
        f"{name:<{width}}  {served.base_url}  {_request_arguments(served)}" for name, served in answering
    ]
    _, served = answering[-1]
    return [
        *lines,
        "",
        "from openai import OpenAI",
        "",
        f'client = OpenAI(base_url="{served.base_url}", api_key="none")',
        "reply = client.chat.completions.create(",
        f"    {_request_arguments(served)},",
        '    messages=[{"role": "user", "content": "Hello!"}],',
        ")",
        "print(reply.choices[0].message.content)",
        "",
        "Ctrl-C ends it.",
    ]


def _request_arguments(served: ServedModel) -> str:
    return f'model="{served.model}"' + (f", extra_body={dict(served.fields)!r}" if served.fields else "")
