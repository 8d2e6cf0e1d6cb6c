"""One configuration, three ways to write it; every wrong value is said by its option's name; no key anywhere."""

from __future__ import annotations

import json
import shlex
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.cli import execute
from evalsuite.cli.app import application
from evalsuite.config import RunConfig, build_config, read_config_file
from evalsuite.errors import ConfigError

REMOTE = {"datasets": ["mcq_en"], "base_url": "http://h:1", "model": "m"}
EVERYTHING: dict[str, Any] = {
    "datasets": ["mcq:my data.csv", "gsm8k"],
    "ckpt": ["a=x.gguf", "smollm2"],
    "adapter": ["a:sft=out/checkpoint-500", "both=out/a+out/b"],
    "merge": True,
    "quant": ["bnb-int8"],
    "backend": "llamacpp",
    "backend_arg": {"n_ctx": "4096", "flag": "a=b c"},
    "api_key_env": "MY_KEY",
    "limit": 40,
    "shots": 0,
    "cot": True,
    "mcq_mode": "logprob",
    "agent_format": "toolbench",
    "lang": "zh",
    "repeats": 3,
    "profile": ["evalscope", "swift"],
    "columns": {"question": "Q", "answer": "right one"},
    "reasoning_tags": ["<reason>,</reason>"],
    "temperature": 0.123456789,
    "max_tokens": 17,
    "top_p": 0.95,
    "seed": -3,
    "stop": ["\n\n", "-x", "it's", "</s>"],
    "completions": True,
    "preference_mode": "reward",
    "judge_base_url": "http://judge:2/v1",
    "judge_model": "a judge",
    "judge_revision": "of May",
    "judge_api_key_env": "JUDGE_KEY",
    "judge_max_tokens": 99,
    "concurrency": 7,
    "servers": 2,
    "timeout": 1e-05,
    "suite_timeout": 3600.0,
    "on_error": "wrong",
    "stream": True,
    "cache": "replies of ours",
    "price": "0.15,.6",
    "out": "some folder",
    "name": "my run",
    "fresh": True,
    "fail_under": ["accuracy=40%", "mcq_en:paper/plan_em=.5"],
    "baseline": "q8",
    "step": 500,
    "csv_for": "excel",
}


def refusal(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build_config(REMOTE | values)
    return str(caught.value)


@pytest.fixture
def parsed(monkeypatch: Any) -> Any:
    """What the command line makes of its words, without running anything."""

    def parse(command: str) -> RunConfig:
        found: list[RunConfig] = []
        monkeypatch.setattr(execute, "execute_run", lambda given, **_: found.append(build_config(given)))
        words = shlex.split(command)[1:]
        application(words)(words, standalone_mode=False)
        return found[0]

    return parse


class TestThreeWays:
    def with_output(self) -> str:
        return " --out 'some folder' --name 'my run' --fresh"

    def test_config_from_words_yaml_and_python_is_equal(self, tmp_path: Path, parsed: Any) -> None:
        config = build_config(EVERYTHING)
        file = tmp_path / "run.yaml"
        file.write_text(yaml.safe_dump(EVERYTHING, allow_unicode=True), encoding="utf-8")
        assert build_config(read_config_file(file)) == config == RunConfig(**EVERYTHING)
        assert parsed(config.command() + self.with_output()) == config

    def test_example_holds_every_option(self) -> None:
        assert {option.name for option in RunConfig.options()} - {
            "base_url",
            "model",
            "model_revision",
            "chat_template",
        } == set(EVERYTHING)

    def test_chat_template_round_trips_through_the_command(self, parsed: Any) -> None:
        config = build_config({"datasets": "mcq_en", "ckpt": "a", "chat_template": "{{ messages }}\n'"})
        assert parsed(config.command()) == config

    def test_remote_config_round_trips_through_the_command(self, parsed: Any) -> None:
        config = build_config(REMOTE | {"concurrency": "auto"})
        assert parsed(config.command()) == config
        assert config.command() == "evalsuite run -d mcq_en --base-url http://h:1/v1 --model m"

    def test_yaml_with_loose_types_is_converted(self, tmp_path: Path) -> None:
        file = tmp_path / "run.yaml"
        file.write_text(
            "dataset: mcq_en\nckpt: smollm2\nmax-tokens: 17\nstop: END\nfail_under: accuracy=0.4\nconcurrency: '8'\n"
            "backend_arg:\n  n_ctx: 4096\n  warmup: false\nout: ~/runs\n",
            encoding="utf-8",
        )
        config = build_config(read_config_file(file))
        assert config.datasets == ("mcq_en",)
        assert (config.max_tokens, config.stop, config.concurrency) == (17, ("END",), 8)
        assert config.backend_arg == {"n_ctx": "4096", "warmup": "false"}
        assert config.out == Path.home() / "runs"
        assert config.gates[0].value == 0.4

    words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.fixed_dictionaries(
            {
                "datasets": st.lists(words, min_size=1, max_size=2),
                "ckpt": st.lists(words, min_size=1, max_size=2),
            },
            optional={
                "stop": st.lists(words, max_size=3),
                "temperature": st.floats(0, 10),
                "timeout": st.floats(0, 1e9, exclude_min=True),
                "top_p": st.floats(0, 1, exclude_min=True),
                "seed": st.integers(-(2**63), 2**63),
                "backend_arg": st.dictionaries(
                    st.from_regex(r"n_[a-z]{1,5}", fullmatch=True), words, max_size=2
                ),
                "cot": st.booleans(),
            },
        )
    )
    def test_command_of_any_config_round_trips(self, parsed: Any, values: Any) -> None:
        config = build_config(values)
        assert parsed(config.command()) == config


