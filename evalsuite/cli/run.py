"""`evalsuite run`: serve → infer → score → report, resuming by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalsuite.cli.help import PROFILE_HELP, SectionedCommand

MODEL, WORK, GENERATION, JUDGE, RUNNING = "Model", "Work", "Generation", "Judge", "Running"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(run)


def run(
    dataset: Annotated[list[str] | None, typer.Option("--dataset", "-d", metavar="[KIND:]NAME|PATH", help="What to ask; repeatable. A file, a folder of subjects, or a name from `evalsuite datasets`.", rich_help_panel=WORK)] = None,
    ckpt: Annotated[list[str] | None, typer.Option(metavar="[NAME=]PATH|HUB_ID", help="Checkpoint to serve: a Hugging Face folder, an adapter, a .gguf file, a downloaded hub model, or smollm2 (a small one fetched on first use); repeatable, one variant each.", rich_help_panel=MODEL)] = None,
    adapter: Annotated[list[str] | None, typer.Option(metavar="[CKPT:]NAME=PATH", help="A LoRA on that checkpoint, one variant; PATH+PATH are put on in order. Repeatable.", rich_help_panel=MODEL)] = None,
    merge: Annotated[bool | None, typer.Option("--merge/--no-merge", help="Also evaluate each adapter merged into its base, as NAME-merged.", show_default="no-merge", rich_help_panel=MODEL)] = None,
    quant: Annotated[list[str] | None, typer.Option(metavar="METHOD", help="Also evaluate each checkpoint quantized while it is loaded: bnb-int8, bnb-nf4, torchao-int8, fp8. Repeatable.", rich_help_panel=MODEL)] = None,
    backend: Annotated[Literal["auto", "remote", "llamacpp", "transformers", "vllm", "lmdeploy", "sglang"] | None, typer.Option(help="How it is served.", show_default="auto", rich_help_panel=MODEL)] = None,
    backend_arg: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Passed to the server (llamacpp: n_ctx, n_parallel, n_threads, port, …; transformers: device, dtype, max_batch, max_model_len, …; vllm, lmdeploy, sglang: any option of theirs); repeatable.", rich_help_panel=MODEL)] = None,
    chat_template: Annotated[str | None, typer.Option(metavar="FILE|TEXT", help="A Jinja chat template instead of the checkpoint's own, for every variant.", show_default="the checkpoint's", rich_help_panel=MODEL)] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Reach a served model instead: http://host:8000/v1", rich_help_panel=MODEL)] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name there.", show_default="the only one served", rich_help_panel=MODEL)] = None,
    model_revision: Annotated[str | None, typer.Option(metavar="TEXT", help="Which checkpoint answers there now (a commit, a step): another text is another model, asked anew.", rich_help_panel=MODEL)] = None,
    api_key_env: Annotated[str | None, typer.Option(metavar="VAR", help="Environment variable that holds the key.", show_default="OPENAI_API_KEY", rich_help_panel=MODEL)] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows a dataset, spread evenly over its subjects.", show_default="all", rich_help_panel=WORK)] = None,
    shots: Annotated[int | None, typer.Option(help="Few-shot examples, from the dev file.", show_default="mcq 5, gsm8k 4, else 0", rich_help_panel=WORK)] = None,
    cot: Annotated[bool | None, typer.Option("--cot/--no-cot", help="Let the model think before it answers (mcq).", show_default="no-cot", rich_help_panel=WORK)] = None,
    mcq_mode: Annotated[Literal["generate", "logprob"] | None, typer.Option(help="How mcq is answered: in words that are read, or by the log-probabilities of the options' letters.", show_default="generate", rich_help_panel=WORK)] = None,
    lang: Annotated[Literal["auto", "zh", "en"] | None, typer.Option(help="Language of the instructions.", show_default="auto, from the data", rich_help_panel=WORK)] = None,
    repeats: Annotated[int | None, typer.Option(metavar="N", help="Ask every row so often, for pass@k and pass^k; wants a --temperature. With --seed S the seeds are S, S+1, …", show_default="1", rich_help_panel=WORK)] = None,
    profile: Annotated[list[str] | None, typer.Option(metavar="NAME", help=f"{PROFILE_HELP}; repeatable.", rich_help_panel=WORK)] = None,
    agent_format: Annotated[Literal["react", "toolbench", "openai-tools"] | None, typer.Option(help="How toolbench records are asked: ReAct text, ToolLLaMA's form, or the request's own tools.", show_default="react", rich_help_panel=WORK)] = None,
    temperature: Annotated[float | None, typer.Option(show_default="0", rich_help_panel=GENERATION)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest reply.", show_default="mcq 128, qa 512, else 1024", rich_help_panel=GENERATION)] = None,
    top_p: Annotated[float | None, typer.Option(show_default="not sent", rich_help_panel=GENERATION)] = None,
    seed: Annotated[int | None, typer.Option(show_default="not sent", rich_help_panel=GENERATION)] = None,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Stop string; repeatable.", rich_help_panel=GENERATION)] = None,
    completions: Annotated[bool | None, typer.Option("--completions/--chat", help="Base models: flat prompts to /completions.", show_default="chat", rich_help_panel=GENERATION)] = None,
    preference_mode: Annotated[Literal["logprob", "reward"] | None, typer.Option(help="How preference pairs are compared: by log-probability, or by the rewards of a reward model.", show_default="logprob", rich_help_panel=WORK)] = None,
    judge_base_url: Annotated[str | None, typer.Option(metavar="URL", help="Where the model is that judges replies (judge).", rich_help_panel=JUDGE)] = None,
    judge_model: Annotated[str | None, typer.Option(metavar="NAME|self", help="Its name there; self: the model under test judges its own replies.", rich_help_panel=JUDGE)] = None,
    judge_revision: Annotated[str | None, typer.Option(metavar="TEXT", help="Which judge answers there now, as --model-revision.", rich_help_panel=JUDGE)] = None,
    judge_api_key_env: Annotated[str | None, typer.Option(metavar="VAR", help="Environment variable that holds its key.", show_default="OPENAI_API_KEY", rich_help_panel=JUDGE)] = None,
    judge_max_tokens: Annotated[int | None, typer.Option(help="Longest verdict, reasoning included.", show_default="2048", rich_help_panel=JUDGE)] = None,
    concurrency: Annotated[str | None, typer.Option(metavar="N|auto", help="Requests at a time.", show_default="auto: the server's slots, else what makes it fastest", rich_help_panel=RUNNING)] = None,
    servers: Annotated[str | None, typer.Option(metavar="N|auto", help="Servers at a time, where variants need several and memory allows.", show_default="auto: one to a GPU, else one after another", rich_help_panel=RUNNING)] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one sample, all attempts together.", show_default="600", rich_help_panel=RUNNING)] = None,
    suite_timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="Longest time for one benchmark of another suite.", show_default="none, while it goes on", rich_help_panel=RUNNING)] = None,
    on_error: Annotated[Literal["fail", "skip", "wrong"] | None, typer.Option(help="Samples that could not be had: end as incomplete, leave them out, or count them as wrong.", show_default="fail", rich_help_panel=RUNNING)] = None,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help="Stream replies, to measure the time to the first token.", show_default="no-stream", rich_help_panel=RUNNING)] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Take replies at temperature 0 from this folder, shared by runs, and keep new ones there.", show_default="no cache", rich_help_panel=RUNNING)] = None,
    price: Annotated[str | None, typer.Option(metavar="IN,OUT", help="What a million tokens of prompts and of replies cost, for the cost of the run.", rich_help_panel=RUNNING)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of all runs.", show_default="reports", rich_help_panel=RUNNING)] = None,
    name: Annotated[str | None, typer.Option(help="This run's folder in it.", show_default="from model and settings", rich_help_panel=RUNNING)] = None,
    fresh: Annotated[bool | None, typer.Option("--fresh", help="Start again; what is there is kept under another name.", rich_help_panel=RUNNING)] = None,
    fail_under: Annotated[list[str] | None, typer.Option(metavar="[DATASET:]METRIC=VALUE", help="Exit with 100 when a metric is lower; repeatable.", rich_help_panel=RUNNING)] = None,
    baseline: Annotated[str | None, typer.Option(metavar="VARIANT", help="The variant that the others are held against.", show_default="the first", rich_help_panel=RUNNING)] = None,
    step: Annotated[int | None, typer.Option(help="The training step of the checkpoint, for the curve of several runs.", show_default="not known", rich_help_panel=RUNNING)] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Options from a file; those on the command line win.", rich_help_panel=RUNNING)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, show what would be asked, send nothing.", rich_help_panel=RUNNING)] = False,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.", rich_help_panel=RUNNING)] = False,
) -> None:  # fmt: skip
    """Serve a model, ask it, score it, report it.

    Results land in reports/NAME. The same command again resumes a run that was interrupted, and re-reads a
    finished one without a request.

    \b
      evalsuite run --ckpt smollm2 -d mcq_en -d gsm8k_style --limit 20
      evalsuite run --base-url http://127.0.0.1:8000/v1 --model my-sft -d ceval_folder -d qa.csv
    """  # noqa: D301 - the formatter wants the real character
    options = {
        "datasets": dataset,
        "ckpt": ckpt,
        "adapter": adapter,
        "merge": merge,
        "quant": quant,
        "backend": backend,
        "backend_arg": backend_arguments(backend_arg),
        "chat_template": chat_template,
        "base_url": base_url,
        "model": model,
        "model_revision": model_revision,
        "api_key_env": api_key_env,
        "limit": limit,
        "shots": shots,
        "cot": cot,
        "mcq_mode": mcq_mode,
        "lang": lang,
        "repeats": repeats,
        "profile": profile,
        "agent_format": agent_format,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "top_p": top_p,
        "seed": seed,
        "stop": stop,
        "completions": completions,
        "preference_mode": preference_mode,
        "judge_base_url": judge_base_url,
        "judge_model": judge_model,
        "judge_revision": judge_revision,
        "judge_api_key_env": judge_api_key_env,
        "judge_max_tokens": judge_max_tokens,
        "concurrency": concurrency,
        "servers": servers,
        "timeout": timeout,
        "suite_timeout": suite_timeout,
        "on_error": on_error,
        "stream": stream,
        "cache": cache,
        "price": price,
        "out": out,
        "name": name,
        "fresh": fresh,
        "fail_under": fail_under,
        "baseline": baseline,
        "step": step,
    }
    given = {key: value for key, value in options.items() if value not in (None, [])}
    from evalsuite.cli.execute import execute_run

    execute_run(given, config_file=config, dry_run=dry_run, as_json=json)


def backend_arguments(texts: list[str] | None) -> dict[str, str] | None:
    """`KEY=VALUE` texts, taken apart."""
    if not texts:
        return None
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--backend-arg")
    return dict(text.split("=", 1) for text in texts)
