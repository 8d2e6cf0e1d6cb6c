"""A small OpenAI server on real sockets that misbehaves on demand.

    with MockServer(behave) as server:
        …  # requests to server.url

`behave` gets an `Asked` (which prompt, how often so far) and returns an `Answer`; the functions below make the
usual and the broken ones. It runs in a thread with an event loop of its own, so that clients in this process
and in others reach it alike. It counts what it was asked, by prompt.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

MODEL = "mock-model"
PROBE = "Hello"
"""What evalsuite asks before any data is sent."""
WAIT_SECONDS = 30.0
"""Bound of every wait in the tests: long enough for a busy machine, reached only by a bug."""
JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Asked:
    """A request to /chat/completions or /completions."""

    path: str
    prompt: str
    """The last message's text, the beginning of an assistant's turn apart, or the flat prompt."""
    nth: int
    """How often this prompt has been asked, this time included."""
    body: dict[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is sent back, and how badly."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] | None = None
    """Sent one by one in chunked encoding, in place of `body`."""
    latency: float = 0.0
    hang: bool = False
    """Say nothing until the client gives up."""
    cut_at: int | None = None
    """Close the connection after so many bytes of the response."""
    drip: float | None = None
    """Seconds between single bytes of the body."""


Behaviour: TypeAlias = Callable[[Asked], Answer]


def completion(text: str | None = "ok", *, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """The document of an ordinary reply."""
    return {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "text": text,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def reply(text: str | None = "ok", **options: Any) -> Answer:
    """An ordinary reply."""
    return Answer(json.dumps(completion(text, **options)).encode())


def with_logprobs(asked: Asked, tokens: Mapping[str, float | None], **message: Any) -> Answer:
    """A reply of one token, the most probable one, with its alternatives in the form of the API that was asked."""
    found = completion(next(iter(tokens), ""), finish_reason="length", **message)
    pairs = list(tokens.items())
    if asked.path.endswith("/chat/completions"):
        top = [{"token": token, "logprob": value, "bytes": None} for token, value in pairs]
        logprobs: dict[str, Any] = {"content": [{**top[0], "top_logprobs": top}] if top else []}
    else:
        text, value = pairs[0] if pairs else ("", None)
        logprobs = {"tokens": [text], "token_logprobs": [value], "top_logprobs": [dict(pairs)]}
    found["choices"][0]["logprobs"] = logprobs
    return document(found)


def text_of(content: Any) -> str:
    """A message's text; of one that comes in parts, theirs."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return str(content)


def document(value: Any, status: int = 200, **headers: str) -> Answer:
    """Any JSON document."""
    return Answer(json.dumps(value).encode(), status, headers=headers)


def failing(status: int, message: str = "no luck", **headers: str) -> Answer:
    """An error as OpenAI writes it."""
    return document({"error": {"message": message, "type": "mock"}}, status, **headers)


def html(status: int = 200) -> Answer:
    """What a proxy or a web site answers."""
    return Answer(b"<!doctype html><title>Welcome to nginx</title>", status, "text/html; charset=utf-8")


def dropped() -> Answer:
    """The connection closes without a word."""
    return replace(reply(), cut_at=0)


def cut_off() -> Answer:
    """The connection closes in the middle of the body."""
    whole = reply("x" * 1000)
    return replace(whole, cut_at=400)


def truncated_json() -> Answer:
    """A whole response whose body is half a document."""
    return Answer(reply().body[:40])


def hanging() -> Answer:
    """No answer, ever."""
    return Answer(hang=True)


def dripping(seconds: float = 0.05) -> Answer:
    """A body that arrives byte by byte, and is never whole in time."""
    return replace(reply("x" * 100_000), drip=seconds)


def events(*pieces: dict[str, Any], done: bool = True, **options: Any) -> Answer:
    """A stream of `data:` events, one chunk each."""
    lines = [b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces]
    return Answer(content_type=EVENTS, chunks=(*lines, *([b"data: [DONE]\n\n"] if done else [])), **options)


def delta(finish_reason: str | None = None, **piece: Any) -> dict[str, Any]:
    """One event of a chat stream."""
    return {"choices": [{"index": 0, "delta": piece, "finish_reason": finish_reason}]}


USAGE_EVENT = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def ordinary(asked: Asked) -> Answer:
    """Repeats the prompt, as a stream where one was asked for."""
    if asked.body.get("stream"):
        return events(delta(content=asked.prompt), delta("stop"), USAGE_EVENT)
    return reply(asked.prompt)


def tokens_of(text: str) -> list[str]:
    """Words with the white space before them: nothing is lost."""
    return re.findall(r"\s*\S+|\s+$", text)


def logprob_of(token: str) -> float:
    """A log-probability that depends on the token alone, from -0.01 to -5."""
    return -(zlib.crc32(token.encode()) % 500 + 1) / 100


def templated(messages: list[dict[str, Any]], *, add_generation_prompt: bool) -> list[str]:
    """A conversation as the tokens of a chat template."""
    found: list[str] = []
    for message in messages:
        found += [f"<{message['role']}>", *tokens_of(message["content"]), "<end>"]
    return [*found, "<assistant>"] if add_generation_prompt else found


