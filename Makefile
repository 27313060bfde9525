# Everything that a person, or CI, does with this repository. Needs Python 3.11 or newer, make and a compiler.
#
#     make demo          the whole product on this machine, once, and stopped again (KEEP=1 leaves it running,
#                        VISIT=street or crowd takes other voices in noise)
#     make test          all tests: unit, then Ray, then end to end
#     make check         lint and the quick tests, in about a minute
#     PYTHON=... make    take this interpreter for .venv

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKED := yes
PYTEST = $(BIN)/python -m pytest $(if $(CI),--durations=15)
NONE_IS_FINE = $(if $(PYTEST_ARGS),|| [ $$? -eq 5 ])
CHECKED := models ray_tasks server tests benchmarks docs/*.py protos/build.py .ci/audit.py deploy/image/*.py

.PHONY: help demo test check lint format protos docs bench fuzz chaos cluster new-machine duckdb2 lock audit outdated image clean setup weights weights-all

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: weights ## Play the main job on real models, from a voice and a picture to an approved record.
	@$(BIN)/vestibule demo $(if $(KEEP),--keep) $(if $(VISIT),--visit $(VISIT))

# Unit tests share the cores. Those with Ray or a server need memory and often wait, so two of them run at a time. Those
# that start a server for themselves take longest: one process has most of them, and its output comes at the end; the
# other one has the rest after all others. Both should end together. `set -m` keeps Ctrl-C working in the first.
# tests/clamav starts Debian's clamd; without it they are skipped, but fail in CI.
# pytest exits with 5 when no test was selected, which is no failure of a narrowed run.
test: weights-all ## Run all tests: unit, then Ray, then end to end. PYTEST_ARGS="-k name" narrows them.
	@$(PYTEST) -n auto --dist loadfile $(PYTEST_ARGS) tests/test_architecture.py tests/unit $(NONE_IS_FINE)
	@mkdir -p build; set -m; \
	{ $(PYTEST) $(PYTEST_ARGS) -m own_server tests/e2e/test_[a-r]*.py $(NONE_IS_FINE); } > build/own_server.log 2>&1 & own=$$!; \
	set +m; result=0; \
	{ $(PYTEST) $(PYTEST_ARGS) -m "not own_server" tests/clamav tests/ray tests/e2e $(NONE_IS_FINE); } || result=$$?; \
	{ $(PYTEST) $(PYTEST_ARGS) -m own_server tests/e2e/test_[s-z]*.py $(NONE_IS_FINE); } || result=$$?; \
	wait $$own || result=$$?; cat build/own_server.log; exit $$result

check: lint ## Lint, then the quick unit tests, which need no weights. The pre-commit hook runs this.
	@$(PYTEST) -n auto --dist loadfile -q -m "not models and not slow" $(PYTEST_ARGS) tests/test_architecture.py tests/unit

lint: $(STAMP) ## Check style, types, the wire and the generated pages.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(wildcard $(CHECKED))
	@$(BIN)/python protos/build.py check
	@$(BIN)/python protos/build.py lint
	@$(BIN)/python protos/build.py breaking
	@$(BIN)/python -m docs.generate --check

format: $(STAMP) ## Let ruff put the code in order.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: $(STAMP) ## Generate protos/gen anew after a change of a .proto file.
	@$(BIN)/python protos/build.py stubs

docs: $(STAMP) ## Write docs/reference anew after a change of a command, setting, reason, entity, metric or view.
	@$(BIN)/python -m docs.generate

# These read data sets that are not part of the project, so they are run by hand; their docstrings show how.
BENCH_BY_HAND := bad_inputs narrow_columns pictures_redaction split spoken_values spoken_values_stream

bench: weights ## Run every benchmark; they print peers beside Vestibule. Those that need data of yours are named and left out.
	@for script in benchmarks/*.py; do \
	    case "$$(basename "$$script")" in _*) continue;; esac; \
	    module="benchmarks.$$(basename "$$script" .py)"; \
	    case " $(BENCH_BY_HAND) " in *" $${module#benchmarks.} "*) \
	        echo "== $$module is left out: it needs arguments, see --help"; continue;; esac; \
	    echo "== $$module"; $(BIN)/python -m "$$module" || exit 1; done

FUZZ_MINUTES ?= 60

fuzz: $(STAMP) ## Send random and mutated input to the port, decoders, verifier and SQL policy for FUZZ_MINUTES, by default 60.
	@$(BIN)/python -m tests.fuzz --minutes $(FUZZ_MINUTES)

CHAOS_SHARE ?= 1
CHAOS_JOBS ?= 2000

chaos: weights ## Kill, stop, fail and fill while clients work, and count what was lost. CHAOS_MINUTES=3 and SEED=7 are possible.
	@$(BIN)/python -m tests.chaos --share $(CHAOS_SHARE) --jobs $(CHAOS_JOBS) \
	    $(if $(CHAOS_MINUTES),--minutes $(CHAOS_MINUTES)) $(if $(SEED),--seed $(SEED))

CLUSTER_STREAMS ?= 200
CLUSTER_UPLOADS ?= 2000

cluster: weights ## Kill servers that share PostgreSQL, a mirror, PostgreSQL and a node of Ray while clients work, and count what was lost.
	@$(BIN)/python -m tests.cluster --streams $(CLUSTER_STREAMS) --uploads $(CLUSTER_UPLOADS) $(if $(SEED),--seed $(SEED))

new-machine: ## Install into an empty folder, approve a record over TLS, back up, lose all, restore, go on. Fails above ten minutes to the record.
	@$(or $(PYTHON),python3) -m tests.new_machine

DUCKDB2 := 2.0.1

# DuckDB 1.5 gets no fixes after March 2027. The newer one is put before it on the path of the tests.
duckdb2: $(STAMP) ## Run the tests of the ledger and of the funnels with DuckDB 2.
	@$(BIN)/pip install --quiet --no-deps --upgrade --target build/duckdb2 duckdb==$(DUCKDB2)
	@PYTHONPATH="$(CURDIR)/build/duckdb2:$(CURDIR)" $(PYTEST) -n auto --dist loadfile -k "not postgres" $(PYTEST_ARGS) \
	    tests/duckdb2 tests/unit/ledger tests/unit/funnel

# A lock holds exact versions and no hashes, so that PyTorch may come as another build from another index.
LOCK := $(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-annotate --extra dev --custom-compile-command 'make lock'

LOCK_TOOL := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock'

lock: $(STAMP) ## Write requirements.lock anew, with what pyproject.toml newly asks for; UPGRADE=1 takes the newest of everything.
	@$(LOCK) $(if $(UPGRADE),--upgrade) --output-file requirements.lock pyproject.toml
	@rm -f requirements.hashes
	@$(LOCK) --generate-hashes --constraint requirements.lock --output-file requirements.hashes pyproject.toml
	@for tool in pip sbom; do $(LOCK_TOOL) $(if $(UPGRADE),--upgrade) --output-file deploy/image/$$tool.txt deploy/image/$$tool.in; done

audit: $(STAMP) ## Compare the installed files with the lock and with the hashes of the day of the lock.
	@$(BIN)/python .ci/audit.py

outdated: ## Run all tests with the newest versions that pyproject.toml allows, in an environment of its own.
	@$(MAKE) test VENV=.venv-newest LOCKED= PYTEST_ARGS="$(PYTEST_ARGS)"

image: ## Build the image with docker, podman or buildah. IMAGE_ARGS="--build-arg VARIANT=cuda" goes to the builder.
	@deploy/image/build $(IMAGE_ARGS)

clean: ## Remove .venv and everything that was generated here. Weights stay in the cache.
	rm -rf $(VENV) .venv-newest build demo-output *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(STAMP) ## Make .venv and install into it; the other targets do this by themselves.

weights: $(STAMP)
	@$(BIN)/vestibule models fetch

weights-all: $(STAMP)
	@$(BIN)/vestibule models fetch --all

# A newer pip shows progress while weights are fetched. Here it prints one line a download: quiet enough to read, and one
# sees that something happens. The shell reads the lines, because mawk, the awk of Debian, keeps them until the end.
$(STAMP): pyproject.toml requirements.lock
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
	@mkdir -p $(VENV)/install-reports
	@set -o pipefail; PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	    $(if $(LOCKED),--constraint requirements.lock) --report $(VENV)/install-reports/$$(date -u +%Y%m%dT%H%M%S).json -e '.[dev]' \
	    | while read -r what name size unit _; do if [ "$$what" = Downloading ]; then \
	        for tag in cp pp py; do name="$${name%%-$$tag[0-9]*}"; done; echo "  $$name $$size $$unit"; fi; done
	@touch $@
