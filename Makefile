# Everything that a person, or CI, does with this repository. Needs Python 3.11 or newer, make and a compiler.
#
#     make demo          the whole product on this machine, once, and stopped again (KEEP=1 leaves it running)
#     make test          all tests: unit, then Ray, then end to end
#     PYTHON=... make    take this interpreter for .venv

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
CHECKED := models ray_tasks server tests benchmarks docs/*.py protos/build.py

.PHONY: help demo test lint format protos docs bench clean setup weights

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: weights ## Play the main job on real models, from a voice and a picture to an approved record.
	@$(BIN)/vestibule demo $(if $(KEEP),--keep)

test: weights-all ## Run all tests: unit, then Ray, then end to end. PYTEST_ARGS="-k name" narrows them.
	@$(BIN)/python -m pytest $(if $(CI),--durations=15) $(PYTEST_ARGS) tests/test_architecture.py tests/unit tests/ray tests/e2e

lint: $(STAMP) ## Check style, types and the wire.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(wildcard $(CHECKED))
	@$(BIN)/python protos/build.py check
	@$(BIN)/python protos/build.py lint
	@$(BIN)/python protos/build.py breaking

format: $(STAMP) ## Let ruff put the code in order.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: $(STAMP) ## Generate protos/gen anew after a change of a .proto file.
	@$(BIN)/python protos/build.py stubs

docs: $(STAMP) ## Write docs/reference anew after a change of a command, setting, reason, metric or view.
	@$(BIN)/python -m docs.generate

bench: weights ## Run every benchmark; they print peers beside Vestibule.
	@for script in benchmarks/*.py; do \
	    case "$$(basename "$$script")" in _*) continue;; esac; \
	    module="benchmarks.$$(basename "$$script" .py)"; \
	    echo "== $$module"; $(BIN)/python -m "$$module" || exit 1; done

clean: ## Remove .venv and everything that was generated here. Weights stay in the cache.
	rm -rf $(VENV) build demo-output *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/e2e/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(STAMP) ## Make .venv and install into it; the other targets do this by themselves.

.PHONY: weights-all
weights: $(STAMP)
	@$(BIN)/vestibule models fetch

weights-all: $(STAMP)
	@$(BIN)/vestibule models fetch --all

# A newer pip shows progress while weights are fetched. Here it prints one line a download: quiet enough to read, and one
# sees that something happens.
$(STAMP): pyproject.toml
	@if [ ! -x $(BIN)/python ]; then \
	    python=; \
	    for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	        if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	            python="$$candidate"; break; fi; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo "Vestibule needs Python 3.11 or newer with its venv module; none of these will do:" \
	             "$(or $(PYTHON),python3 python3.13 python3.12 python3.11). Install one, or: make PYTHON=/path/to/python" >&2; \
	        exit 1; fi; \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv $(VENV); \
	fi
	@echo "Installing into $(VENV); the first time this downloads for some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24.1'
	@set -o pipefail; PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[dev]' \
	    | awk '/^ *Downloading /{sub(/-(cp|pp|py)[0-9][^ ]*/, ""); print "  " $$2, $$3, $$4; fflush()}'
	@touch $@
