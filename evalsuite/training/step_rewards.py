"""Splits a reply into steps and rates each with a reward model behind an endpoint (a process reward).

The reward of a step is that of the reply up to and including it: vLLM's `POST /classify`, as `preference` uses it; the server's
chat template renders the conversation.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite._util.event_loop import run_to_end
from evalsuite._util.http.environment import read_api_key
from evalsuite.endpoint.answer import RequestFailure
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import FixedConcurrency
from evalsuite.endpoint.likelihood_requests import ONE_TOKEN, build_request
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.types import Message, Prompt

_NUMBERED = re.compile(r"\n(?=\s*(?:Step\s+\d+|第\s*\d+\s*步|\d+[.)、])\s?)", re.IGNORECASE)
_REACT = re.compile(r"\n(?=\s*Thought:)")
_PARAGRAPHS = re.compile(r"\n\s*\n")


def split_steps(reply: str) -> list[str]:
    r"""Split a reply into steps: ReAct turns, numbered steps, paragraphs or lines. Joined, the steps are the reply.

    The first split with more than one step is used. A reply of white space has no steps.

    >>> split_steps("Step 1: 2+2=4\nStep 2: 4*3=12")
    ['Step 1: 2+2=4\n', 'Step 2: 4*3=12']
    >>> split_steps("6 * 12 = 72.\n\n72 - 45 = 27.")
    ['6 * 12 = 72.\n\n', '72 - 45 = 27.']
    """
    if not reply.strip():
        return []
    for boundary in (_REACT, _NUMBERED, _PARAGRAPHS):
        steps = _cut(reply, [match.end() for match in boundary.finditer(reply)])
        if len(steps) > 1:
            return steps
    return _cut(reply, [place + 1 for place, letter in enumerate(reply) if letter == "\n"])


def _cut(reply: str, places: Sequence[int]) -> list[str]:
    """Cut a reply at offsets; a piece of white space is joined to the piece before it, or at the start to the next."""
    found: list[str] = []
    for start, end in zip([0, *places], [*places, len(reply)], strict=True):
        piece = reply[start:end]
        if found and not (piece.strip() and found[-1].strip()):
            found[-1] += piece
        elif piece:
            found.append(piece)
    return found


@dataclass(frozen=True, slots=True)
class StepRewards:
    """A reward model at `base_url`. `batch_size`: requests at a time; `timeout`: seconds per request.

    As ms-swift's PRM it is called with requests whose `messages` end with the reply.
    """

    base_url: str
    model: str
    batch_size: int = 32
    timeout: float = 120.0
    api_key_env: str = "OPENAI_API_KEY"

    def __call__(self, infer_requests: Sequence[Any], **_: Any) -> list[list[float]]:
        """One list per request with a reward per step; [0] for a reply without steps, since ms-swift takes the minimum.

        Raises `EndpointError`, `ServerError`, `RequestFailure`.
        """
        return [found or [0.0] for found in self.rate([_messages(request) for request in infer_requests])]

    def rate(self, conversations: Sequence[Sequence[Message]]) -> list[list[float]]:
        """One list per conversation with a reward per step of its last message; empty if that has no steps."""
        steps = [split_steps(str(messages[-1].get("content") or "")) for messages in conversations]
        prefixes = [
            Prompt(
                messages=[*messages[:-1], {**messages[-1], "content": "".join(found[: number + 1])}],
                measure="reward",
            )
            for messages, found in zip(conversations, steps, strict=True)
            for number in range(len(found))
        ]
        rewards = iter(run_to_end(self._rewards(prefixes)))
        return [[next(rewards) for _ in found] for found in steps]

    async def _rewards(self, prompts: Sequence[Prompt]) -> list[float]:
        key = read_api_key(self.api_key_env)
        policy = RetryPolicy(self.timeout)
        async with Endpoint(
            self.base_url, self.model, policy, FixedConcurrency(self.batch_size), key
        ) as endpoint:
            turns = asyncio.Semaphore(self.batch_size)

            async def rated(prompt: Prompt) -> float:
                async with turns:
                    answer = await endpoint.ask(build_request(prompt, ONE_TOKEN))
                measured = answer.reply.measured
                if measured is None or measured.reward is None:
                    raise RequestFailure("bad_reply", "the endpoint gave no reward")
                return measured.reward

            return list(await asyncio.gather(*map(rated, prompts)))


def _messages(request: Any) -> Sequence[Message]:
    """The messages of a dictionary or of ms-swift's InferRequest."""
    found = request["messages"] if isinstance(request, Mapping) else request.messages
    return list(found)
