"""`evalsuite deploy`: start the servers of `run` and keep them running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from evalsuite.cli.help import SectionedCommand
from evalsuite.cli.options import pair_values, with_options
from evalsuite.options.model import ModelOptions

if TYPE_CHECKING:
    from evalsuite.backends.base import ServedModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(deploy)


NAMES = ("ckpt", "adapter", "merge", "quant", "backend", "backend_arg", "chat_template")
HELP_TEXTS = {
    "merge": "Also serve each adapter merged into its base, as NAME-merged.",
    "quant": "Also serve each checkpoint quantized at load time: bnb-int8, bnb-nf4, torchao-int8, fp8. Repeatable.",
    "backend_arg": "Argument for the server, as for `evalsuite run`; port=N chooses the port. Repeatable.",
}


@with_options(ModelOptions, names=NAMES, panels=False, help_texts=HELP_TEXTS)
def deploy(**options: Any) -> None:
    """Start the server of `run` and keep it running until Ctrl-C.

    Prints the base URL, the served names, and a program that asks one of them with the openai package. Ctrl-C, SIGTERM
    or the end of this process stops the server and everything that it started.

    \b
      evalsuite deploy --ckpt base=DIR --adapter sft=ADAPTER_DIR
    """  # noqa: D301 - the formatter wants the real character
    if "backend_arg" in options:
        options["backend_arg"] = pair_values("--backend-arg", options["backend_arg"])
    from evalsuite.cli.execute import execute_deploy

    execute_deploy(options, show_served)


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
        "Press Ctrl-C to stop.",
    ]


def _request_arguments(served: ServedModel) -> str:
    return f'model="{served.model}"' + (f", extra_body={dict(served.fields)!r}" if served.fields else "")
