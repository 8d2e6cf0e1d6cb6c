"""Stands where the interpreter of a suite's environment would: answers the probe, lists benchmarks, asks a model.

It asks the real endpoint it is told, as a driver does, and leaves the files that a driver leaves; how it goes wrong is in
the environment variable FAKE_SUITE. Run as `fake_suite.py -I -c PROBE NAME` or `fake_suite.py -B DRIVER COMMAND …`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROWS = {"one": "1", "two": "2", "three": "wrong"}
"""Question → gold; the model repeats the question's number, so two of three are right."""
LONG_SECONDS = 600


def main() -> int:
    how = os.environ.get("FAKE_SUITE", "")
    if "-c" in sys.argv:
        if how == "does not run":
            sys.stderr.write("Fatal Python error: init_fs_encoding\n")
            return 1
        version = {"old": "1.9.0", "absent": None}.get(how, "1.14.1")
        say(json.dumps({"python": "3.11", "version": version}))
        return 0
    command = sys.argv[3]
    if command == "catalogue":
        for name, needs in (
            ("quiz", []),
            ("quiz_pro", []),
            ("judged", ["judge"]),
            ("boxed", ["sandbox"]),
            ("general_mcq", []),
        ):
            say(
                json.dumps(
                    {
                        "name": name,
                        "category": "Knowledge",
                        "modality": "llm",
                        "metric": "accuracy",
                        "size": 3,
                        "hub": f"hub/{name}",
                        "needs": needs,
                    }
                )
            )
        return 0
    return run(json.loads(Path(sys.argv[4]).read_text()), how)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(job: dict[str, Any], how: str) -> int:
    work = Path(job["work"])
    with (work / "starts").open("a") as stream:
        stream.write("start\n")
    say("Predicting: 0/3")
    if how in ("crash", "no data", "broken", "lacking"):
        say(
            {"no data": "requests.exceptions.ConnectionError: Max retries exceeded"}.get(
                how, "ValueError: the sky fell"
            )
        )
        return {"broken": 5, "lacking": 7}.get(how, 1)
    if how == "hang":
        child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG_SECONDS})"])
        (work / "child").write_text(str(child.pid))
        time.sleep(LONG_SECONDS)
    lines, right = [], 0
    for index, (question, gold) in enumerate(ROWS.items()):
        text = ask(job, f"{index + 1}")
        right += text == gold
        scores = {} if how == "no scores" else {"acc": float(text == gold)}
        score: dict[str, Any] = {"scores": scores, "extracted": text, "gold": gold}
        place = {"subset": "easy" if index < 2 else "hard", "id": question, "index": index}
        lines.append(
            {**place, "messages": [{"role": "user", "content": str(index + 1)}], "reply": text, **score}
        )
    reported = 0.9 if how == "other mean" else right / len(ROWS)
    kept = [] if how == "no samples" else lines
    content = "".join(json.dumps(line) + "\n" for line in kept)
    (work / "samples.jsonl").write_text(content[:-9] if how == "half" else content)
    if how == "no result":
        return 0
    if how == "half a result":
        (work / "result.json").write_text('{"version": "1.14.1", "reported": [')
        return 0
    score = {"metric": "acc", "value": reported, "decimals": 4, "primary": True, "better": "higher"}
    (work / "result.json").write_text(json.dumps({"version": "1.14.1", "reported": [score], "notes": []}))
    return 0


def ask(job: dict[str, Any], prompt: str) -> str:
    body = {
        "model": job["model"],
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": job["max_tokens"],
    }
    key = os.environ.get("OPENAI_API_KEY", "EMPTY")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = Request(f"{job['base_url']}/chat/completions", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


if __name__ == "__main__":
    sys.exit(main())