class TestWrongValues:
    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("limit", [0, -1, "many", 1.5]),
            ("shots", [-1, "few"]),
            ("temperature", [-0.1, "hot", float("nan"), float("inf")]),
            ("max_tokens", [0, "long"]),
            ("top_p", [0, 1.1, float("nan")]),
            ("seed", ["x", 1.5]),
            ("stop", [[""], ["a", ""], [1]]),
            ("concurrency", [0, -1, "many", "", 1.5, True, None, "²", "--5"]),
            ("timeout", [0, -1, "long", float("inf")]),
            ("backend", ["vlm", "vllm", 1]),
            ("lang", ["de", "ZH"]),
            ("on_error", ["ignore"]),
            ("agent_format", ["openai", "ReAct"]),
            ("cot", ["perhaps"]),
            ("name", ["", " ", ".", "..", "a/b", "a\\b", "a\0b", 5]),
            ("datasets", [[1], 5]),
            (
                "base_url",
                [
                    "localhost:8000",
                    "ftp://h",
                    "http://",
                    "http://[::1",
                    "http://h:abc",
                    "http://a..b",
                    "http://.b/v1",
                    f"http://{'a' * 64}.b",
                    "http://exa mple.com",
                    "http://h:70000",
                    "x",
                    "",
                ],
            ),
            ("api_key_env", ["", "MY KEY", "a-b"]),
            ("backend_arg", [["n_ctx=1"], "n_ctx=1"]),
            ("out", [5]),
        ],
    )
    def test_wrong_value_names_its_option(self, field: str, values: list[Any]) -> None:
        for value in values:
            assert f"--{field.replace('_', '-')}" in refusal(**{field: value}), value

    def test_several_wrong_values_are_listed_together(self) -> None:
        text = refusal(limit=0, temperature=-1)
        assert "--limit 0: a whole number of at least 1 is expected" in text
        assert "--temperature -1: a number of at least 0 is expected" in text

    @pytest.mark.parametrize(
        "gate",
        [
            "accuracy",
            "accuracy=",
            "=0.4",
            "accuracy=high",
            "accuracy=1.2.3",
            "accuracy=.",
            "a:b:c=1",
            "",
            "accuracy>0.4",
        ],
    )
    def test_fail_under_malformed_is_refused(self, gate: str) -> None:
        assert f"--fail-under {gate!r}: write [DATASET:]METRIC=VALUE" in refusal(fail_under=[gate])

    @pytest.mark.parametrize(
        ("text", "gate"),
        [
            ("accuracy=0.4", (None, "accuracy", 0.4)),
            ("mcq_en:accuracy=40%", ("mcq_en", "accuracy", 0.4)),
            ("paper/plan_em=.25", (None, "paper/plan_em", 0.25)),
            ("bleu=30", (None, "bleu", 30.0)),
        ],
    )
    def test_fail_under_valid_is_parsed(self, text: str, gate: tuple[Any, ...]) -> None:
        (found,) = build_config(REMOTE | {"fail_under": text}).gates
        assert (found.dataset, found.metric, found.value) == gate

    @pytest.mark.parametrize("datasets", [[], (), None])
    def test_config_without_datasets_is_refused(self, datasets: list[Any] | tuple[Any, ...] | None) -> None:
        values = {"base_url": "http://h"} | ({} if datasets is None else {"datasets": datasets})
        with pytest.raises(ConfigError, match="no dataset: give at least one -d"):
            build_config(values)

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"datasets": ["x"]}, "no model: give --ckpt PATH"),
            (REMOTE | {"ckpt": "x"}, "--ckpt and --base-url are two ways"),
            (
                REMOTE | {"adapter": "sft=x"},
                "--adapter, --merge and --quant are for servers that evalsuite starts",
            ),
            (REMOTE | {"merge": True}, "name the base with --ckpt PATH"),
            ({"datasets": ["x"], "ckpt": "x", "backend": "remote"}, "--backend remote needs --base-url"),
            (REMOTE | {"backend": "llamacpp"}, "--backend llamacpp starts a server of its own"),
            (REMOTE | {"backend_arg": {"n_ctx": 1}}, "--backend-arg is for servers that evalsuite starts"),
            ({"datasets": ["x"], "ckpt": "x", "model": "m"}, "--model names a model at --base-url"),
            (REMOTE | {"tempreature": 1}, "'tempreature' is not an option. Did you mean 'temperature'?"),
            (REMOTE | {"zzz": 1}, "'zzz' is not an option. The keys are: datasets, columns, limit"),
        ],
    )
    def test_conflicting_options_and_unknown_keys_are_refused(
        self, values: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            build_config(values)
        assert says in str(caught.value)

    def test_error_in_a_config_file_names_the_file(self) -> None:
        with pytest.raises(ConfigError, match=r"^run\.yaml: --limit 0"):
            build_config(REMOTE | {"limit": 0}, "run.yaml")

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "expected option names"),
            (b"- a\n- b\n", "expected option names"),
            (b"just text", "expected option names"),
            (b"a: [1\n", "not YAML"),
            (b"name: 2026-13-45\n", "not YAML"),
            (b"name: \xff\xfe\n", "not YAML"),
            (b"x: !!python/object:os.system {}\n", "not YAML"),
            (b"[" * 5000, "not YAML"),
        ],
    )
    def test_config_file_that_is_no_mapping_is_refused(
        self, tmp_path: Path, content: bytes, says: str
    ) -> None:
        file = tmp_path / "run.yaml"
        file.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            read_config_file(file)
        assert str(caught.value).startswith(str(file))
        assert says in str(caught.value)

    def test_config_file_missing_is_refused(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.yaml", tmp_path):
            with pytest.raises(ConfigError, match="cannot read the configuration"):
                read_config_file(path)


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "complete"),
        [
            ("http://h", "http://h/v1"),
            ("http://h:8000/", "http://h:8000/v1"),
            (" http://h:8000/v1/ ", "http://h:8000/v1"),
            ("HTTPS://h/openai/v1", "https://h/openai/v1"),
            ("http://h/v1/chat/completions", "http://h/v1"),
            ("http://h/v1/completions/", "http://h/v1"),
            ("http://[::1]:8000", "http://[::1]:8000/v1"),
            ("http://my_host.:1", "http://my_host.:1/v1"),
            ("http://bücher.例え", "http://bücher.例え/v1"),
        ],
    )
    def test_base_url_is_completed(self, given: str, complete: str) -> None:
        assert build_config(REMOTE | {"base_url": given}).base_url == complete