def measuring(asked: Asked) -> Answer:
    """What vLLM answers: an echo with log-probabilities where both were asked for, `prompt_logprobs` of a conversation."""
    body = asked.body
    if "messages" in body and body.get("prompt_logprobs") is not None:
        tokens = templated(body["messages"], add_generation_prompt=body.get("add_generation_prompt", True))
        entries = [
            {
                str(zlib.crc32(token.encode())): {
                    "logprob": logprob_of(token),
                    "rank": 1,
                    "decoded_token": token,
                }
            }
            for token in tokens[1:]
        ]
        usage = {"prompt_tokens": len(tokens), "completion_tokens": 1}
        return document(completion("x") | {"prompt_logprobs": [None, *entries], "usage": usage})
    if body.get("echo") and body.get("logprobs"):
        prompt = tokens_of(body["prompt"])
        tokens = [*prompt, *[" next"] * body["max_tokens"]]
        logprobs = {
            "tokens": tokens,
            "token_logprobs": [None, *map(logprob_of, tokens[1:])],
            "top_logprobs": [None, *({token: logprob_of(token)} for token in tokens[1:])],
            "text_offset": [len("".join(tokens[:place])) for place in range(len(tokens))],
        }
        choice = {"index": 0, "text": "".join(tokens), "logprobs": logprobs, "finish_reason": "length"}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(tokens) - len(prompt)}
        return document({"object": "text_completion", "choices": [choice], "usage": usage})
    return ordinary(asked)


def rewarding(reward: Callable[[str], float]) -> Behaviour:
    """A reward model of vLLM: /classify with the reward of the answer, its activation left out, and nothing else."""

    def behave(asked: Asked) -> Answer:
        if not asked.path.endswith("/classify") or asked.path.startswith("/v1"):
            return document({"detail": "Not Found"}, 404)
        value = reward(asked.body["messages"][-1]["content"])
        given = value if asked.body.get("use_activation") is False else 1 / (1 + math.exp(-value))
        data = [{"index": 0, "label": "LABEL_0", "probs": [given], "num_classes": 1}]
        return document({"object": "list", "data": data, "usage": {"prompt_tokens": 9}})

    return behave


class MockServer:
    """See the module's docstring. Used as a context manager."""

    def __init__(
        self,
        behave: Behaviour = ordinary,
        *,
        models: Iterable[str] | None = (MODEL,),
        models_answer: Answer | None = None,
        key: str | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        """`address` is a host and a port; port 0 takes a free one."""
        self.host, self.port = address
        self.behave = behave
        self.key = key
        self.models_answer = models_answer or (
            document({"object": "list", "data": [{"id": name, "object": "model"} for name in models]})
            if models is not None
            else failing(404, "no such path")
        )
        self.asked: Counter[str] = Counter()
        self.requests: list[Asked] = []
        self.model_lists = self.connections = 0
        self.in_flight = self.most_in_flight = 0
        self._changed = threading.Condition()
        self._ready = threading.Event()

    def __enter__(self) -> MockServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mock-server")
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def total(self) -> int:
        """Requests for completions, the probe left out."""
        return sum(count for prompt, count in self.asked.items() if prompt != PROBE)

    def forget(self) -> None:
        """Start counting again."""
        with self._changed:
            self.asked.clear()
            self.requests.clear()
            self.model_lists = 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a request made the condition true."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), "the server was not asked in time"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._talks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, self.host, self.port, limit=1 << 25, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        headers = {
            name.lower(): value for name, value in re.findall(r"^([\w-]+): *(.*?)\r$", head, re.MULTILINE)
        }
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        if path.endswith("/models") and method == "GET":
            self._note(models=1)
            return await self._send(reader, writer, self._locked(headers) or self.models_answer)
        answer = self._answer(path, headers, json.loads(raw))
        self._note(in_flight=1)
        try:
            return await self._send(reader, writer, answer)
        finally:
            self._note(in_flight=-1)

    def _note(self, *, models: int = 0, in_flight: int = 0) -> None:
        with self._changed:
            self.model_lists += models
            self.in_flight += in_flight
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._changed.notify_all()

    def _answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        said = [
            one
            for one in body.get("messages", ())
            if one is not body["messages"][-1] or one["role"] != "assistant"
        ]
        prompt = text_of(said[-1]["content"]) if said else body["prompt"]
        with self._changed:
            self.asked[prompt] += 1
            asked = Asked(path, prompt, self.asked[prompt], body, headers)
            self.requests.append(asked)
            self._changed.notify_all()
        return self._locked(headers) or self.behave(asked)

    def _locked(self, headers: Mapping[str, str]) -> Answer | None:
        """A refusal that repeats the key, as real servers do."""
        given = headers.get("authorization", "none").removeprefix("Bearer ")
        return failing(401, f"Incorrect API key provided: {given}") if self.key not in (None, given) else None

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> bool:
        await asyncio.sleep(answer.latency)
        if answer.hang:
            await reader.read(1)
            return False
        chunked = answer.chunks is not None
        head = {"Content-Type": answer.content_type, **answer.headers}
        head |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(answer.body))}
        lines = [f"HTTP/1.1 {answer.status} Mock", *(f"{name}: {value}" for name, value in head.items())]
        start = "\r\n".join([*lines, "", ""]).encode()
        if chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*(answer.chunks or ()), b"")]
        elif answer.drip is not None:
            pieces = [answer.body[at : at + 1] for at in range(len(answer.body))]
        else:
            pieces = [answer.body]
        if answer.cut_at is not None:
            writer.write((start + b"".join(pieces))[: answer.cut_at])
            await writer.drain()
            writer.close()
            return False
        writer.write(start)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(answer.drip or 0)
        return True
