"""A randomly initialised LLaVA of some 100,000 weights behind an OpenAI endpoint: what it says means nothing, but it sees.

Run by a Python that has torch, transformers and Pillow (VLMEvalKit's environment): prints its port, serves until it is
ended. Bytes are its tokens; a picture is resized to 32 × 32 and becomes 16 of them.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

import torch
from PIL import Image
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

NAME = "tiny-random-llava"
PICTURE_TOKEN, END_TOKEN, SIDE, PATCH = 256, 257, 32, 8
PICTURE_TOKENS = (SIDE // PATCH) ** 2
PRINTABLE = 95


def build() -> LlavaForConditionalGeneration:
    torch.manual_seed(7)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=END_TOKEN + 1,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=PICTURE_TOKEN, vision_feature_layer=-1
    )
    with torch.no_grad():
        model = LlavaForConditionalGeneration(config)
        for weight in model.parameters():
            weight.mul_(8)  # the usual small weights would make every reply the same
    return model.eval()


def read(body: dict[str, Any]) -> tuple[list[int], list[torch.Tensor]]:
    """The tokens of all messages, and their pictures."""
    tokens: list[int] = []
    pictures: list[torch.Tensor] = []
    for message in body["messages"]:
        content = message["content"]
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            if part["type"] == "text":
                tokens += part["text"].encode()
                continue
            data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
            with Image.open(io.BytesIO(data)) as image:
                small = image.convert("RGB").resize((SIDE, SIDE))
            values = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).float()
            pictures.append(values.view(SIDE, SIDE, 3).permute(2, 0, 1) / 127.5 - 1)
            tokens += [PICTURE_TOKEN] * PICTURE_TOKENS
    return tokens, pictures


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = build()
    lock = Lock()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.answer({"object": "list", "data": [{"id": NAME, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokens, pictures = read(body)
        given: dict[str, Any] = {
            "input_ids": torch.tensor([tokens]),
            "attention_mask": torch.ones(1, len(tokens)),
        }
        if pictures:
            given["pixel_values"] = torch.stack(pictures)
        with self.lock, torch.no_grad():
            made = self.model.generate(
                **given,
                max_new_tokens=min(8, body.get("max_tokens") or 8),
                do_sample=False,
                pad_token_id=END_TOKEN,
                eos_token_id=END_TOKEN,
            )
        said = made[0, len(tokens) :].tolist()
        text = "".join(chr(32 + token % PRINTABLE) for token in said if token != END_TOKEN)
        message = {"role": "assistant", "content": text}
        usage = {
            "prompt_tokens": len(tokens),
            "completion_tokens": len(said),
            "total_tokens": len(tokens) + len(said),
        }
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        self.answer(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": NAME,
                "choices": [choice],
                "usage": usage,
            }
        )

    def answer(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
