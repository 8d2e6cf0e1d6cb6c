"""Finished rows → OpenAI's response objects, with vLLM's `prompt_logprobs`."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

from evalsuite.backends.transformers_server.rows import Row, TextChunk, TokenLogprob

SPACE_MARK = "▁"
"""sentencepiece's mark for a space before a word."""
_TOOL_CALL = re.compile(r"<tool_call>\s*(?P<call>\{.*?\})\s*</tool_call>", re.DOTALL)


class ReplyWriter:
    """Writes the response or the events of one request."""

    def __init__(self, row: Row, tokenizer: Any, *, chat: bool, reads_tool_calls: bool = False) -> None:
        self._row = row
        self._tokenizer = tokenizer
        self._chat = chat
        self._reads_tool_calls = reads_tool_calls
        self._head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": row.model,
        }
        self._offset = 0

    def whole(self) -> dict[str, Any]:
        """The complete response."""
        row = self._row
        logprobs = self._logprobs(row.logprobs, whole=True) if row.settings.logprobs is not None else None
        choice: dict[str, Any] = {"index": 0, "logprobs": logprobs, "finish_reason": row.finish_reason}
        kind = "chat.completion" if self._chat else "text_completion"
        if self._chat:
            choice["message"] = message = self._message(row.text)
            if message.get("tool_calls"):
                choice["finish_reason"] = "tool_calls"
        else:
            choice["text"] = (self._prompt_text() if row.settings.echo else "") + row.text
        found = {**self._head, "object": kind, "choices": [choice], "usage": self.usage()}
        if row.settings.prompt_logprobs is not None:
            listed = self._prompt_logprobs()
            found["prompt_logprobs"] = listed
            if not self._chat:
                choice["prompt_logprobs"] = listed
        return found

    def opening(self) -> dict[str, Any] | None:
        """The first event of a stream: the role, or the echoed prompt."""
        if self._chat:
            return self._event({"delta": {"role": "assistant", "content": ""}})
        return self._event({"text": self._prompt_text()}) if self._row.settings.echo else None

    def piece(self, piece: TextChunk) -> dict[str, Any]:
        """The event with the next piece of text."""
        body: dict[str, Any] = {"delta": {"content": piece.text}} if self._chat else {"text": piece.text}
        if self._row.settings.logprobs is not None:
            body["logprobs"] = self._logprobs(piece.logprobs, whole=False)
        return self._event(body)

    def closing(self) -> list[dict[str, Any]]:
        """The last events: why the reply ended, and the token counts if they were requested."""
        row = self._row
        end = self._event({"delta": {}} if self._chat else {"text": ""})
        end["choices"][0]["finish_reason"] = row.finish_reason
        events = [end]
        if row.settings.stream_usage:
            events.append({**self._event({}), "choices": [], "usage": self.usage()})
        return events

    def usage(self) -> dict[str, int]:
        """Token counts."""
        read, written = len(self._row.prompt), len(self._row.tokens)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def _event(self, body: dict[str, Any]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._head, "object": kind, "choices": [{"index": 0, "finish_reason": None, **body}]}

    def _message(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        calls = read_tool_calls(text) if self._reads_tool_calls else []
        if calls:
            message["tool_calls"] = calls
            message["content"] = _TOOL_CALL.sub("", text).strip() or None
        return message

    def _prompt_text(self) -> str:
        return str(
            self._tokenizer.decode(
                self._row.prompt, skip_special_tokens=self._row.settings.skip_special_tokens
            )
        )

    def _logprobs(self, found: Sequence[TokenLogprob], *, whole: bool) -> dict[str, Any]:
        return self._chat_logprobs(found) if self._chat else self._completion_logprobs(found, whole=whole)

    def _chat_logprobs(self, found: Sequence[TokenLogprob]) -> dict[str, Any]:
        def entry(token: int, logprob: float) -> dict[str, Any]:
            text = self._token_text(token)
            return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8"))}

        return {
            "content": [
                {**entry(one.token, one.logprob), "top_logprobs": [entry(*other) for other in one.top]}
                for one in found
            ]
        }

    def _completion_logprobs(self, found: Sequence[TokenLogprob], *, whole: bool) -> dict[str, Any]:
        """OpenAI's older format: parallel lists; with `echo` the prompt's tokens come first, the very first without a value."""
        listed: list[tuple[int, TokenLogprob | None]] = [(one.token, one) for one in found]
        if whole and self._row.settings.echo and self._row.prompt_logprobs is not None:
            listed = [*zip(self._row.prompt, self._row.prompt_logprobs, strict=True), *listed]
        texts = [self._token_text(token) for token, _ in listed]
        offsets = []
        for text in texts:
            offsets.append(self._offset)
            self._offset += len(text)
        return {
            "tokens": texts,
            "token_logprobs": [one.logprob if one else None for _, one in listed],
            "top_logprobs": [
                {self._token_text(token): value for token, value in reversed(one.top)} if one else None
                for _, one in listed
            ],
            "text_offset": offsets,
        }

    def _prompt_logprobs(self) -> list[dict[str, Any] | None]:
        """VLLM's format: by token id, each token and the most probable ones in its place; null for the first."""
        return [self._of_prompt_token(one) if one else None for one in self._row.prompt_logprobs or ()]

    def _of_prompt_token(self, one: TokenLogprob) -> dict[str, Any]:
        listed = {one.token: (one.logprob, one.rank)}
        for rank, (token, logprob) in enumerate(one.top, 1):
            listed.setdefault(token, (logprob, rank))
        return {
            str(token): {"logprob": logprob, "rank": rank, "decoded_token": self._token_text(token)}
            for token, (logprob, rank) in listed.items()
        }

    def _token_text(self, token: int) -> str:
        """A token's text, with the space that sentencepiece puts before a word."""
        text = str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))
        raw = self._tokenizer.convert_ids_to_tokens(token)
        return (
            f" {text}"
            if isinstance(raw, str) and raw.startswith(SPACE_MARK) and not text.startswith(" ")
            else text
        )


def read_tool_calls(text: str) -> list[dict[str, Any]]:
    """Read calls in the format of Hermes and Qwen, `<tool_call>{"name": …, "arguments": …}</tool_call>`; others stay text."""
    calls = []
    for match in _TOOL_CALL.finditer(text):
        try:
            call = json.loads(match["call"])
        except ValueError:
            continue
        if isinstance(call, dict) and isinstance(call.get("name"), str):
            arguments = call.get("arguments", {})
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            calls.append(
                {
                    "id": f"call_{uuid.uuid4().hex[:24]}",
                    "type": "function",
                    "function": {"name": call["name"], "arguments": written},
                }
            )
    return calls