class TestTextOptions:
    @pytest.mark.parametrize(
        "value",
        [
            "question=Q,answer=the answer",
            {"question": "Q", "answer": "the answer"},
            " question = Q , answer=the answer",
        ],
    )
    def test_columns_as_text_or_mapping_are_the_same(self, value: dict[str, Any] | str) -> None:
        assert build_config(REMOTE | {"columns": value}).columns == {"question": "Q", "answer": "the answer"}

    @pytest.mark.parametrize("value", ["question", "question=", "=Q", "question=Q,", "", ["question=Q"], 5])
    def test_columns_without_pairs_are_refused(self, value: int | list[Any] | str) -> None:
        assert "--columns" in refusal(columns=value)

    def test_columns_from_the_command_line_round_trip(self, parsed: Any) -> None:
        config = build_config({"datasets": "x", "ckpt": "a", "columns": "question=Q,answer=a column"})
        assert parsed(config.command()) == config

    @pytest.mark.parametrize("value", ["<r>", "<r>,", ",</r>", "a,b,c", ""])
    def test_reasoning_tags_that_are_no_pair_are_refused(self, value: str) -> None:
        assert "'<reason>,</reason>'" in refusal(reasoning_tags=[value])

    @pytest.mark.parametrize("change", [{"reasoning_tags": "<r>,</r>"}, {"csv_for": "excel"}])
    def test_scoring_and_output_options_leave_the_name_of_a_run(self, change: dict[str, Any]) -> None:
        assert build_config(REMOTE | change).identity() == build_config(REMOTE).identity()

    def test_columns_are_part_of_what_is_asked(self) -> None:
        assert build_config(REMOTE | {"columns": "question=Q"}).identity() != build_config(REMOTE).identity()

    def test_price_as_a_list_is_read(self) -> None:
        assert build_config(REMOTE | {"price": [0.15, 0.6]}).price == "0.15,0.6"


