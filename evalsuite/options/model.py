"""Which model is evaluated, and how it is served."""

from dataclasses import field
from typing import Annotated, ClassVar, Literal, TypeAlias

from evalsuite.errors import ConfigError
from evalsuite.options.checks import check_server_arguments, check_url, check_variable
from evalsuite.options.fields import (
    Count,
    NonEmptyText,
    Option,
    OptionPart,
    Pairs,
    TextList,
    default,
    option_part,
)

Backend: TypeAlias = Literal["auto", "remote", "llamacpp", "transformers", "vllm", "lmdeploy", "sglang"]
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that every OpenAI client reads."""


@option_part
class ModelOptions(OptionPart):
    """The model under test: checkpoints that evalsuite serves, or a model at a base URL."""

    panel: ClassVar[str] = "Model"

    ckpt: Annotated[
        TextList,
        Option(
            "Checkpoint to serve: a Hugging Face folder, an adapter, a .gguf file, a downloaded hub model, or smollm2 "
            "(a small model, downloaded on first use). Repeatable: each checkpoint is one variant.",
            metavar="[NAME=]PATH|HUB_ID",
            scoring=False,
        ),
    ] = default(())
    adapter: Annotated[
        TextList,
        Option(
            "LoRA adapter for that checkpoint; each adapter is one variant. PATH+PATH applies several in order. Repeatable.",
            metavar="[CKPT:]NAME=PATH",
            scoring=False,
        ),
    ] = default(())
    merge: Annotated[
        bool,
        Option("Also evaluate each adapter merged into its base, as NAME-merged.", scoring=False),
    ] = False
    quant: Annotated[
        TextList,
        Option(
            "Also evaluate each checkpoint quantized at load time: bnb-int8, bnb-nf4, torchao-int8, fp8. Repeatable.",
            metavar="METHOD",
            scoring=False,
        ),
    ] = default(())
    backend: Annotated[Backend, Option("Engine that serves the checkpoint.", scoring=False)] = "auto"
    backend_arg: Annotated[
        Pairs,
        Option(
            "Argument for the server (llamacpp: n_ctx, n_parallel, n_threads, port, …; transformers: device, dtype, "
            "max_batch, max_model_len, …; vllm, lmdeploy, sglang: any option of theirs). Repeatable.",
            metavar="KEY=VALUE",
            check=check_server_arguments,
            secret=True,
            scoring=False,
        ),
    ] = default(field(default_factory=dict))
    chat_template: Annotated[
        str | None,
        Option(
            "Jinja chat template to use instead of the checkpoint's own, for every variant.",
            metavar="FILE|TEXT",
            default_text="the checkpoint's",
            identity="unless default",
            scoring=False,
        ),
    ] = None
    servers: Annotated[
        Count | Literal["auto"],
        Option(
            "Servers to run at the same time, where variants need several and memory allows it.",
            metavar="N|auto",
            default_text="auto: one for each GPU, else one after another",
            identity=False,
            scoring=False,
        ),
    ] = "auto"
    base_url: Annotated[
        str | None,
        Option(
            "Evaluate a model that is already served at this address, such as http://host:8000/v1.",
            metavar="URL",
            check=check_url,
            secret=True,
            scoring=False,
        ),
    ] = None
    model: Annotated[
        str | None,
        Option(
            "Name of the model at --base-url.",
            metavar="NAME",
            default_text="the only one served",
            scoring=False,
        ),
    ] = None
    model_revision: Annotated[
        NonEmptyText | None,
        Option(
            "Which checkpoint answers at --base-url now (a commit, a step). Another text is another model, "
            "which is asked anew.",
            metavar="TEXT",
            identity="unless default",
            scoring=False,
        ),
    ] = None
    api_key_env: Annotated[
        str,
        Option(
            "Environment variable that holds the API key.",
            metavar="VAR",
            check=check_variable,
            secret=True,
            identity=False,
            scoring=False,
        ),
    ] = OPENAI_KEY_VARIABLE

    def check_model(self) -> None:
        """Raise `ConfigError` unless exactly one source of the model is named."""
        if self.ckpt and self.base_url:
            raise ConfigError("--ckpt and --base-url are two ways to name the model; give one of them")
        if not self.ckpt and not self.base_url:
            raise ConfigError(
                "no model: give --ckpt PATH (smollm2 is a small built-in one) or --base-url URL --model NAME"
            )
        if self.base_url:
            self._check_remote()
        else:
            self._check_local()

    def _check_local(self) -> None:
        if self.backend == "remote":
            raise ConfigError("--backend remote needs --base-url URL")
        if self.model:
            raise ConfigError(
                "--model names a model at --base-url URL; name a checkpoint with --ckpt NAME=PATH"
            )
        if self.model_revision:
            raise ConfigError(
                "--model-revision tells apart what is served at --base-url; a checkpoint is identified by its files"
            )
        if self.chat_template is not None and self.backend == "lmdeploy":
            raise ConfigError(
                "--chat-template: LMDeploy does not read Jinja templates; write one in its own format and give "
                "--backend-arg chat_template=FILE.json"
            )

    def _check_remote(self) -> None:
        if self.adapter or self.merge or self.quant:
            raise ConfigError(
                "--adapter, --merge and --quant are for servers that evalsuite starts; name the base with --ckpt PATH"
            )
        if self.backend not in ("auto", "remote"):
            raise ConfigError(f"--backend {self.backend} starts a server of its own; leave out --base-url")
        if self.backend_arg:
            raise ConfigError(
                "--backend-arg is for servers that evalsuite starts; leave it out with --base-url"
            )
        if self.chat_template is not None:
            raise ConfigError(
                "--chat-template: the server at --base-url applies its own template; start it with another one, "
                "or name the checkpoint with --ckpt and evalsuite starts the server"
            )
