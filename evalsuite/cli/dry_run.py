"""`evalsuite run --dry-run`: show what would be asked, and send nothing."""

from __future__ import annotations

from evalsuite.evaluation.evaluate import Prepared
from evalsuite.formatting.texts import dump, message_text
from evalsuite.types import Prompt, Reply

PLACEHOLDER_REPLY = "(the model's reply)"
"""The reply that a judge would read."""


def print_plan(prepared: Prepared) -> None:
    """Print which models would be asked, and one prompt of each dataset."""
    for checkpoint in prepared.checkpoints:
        print(f"model {checkpoint.name}: {checkpoint.source} (fingerprint {checkpoint.fingerprint})")
        plan_of_server = prepared.serving.plan_of(checkpoint)
        if plan_of_server.why:
            print(f"  {checkpoint.form}, served by {plan_of_server.backend.name}: {plan_of_server.why}")
    for plan in prepared.plans:
        style = plan.style
        repeats = f" x {plan.repeats}" if plan.repeats > 1 else ""
        print(
            f"\n{plan.name}: {plan.task.kind}, {plan.rows // plan.repeats} rows{repeats}, {style.shots}-shot, {style.lang}, max_tokens {plan.generation.max_tokens}"
        )
        for note in plan.dataset.notes:
            print(f"  note: {note}")
        sample, shots = next(plan.samples())
        prompt, _ = plan.request(sample, shots)
        _print_prompt(prompt)
        for ask in plan.task.follow_up_requests(sample.row, Reply(PLACEHOLDER_REPLY), style):
            print(f"  then, of {'the judge' if ask.of == 'judge' else 'the model'}:")
            _print_prompt(ask.prompt)
    print(f"\nNothing was sent. Results would be written to {prepared.path}")


def _print_prompt(prompt: Prompt) -> None:
    if prompt.measure:
        print(f"  [measured: {prompt.measure}]")
    if prompt.tools is not None:
        print(f"  [tools] {dump(list(prompt.tools))}")
    for message in prompt.messages or [{"role": "prompt", "content": prompt.text}]:
        print(f"  [{message['role']}] {message_text(message).replace(chr(10), chr(10) + '    ')}")