class TestSecrets:
    SECRET = "sk-S3cr3t"

    @pytest.mark.parametrize(
        "values",
        [
            {"base_url": f"http://user:{SECRET}@h/v1"},
            {"base_url": f"http://{SECRET}@h/v1"},
            {"base_url": f"http://h/v1?key={SECRET}"},
            {"base_url": f"http://h/v1#{SECRET}"},
            {"api_key_env": SECRET},
            {"base_url": None, "model": None, "ckpt": "x", "backend_arg": {"api_key": SECRET}},
            {"base_url": None, "model": None, "ckpt": "x", "backend_arg": {"API-KEY": SECRET}},
        ],
    )
    def test_api_key_as_a_value_is_refused_and_not_repeated(self, values: dict[str, Any]) -> None:
        with pytest.raises(ConfigError) as caught:
            build_config(REMOTE | values)
        assert self.SECRET not in str(caught.value)
        assert self.SECRET not in str(caught.value.__cause__)

    def test_api_key_never_appears_in_recorded_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_KEY", self.SECRET)
        config = build_config(REMOTE | {"api_key_env": "MY_KEY"})
        assert config.recorded()["api_key_env"] == "MY_KEY"
        assert self.SECRET not in json.dumps(config.recorded()) + config.command() + repr(config)


