"""A stand-in for the Python of vLLM, LMDeploy or SGLang: takes their command line, speaks their protocol, misbehaves on demand.

    stub_engine.py -I -c PROBE MODULE…       says that the engine is installed
    stub_engine.py -c SCRIPT                 says what is installed beside it: `STUB_PACKAGES`
    stub_engine.py -m MODULE [WORDS…]        serves

`STUB` says how: `` (well), `crash`, `stubborn` (it and its worker ignore SIGTERM), `silent` (never answers), `other`
(lists another name). `STUB_NOTES` is a file that gets one JSON line of the arguments and the processes.
"""

# ruff: noqa: T201

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORTS = ("--port", "--server-port")
NAMES = ("--served-model-name", "--model-name")
ADAPTERS = ("--lora-modules", "--adapters", "--lora-paths")
HOW = os.environ.get("STUB", "")


def interpreter(folder: Path, python: str = sys.executable) -> Path:
    """An executable that is this script."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{python}" "{Path(__file__).resolve()}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def value_after(words: list[str], options: tuple[str, ...]) -> list[str]:
    """The words after an option, up to the next."""
    place = next((number for number, word in enumerate(words) if word in options), None)
    found = []
    for word in words[place + 1 :] if place is not None else ():
        if word.startswith("--"):
            break
        found.append(word)
    return found


def adapter_name(word: str) -> str:
    """Of `NAME=PATH` or JSON."""
    if word.startswith("{"):
        told = json.loads(word)
        name: str = told.get("name") or told["lora_name"]
        return name
    return word.partition("=")[0]


def serve(words: list[str]) -> None:
    """Be a server."""
    if HOW == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = os.fork()
    if not worker:
        if HOW == "crash":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()
    before = Path(os.environ["STUB_NOTES"])
    earlier = (
        [json.loads(line)["pids"][0] for line in before.read_text().splitlines()] if before.exists() else []
    )
    with before.open("a", encoding="utf-8") as notes:
        shown = ("HF_HUB_OFFLINE", "VLLM_CPU_KVCACHE_SPACE", "CUDA_VISIBLE_DEVICES")
        note = {
            "pids": [os.getpid(), worker],
            "beside": sum(Path(f"/proc/{pid}").exists() for pid in earlier),
            "words": words,
            **{name: os.environ.get(name) for name in shown},
        }
        notes.write(json.dumps(note) + "\n")
    print("Loading safetensors checkpoint shards: dtype=torch.bfloat16", flush=True)
    if HOW == "crash":
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", flush=True)
        os._exit(1)
    base = value_after(words, NAMES)[0]
    adapters = [adapter_name(word) for word in value_after(words, ADAPTERS)]
    names = ["another"] if HOW == "other" else [base, *adapters]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body["model"] not in names:
                self.reply(404, {"error": {"message": f"no {body['model']}"}})
                return
            time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
            text = f"I am {body.get('lora_path') or body['model']}."
            flat = self.path.endswith("/chat/completions") is False
            choice = {"text": text} if flat else {"message": {"role": "assistant", "content": text}}
            kind = "text_completion" if flat else "chat.completion"
            reply = {"id": "1", "object": kind, "created": 0, "model": body["model"]}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            choices = [{"index": 0, "finish_reason": "stop", **choice}]
            self.reply(200, {**reply, "choices": choices, "usage": usage})

        def reply(self, status: int, told: object) -> None:
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", int(value_after(words, PORTS)[0])), Handler) as server:
        if HOW == "silent":
            signal.pause()
        server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "-c":
        print(os.environ.get("STUB_PACKAGES", "vllm 9.9"))
    elif sys.argv[1] == "-I":
        print(sys.argv[5], "9.9")
    else:
        serve(sys.argv[2:])
