"""The transformers server as it really runs: a tiny random model, adapters on it, the real protocol on a real socket."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from mock_server import WAIT_SECONDS
from model_folders import tiny_adapter, tiny_model
from run_helpers import processes_with, wait_gone

from evalsuite.errors import CheckpointError, ConfigError, ServerError
from evalsuite.models.checkpoint import Adapter, Checkpoint
from evalsuite.models.templates import template_hash
from evalsuite.models.variants import find_variants

pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft")),
        reason="torch, transformers and peft are not installed (evalsuite[transformers])",
    ),
    pytest.mark.filterwarnings("default"),
]
PROMPTS = ["a", "What is it?", "Tell me a long story about a very small model. " * 2, "中文🙂", "xyz " * 9]


class Running:
    """A server with its models, and the same weights in this process to compare with."""

    def __init__(self, served: Any, folder: Path) -> None:
        self.url = next(iter(served.values())).base_url
        self.served = served
        self.folder = folder

    def post(self, path: str = "/completions", status: int = 200, **body: Any) -> Any:
        body = {"model": "base", "temperature": 0, "max_tokens": 12} | body
        response = httpx.post(self.url + path, json=body, timeout=WAIT_SECONDS)
        assert response.status_code == status, response.text
        return response.json()

    def text(self, **body: Any) -> str:
        text: str = self.post(**body)["choices"][0]["text"]
        return text

    def chat(self, content: str = "Hi", status: int = 200, **body: Any) -> Any:
        return self.post("/chat/completions", status, messages=[{"role": "user", "content": content}], **body)

    async def at_once(self, bodies: Any) -> Any:
        async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
            sent = [client.post(self.url + "/completions", json={"temperature": 0} | body) for body in bodies]
            return [response.json()["choices"][0]["text"] for response in await asyncio.gather(*sent)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: Any) -> Any:
    from evalsuite.backends.transformers import TransformersBackend

    folder = tmp_path_factory.mktemp("tiny")
    base = tiny_model(folder / "model")
    one, two = tiny_adapter(folder / "one", base, seed=1), tiny_adapter(folder / "two", base, seed=2)
    variants = find_variants([f"base={base}"], [f"one={one}", f"two={two}", f"both={one}+{two}"])
    arguments = {"n_threads": "1", "max_batch": "4"}
    with TransformersBackend().serve(variants, arguments, folder / "log") as server:
        yield Running(server.served, folder)
        server.check()


def generated(folder: Path, prompt: str, tokens: int, *adapters: str) -> str:
    """What `generate` of transformers answers, alone and without padding."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, folder / adapter).merge_and_unload()
    ids = tokenizer(prompt, return_tensors="pt")
    done = model.generate(**ids, max_new_tokens=tokens, do_sample=False)
    text: str = tokenizer.decode(done[0][ids["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


class TestIdentity:
    def test_base_and_adapters_are_listed_with_their_parent(self, running: Any) -> None:
        listed = httpx.get(running.url + "/models").json()["data"]
        assert [(model["id"], model["parent"]) for model in listed] == [
            ("base", None), ("one", "base"), ("two", "base"), ("both", "base"),
        ]  # fmt: skip
        assert listed[1]["root"] == str(running.folder / "one")

    def test_an_unknown_name_lists_those_that_are_there(self, running: Any) -> None:
        said = running.post(status=404, model="gpt", prompt="x")["error"]["message"]
        assert said == "the model 'gpt' is not served here; served are: base, one, two, both"

    def test_what_is_served_is_told(self, running: Any) -> None:
        engine = running.served["one"].engine
        assert (engine["name"], engine["dtype"], engine["device"], engine["adapter"]) == (
            "transformers",
            "float32",
            "cpu",
            "one",
        )
        assert len(engine["chat_template"]) == 12
        assert running.served["base"].without_adapter is None
        assert running.served["both"].without_adapter.model == "base"

    def test_it_listens_on_the_loopback_only(self, running: Any) -> None:
        assert running.url.startswith("http://127.0.0.1:")


class TestReplies:
    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_greedy_is_what_generate_answers(self, running: Any, prompt: str) -> None:
        assert running.text(prompt=prompt) == generated(running.folder, prompt, 12)

    @pytest.mark.parametrize(
        ("name", "adapters"), [("one", ("one",)), ("two", ("two",)), ("both", ("one", "two"))]
    )
    def test_each_adapter_answers_as_itself_whoever_was_asked_before(
        self, running: Any, name: str, adapters: tuple[Any, ...]
    ) -> None:
        expected = generated(running.folder, PROMPTS[1], 12, *adapters)
        before = running.text(prompt=PROMPTS[1])
        assert running.text(prompt=PROMPTS[1], model=name) == expected
        assert running.text(prompt=PROMPTS[1]) == before != expected

    def test_rows_that_join_and_leave_change_no_reply(self, running: Any) -> None:
        bodies = [
            {"model": "base", "prompt": prompt, "max_tokens": tokens}
            for tokens in (3, 25, 9)
            for prompt in PROMPTS
        ]
        alone = [running.text(**body) for body in bodies]
        assert asyncio.run(running.at_once(bodies)) == alone

    def test_names_mixed_in_one_burst(self, running: Any) -> None:
        bodies = [
            {"model": name, "prompt": prompt, "max_tokens": 8}
            for prompt in PROMPTS[:3]
            for name in ("base", "one", "two", "both")
        ]
        alone = [running.text(**body) for body in bodies]
        assert asyncio.run(running.at_once(bodies)) == alone
        assert len(set(alone)) > 6

    def test_lengths_and_counts(self, running: Any) -> None:
        found = running.post(prompt="abc", max_tokens=5, ignore_eos=True)
        assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        assert found["choices"][0]["finish_reason"] == "length"

    def test_a_stop_string_ends_the_reply_before_itself(self, running: Any) -> None:
        whole = running.text(prompt="abc", max_tokens=20)
        stop = whole[4:6]
        found = running.post(prompt="abc", max_tokens=20, stop=[stop])["choices"][0]
        assert (found["text"], found["finish_reason"]) == (whole[: whole.index(stop)], "stop")

    def test_the_template_is_used_and_can_go_on_with_a_turn(self, running: Any) -> None:
        asked = running.text(prompt="<user>Hi<assistant>")
        assert running.chat("Hi")["choices"][0]["message"]["content"] == asked
        messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]
        goes_on = running.post("/chat/completions", messages=messages, continue_final_message=True)
        assert goes_on["choices"][0]["message"]["content"] == running.text(prompt="<user>Hi<assistant>Yes")

    def test_a_stream_is_the_same_reply_in_pieces(self, running: Any) -> None:
        whole = running.chat("Hi", max_tokens=9, logprobs=True)["choices"][0]
        body = {
            "model": "base",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 9,
            "temperature": 0,
        }
        body |= {"stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
        events = httpx.post(running.url + "/chat/completions", json=body, timeout=WAIT_SECONDS).text.split(
            "\n\n"
        )
        assert events[-2:] == ["data: [DONE]", ""]
        read = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
        pieces = [event["choices"][0] for event in read if event["choices"]]
        assert "".join(piece["delta"].get("content", "") for piece in pieces) == whole["message"]["content"]
        assert pieces[-1]["finish_reason"] == whole["finish_reason"]
        assert read[-1]["usage"]["completion_tokens"] == 9

    def test_the_openai_client_reads_it(self, running: Any) -> None:
        import openai
        from openai.types.chat import ChatCompletionUserMessageParam

        with openai.OpenAI(base_url=running.url, api_key="none", timeout=WAIT_SECONDS) as client:
            message: ChatCompletionUserMessageParam = {"role": "user", "content": "Hi"}
            answer = client.chat.completions.create(
                model="one", messages=[message], max_tokens=4, temperature=0, logprobs=True, top_logprobs=2
            )
            flat = client.completions.create(model="base", prompt="abc", max_tokens=4, temperature=0)
        logprobs, usage = answer.choices[0].logprobs, answer.usage
        assert logprobs is not None
        assert logprobs.content is not None
        assert usage is not None
        assert len(logprobs.content) == usage.completion_tokens
        assert flat.choices[0].text == running.text(prompt="abc", max_tokens=4)


class TestSampling:
    def test_a_seed_is_kept_to_alone_and_in_company(self, running: Any) -> None:
        body = {"model": "base", "prompt": "abc", "temperature": 1.0, "seed": 7, "max_tokens": 10}
        alone = running.text(**body)
        assert running.text(**body) == alone
        assert (
            asyncio.run(running.at_once([body | {"seed": 1}, body, body | {"prompt": "a" * 40}]))[1] == alone
        )
        assert len({running.text(**body | {"seed": seed}) for seed in range(6)}) > 1

    @pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
    def test_a_choice_of_one_is_the_greedy_one(self, running: Any, settings: dict[str, Any]) -> None:
        assert running.text(prompt="abc", temperature=1.5, seed=3, **settings) == running.text(prompt="abc")

    def test_a_repetition_penalty_is_that_of_transformers(self, running: Any) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(running.folder / "model")
        model = AutoModelForCausalLM.from_pretrained(running.folder / "model", dtype=torch.float32)
        ids = tokenizer("abc", return_tensors="pt")
        done = model.generate(**ids, max_new_tokens=12, do_sample=False, repetition_penalty=1.7)
        expected = tokenizer.decode(done[0][3:], skip_special_tokens=True)
        assert running.text(prompt="abc", repetition_penalty=1.7) == expected


class TestLogprobs:
    def expected(self, running: Any, text: str) -> Any:
        """Of each token after the first: its log-probability, computed plainly."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(running.folder / "model")
        model = AutoModelForCausalLM.from_pretrained(running.folder / "model", dtype=torch.float32)
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids).logits[0], dim=-1)
        return [float(logprobs[place, token]) for place, token in enumerate(ids[0, 1:].tolist())]

    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_of_an_echoed_prompt(self, running: Any, prompt: str) -> None:
        found = running.post(prompt=prompt, max_tokens=1, echo=True, logprobs=1)["choices"][0]
        expected = self.expected(running, prompt)
        read = found["logprobs"]["token_logprobs"]
        assert read[0] is None
        assert read[1 : 1 + len(expected)] == pytest.approx(expected, abs=1e-4)
        assert len(read) == len(expected) + 2
        assert found["text"].startswith(prompt)

    def test_of_a_prompt_alone(self, running: Any) -> None:
        found = running.post(prompt="abc", max_tokens=0, echo=True, logprobs=0)
        assert (found["choices"][0]["text"], len(found["choices"][0]["logprobs"]["tokens"])) == ("abc", 3)
        assert found["usage"]["completion_tokens"] == 0

    def test_of_messages_as_vllm_gives_them(self, running: Any) -> None:
        found = running.chat("Hi", max_tokens=1, prompt_logprobs=0)["prompt_logprobs"]
        assert found[0] is None
        values = [next(iter(entry.values()))["logprob"] for entry in found[1:]]
        assert values == pytest.approx(self.expected(running, "<user>Hi<assistant>"), abs=1e-4)

    def test_of_the_reply(self, running: Any) -> None:
        found = running.chat("Hi", max_tokens=3, logprobs=True, top_logprobs=4)["choices"][0]["logprobs"][
            "content"
        ]
        assert len(found) == 3
        for token in found:
            values = [other["logprob"] for other in token["top_logprobs"]]
            assert values == sorted(values, reverse=True)
            assert token["logprob"] == values[0]


class TestRefusals:
    def test_a_prompt_beyond_the_context(self, running: Any) -> None:
        said = running.post(status=400, prompt="a" * 300)["error"]["message"]
        assert "the prompt has 300 tokens and the context of this model ends at 256" in said

    def test_a_reply_ends_with_the_context(self, running: Any) -> None:
        found = running.post(prompt="a" * 250, max_tokens=50, ignore_eos=True)
        assert found["usage"]["completion_tokens"] == 6

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({"n": 2}, "'n' is not supported"),
            ({"prompt": ["a", "b"]}, "several prompts as several requests"),
            ({"prompt": ""}, "no tokens"),
            ({"prompt": [99999]}, "outside the vocabulary"),
        ],
    )
    def test_each_is_said(self, running: Any, body: dict[str, Any], said: str) -> None:
        assert said in running.post(status=400, **{"prompt": "a"} | body)["error"]["message"]

    def test_tools_that_the_template_has_no_place_for(self, running: Any) -> None:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        assert "does not support 'tools'" in running.chat(status=400, tools=tools)["error"]["message"]

    def test_what_is_no_json(self, running: Any) -> None:
        response = httpx.post(running.url + "/completions", content=b"{", timeout=WAIT_SECONDS)
        assert response.status_code == 400
        assert "not JSON" in response.text

    def test_it_goes_on_after_a_client_that_left(self, running: Any) -> None:
        body = {"model": "base", "prompt": "abc", "max_tokens": 200, "ignore_eos": True, "stream": True}
        with httpx.stream("POST", running.url + "/completions", json=body, timeout=WAIT_SECONDS) as response:
            next(response.iter_lines())
        assert running.text(prompt="abc")


# ---------------------------------------------------------------- caches that rows cannot join


def test_batch_with_sliding_window_matches_generate(tmp_path: Path) -> Any:
    from evalsuite.backends.transformers import child_parameters
    from evalsuite.backends.transformers_server.batch import Batch
    from evalsuite.backends.transformers_server.model import LoadedModel
    from evalsuite.backends.transformers_server.request_parser import read_settings
    from evalsuite.backends.transformers_server.rows import Detokenizer, Row

    checkpoints = find_variants([f"base={tiny_model(tmp_path / 'model', window=8)}"], [])
    model = LoadedModel(child_parameters(checkpoints, {"device": "cpu"}))
    lengths = dict(zip(PROMPTS[:4], (3, 14, 6, 14), strict=True))

    def row(prompt: str) -> Row:
        tokens = model.text_tokens(prompt, add_special_tokens=True)
        asked = read_settings({"temperature": 0}, {}, chat=True)
        detokenizer = Detokenizer(model.tokenizer, tokens, skip_special_tokens=True)
        return Row(
            "base", tokens, asked, lengths[prompt], model.eos, detokenizer, lambda _: None, pytest.fail
        )

    rows = {prompt: row(prompt) for prompt in lengths}
    batch = Batch(model, "base")
    batch.join(list(rows.values()))
    assert not batch.can_grow
    while batch.rows:
        batch.step()
    assert {prompt: row.text for prompt, row in rows.items()} == {
        prompt: generated(tmp_path, prompt, length) for prompt, length in lengths.items()
    }


# ---------------------------------------------------------------- starting


def start(checkpoints: Any, arguments: Any, log: Any) -> None:
    from evalsuite.backends.transformers import TransformersBackend

    with TransformersBackend().serve(checkpoints, {"n_threads": "1"} | arguments, log):
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_batch": "0"}, "max_batch=0: not a whole number"),
        ({"n_threads": "²"}, "not a whole number"),
        ({"dtype": "float33"}, "dtype=float33: not a type of numbers"),
        ({"no_such_keyword": "1"}, "--backend-arg: no_such_keyword=1: .*unexpected keyword"),
        ({"attn_implementation": "nonsense"}, "--backend-arg: attn_implementation=nonsense: .*nonsense"),
    ],
)
def test_transformers_wrong_argument_is_the_users_to_mend(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    variants = find_variants([str(tiny_model(tmp_path / "model"))], [])
    with pytest.raises(ConfigError, match=said):
        start(variants, arguments, tmp_path / "log")


def test_unloadable_model_ends_the_start_with_the_last_lines(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "model")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"model_type": "no-such-model"}))
    with pytest.raises(ServerError, match="no-such-model"):
        start(find_variants([str(path)], []), {}, tmp_path / "log")
    wait_gone(processes_with(str(path)))


def test_transformers_model_with_code_of_its_own_says_how_to_trust_it(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "model")
    config = json.loads((path / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (path / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    (path / "own.py").write_text("raise SystemExit('its code was run')")
    with pytest.raises(ServerError, match="add --backend-arg trust_remote_code=true") as caught:
        start(find_variants([str(path)], []), {}, tmp_path / "log")
    assert "its code was run" not in str(caught.value)


def test_transformers_template_that_is_given_renders_the_messages(tmp_path: Path) -> None:
    from evalsuite.backends.transformers import TransformersBackend

    template = "{% for message in messages %}!{{ message['content'] }}{% endfor %}"
    path = tiny_model(tmp_path / "model")
    own = find_variants([f"base={path}"], [])[0]
    (given,) = (replace(own, chat_template=template),)
    with TransformersBackend().serve([given], {"n_threads": "1"}, tmp_path / "log") as server:
        served = server.served["base"]
        running = Running(server.served, path)
        assert served.engine["chat_template"] == template_hash(template)
        assert running.chat("Hi", max_tokens=1)["usage"]["prompt_tokens"] == len("!Hi")


def test_transformers_adapters_that_do_not_add_up_are_not_stacked(tmp_path: Path) -> None:
    odd = Adapter(tmp_path, "f", details={"DoRA": "yes"})
    stacked = Checkpoint("x", "x", "x", "stacked", "f", tmp_path, (odd, odd), base_form="original")
    with pytest.raises(CheckpointError, match="--merge"):
        start([stacked], {}, tmp_path / "log")