class TestIdentity:
    def test_recorded_is_json_without_output_options(self) -> None:
        recorded = build_config(EVERYTHING).recorded()
        assert json.loads(json.dumps(recorded)) == recorded
        assert not {"out", "name", "fresh"} & set(recorded)

    @pytest.mark.parametrize(
        "change",
        [
            {"concurrency": 3},
            {"timeout": 5},
            {"on_error": "skip"},
            {"stream": True},
            {"judge_api_key_env": "OTHER"},
            {"out": "x"},
            {"name": "x"},
            {"fresh": True},
            {"fail_under": "accuracy=1"},
            {"profile": "evalscope"},
        ],
    )
    def test_identity_is_the_same_for_other_speed_and_output(self, change: dict[str, Any]) -> None:
        assert build_config(REMOTE | change).identity() == build_config(REMOTE).identity()

    @pytest.mark.parametrize(
        "change",
        [
            {"limit": 3},
            {"temperature": 0.5},
            {"model": "other"},
            {"datasets": ["qa_en"]},
            {"cot": True},
            {"agent_format": "toolbench"},
            {"shots": 0},
            {"seed": 1},
            {"stop": "x"},
            {"preference_mode": "reward"},
            {"judge_model": "self"},
            {"judge_max_tokens": 5},
        ],
    )
    def test_identity_differs_for_another_question(self, change: dict[str, Any]) -> None:
        assert build_config(REMOTE | change).identity() != build_config(REMOTE).identity()

    @pytest.mark.parametrize(
        ("values", "known"),
        [
            (REMOTE, "84610519"),
            (
                {
                    "datasets": ["mcq:a.csv", "gsm8k"],
                    "ckpt": ["a=x.gguf"],
                    "limit": 40,
                    "temperature": 0.5,
                    "stop": ["x"],
                    "backend_arg": {"n_ctx": "4096"},
                },
                "6f7b9a6d",
            ),
        ],
    )
    def test_identity_with_newer_options_at_default_is_as_before(
        self, values: dict[str, Any], known: str
    ) -> None:
        """As computed before there were --repeats, --chat-template and revisions."""
        assert build_config(values).identity() == known

    def test_config_is_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            build_config(REMOTE).limit = 3


def test_completions_with_openai_tools_is_refused() -> None:
    assert "--agent-format openai-tools" in refusal(completions=True, agent_format="openai-tools")
    build_config(REMOTE | {"completions": True, "agent_format": "toolbench"})


@pytest.mark.parametrize("field", ["model", "name", "stop"])
def test_text_that_is_not_utf8_is_refused(field: str) -> None:
    assert refusal(**{field: "\udcff"}) == f"--{field}: it holds bytes that are not UTF-8"


class TestJudge:
    def test_judge_model_without_address_names_the_missing_option(self) -> None:
        assert "--judge-model gpt: add its address with --judge-base-url URL" in refusal(judge_model="gpt")

    @pytest.mark.parametrize("name", [{}, {"judge_model": "self"}])
    def test_judge_address_without_model_is_refused(self, name: dict[str, Any]) -> None:
        assert "--judge-base-url is the address of a judge" in refusal(judge_base_url="http://j:1", **name)

    def test_judge_address_is_completed_and_never_repeated_when_wrong(self) -> None:
        config = build_config(REMOTE | {"judge_base_url": "http://j:1/", "judge_model": "m"})
        assert config.judge_base_url == "http://j:1/v1"
        said = refusal(judge_base_url="http://user:hush@j:1/v1", judge_model="m")
        assert "user name or password" in said
        assert "hush" not in said

    def test_judge_api_key_is_only_named(self) -> None:
        assert "never the key itself" in refusal(judge_api_key_env="sk-not-a-name")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "http://h/v1"}, "the server at --base-url applies its own template"),
        ({"ckpt": "a", "completions": True}, "--completions sends flat prompts"),
        ({"ckpt": "a", "backend": "lmdeploy"}, "--backend-arg chat_template=FILE.json"),
    ],
)
def test_chat_template_without_effect_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_config({"datasets": "mcq_en", "chat_template": "{{ messages }}"} | options)


def test_chat_template_as_backend_arg_points_to_the_option() -> None:
    with pytest.raises(ConfigError, match="--chat-template FILE"):
        build_config({"datasets": "mcq_en", "ckpt": "a", "backend_arg": {"chat-template": "x.jinja"}})


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_servers_that_is_no_count_is_refused(number: str) -> None:
    with pytest.raises(ConfigError, match="--servers"):
        build_config({"datasets": "mcq_en", "ckpt": "a", "servers": number})
