PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench chaos fuzz audit format clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.synced ## make the Python environment from the lock file

$(VENV)/.synced: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "creditstream needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'; }
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --frozen --quiet --inexact --python $(BIN)/python
	@touch $@

demo: setup ## the main job on real input: trace, Kafka, worker, sink, ClickHouse (ARGS=--once ends by itself)
	@$(BIN)/python -m deploy.local demo $(ARGS)

test: setup ## every test
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: setup ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: setup ## the worker against a plain librdkafka loop and naive Faust, as ratios
	@$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: setup ## every fault on real Kafka and ClickHouse, and the crash matrix (ARGS=--list names them)
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: setup $(VENV)/.fuzz ## hostile input for ten minutes (ARGS="--seconds 60" is shorter); fails when it finds any
	@$(BIN)/python -m tests.hostile $(ARGS)

$(VENV)/.fuzz: $(VENV)/.synced
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --frozen --quiet --inexact --group fuzz --python $(BIN)/python
	@touch $@

audit: setup ## known vulnerabilities and withdrawn releases of what is locked (exit 3 when nobody could be asked)
	@$(BIN)/python -m tests.audit $(ARGS)

format: setup ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove the environment and the local data
	rm -rf $(VENV) .data
