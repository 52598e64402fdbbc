# Everything a developer does, by name. `make help` lists it.
# Needs git, make and a Python >= 3.11; uv is used when it is there and put into .tools/ when it is not.

.DEFAULT_GOAL := help
.PHONY: help demo test test-suspending test-all check format-check lint types contracts format bench docs lock clean
# The parts of `check` run one after the other, also with -j, so that each one's output can be read.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# uv never fetches a Python: the one that is there is used.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$python; break; }; done)
endif
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .tools/uv/bin/uv)

# The environment is there and agrees with what the pyproject files ask for.
READY := .venv/.ready
BIN := .venv/bin
# How many processes share the tests. The suite is made for machines with two cores.
JOBS ?= 2
# Further words for the tool: make test ARGS="-k fork -x"
ARGS ?=

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## write release notes with a workflow that is interrupted, resumed and rewound
	@test -t 0 && test -t 1 || approve=--approve; $(BIN)/python examples/release_notes.py $$approve $(ARGS)

test: $(READY)  ## run all tests
	@echo "== tests" && $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-suspending: $(READY)  ## run all tests with runs that forget all after every append, to prove that the log alone suffices
	@echo "== tests, always suspending" && PERDURE_ALWAYS_SUSPENDING=1 $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-all: $(READY)  ## run all tests on Python 3.11, 3.12 and 3.13 (those that are installed)
	@for version in 3.11 3.12 3.13; do \
	  python=$$($(UV) python find --no-project $$version 2>/dev/null) \
	    || python=$$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python 2>/dev/null | tail -n 1); \
	  if [ -z "$$python" ]; then echo "== Python $$version: not installed, left out"; continue; fi; \
	  echo "== $$($$python --version)"; \
	  UV_PROJECT_ENVIRONMENT=.venvs/$$version $(UV) sync --frozen --quiet --python "$$python" || exit 1; \
	  .venvs/$$version/bin/python -m pytest -n $(JOBS) $(ARGS) || exit 1; \
	done

check: format-check lint types contracts test  ## everything that must hold: format, lint, types, import contracts, all tests

format-check: $(READY)
	@echo "== format" && $(BIN)/ruff format --check .

lint: $(READY)  ## lint alone
	@echo "== lint" && $(BIN)/ruff check .

format: $(READY)  ## format the code and mend what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(READY)  ## check the types alone
	@echo "== types" && $(BIN)/mypy

contracts: $(READY)  ## check the import contracts alone
	@echo "== import contracts" && $(BIN)/lint-imports --no-logo --no-cache

bench: $(READY)  ## measure the workloads, side by side with LangGraph
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(READY)  ## run the code blocks of README.md and docs/
	@$(BIN)/python -m pytest tests/docs $(ARGS)

lock: $(UV)  ## write uv.lock anew after a change of dependencies
	@$(UV) lock --default-index https://pypi.org/simple

clean:  ## remove what make and the tools have made
	@rm -rf .demo .venv .venvs .tools .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml uv.lock $(wildcard libs/*/pyproject.toml) | $(UV)
	@test -n "$(PYTHON)" || { echo "perdure needs Python 3.11 or newer: install it, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(UV) sync --frozen --quiet --python "$(PYTHON)"
	@touch $@

.tools/uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "perdure needs Python 3.11 or newer: install it, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Installing uv into .tools/ (once) ..."
	@"$(PYTHON)" -m venv .tools/uv >.tools.log 2>&1 && rm -f .tools.log || { cat .tools.log >&2; rm -rf .tools .tools.log; \
	  echo "This Python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)," \
	    "or install uv yourself (https://docs.astral.sh/uv)." >&2; exit 1; }
	@.tools/uv/bin/python -m pip install -qq --disable-pip-version-check 'uv>=0.5' || { rm -rf .tools; exit 1; }
