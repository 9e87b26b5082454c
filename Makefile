# Everything here needs Python 3.11 or newer and make, nothing else: environments are built from the hash-locked
# requirements/, with whatever package index this machine's pip is configured for. Steps report on stderr, so that
# `make run ARGS="… --output json"` leaves only JSON on stdout.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test lint format bench docs docs-serve clients scenarios soak lock clean

ARGS ?=
SEEDS ?= 50

# Each environment is one folder; a stamp in it says which lock it answers.
RUN := .venv-run
DEV := .venv
CLIENTS := ccxt krakenex python-kraken-sdk
CLIENT_STAMPS := $(CLIENTS:%=.venv-clients/%/.ready)
LOCK := .venv-lock
SOURCES := pyproject.toml

# Warnings of pip are about the machine's index settings far more often than about us: only its errors are shown.
# The locks are complete, so nothing is resolved; bytecode is compiled on first import, and only for what is imported.
INSTALL := install -qq --disable-pip-version-check --no-input --no-compile --no-deps

# $(call find,folder): the first Python 3.11+ there is (PYTHON=… decides), the environment if it is missing, and a pip
# for it. Filling an environment from outside spares copying a pip into it, a third of the time of a first `make run`.
define find
for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; else python=; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "holdfast needs Python 3.11 or newer: none found; name one with PYTHON=/path/to/python3" >&2; exit 1; \
fi; \
[ -x $(1)/bin/python ] || $$python -m venv --without-pip $(1) >&2 || exit 1; \
pip="$$python -m pip --python $(1)/bin/python"; \
if ! $$pip --version >/dev/null 2>&1; then \
	pip="$(1)/bin/python -m pip"; \
	$$pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip >/dev/null || { \
		echo "$$python brings no pip; on Debian and Ubuntu install python3-venv" >&2; exit 1; }; \
fi
endef

# $(call install,folder,lock files,more options): exactly what the locks name, hashes checked.
define install
$(call find,$(1)); $$pip $(INSTALL) --require-hashes $(2:%=-r requirements/%) $(3) >&2
endef

# $(call ourselves,folder): holdfast from this checkout, built by the locked hatchling, nothing fetched.
define ourselves
$(call find,$(1)); $$pip $(INSTALL) --no-build-isolation --no-index -e . >&2
endef

help:
	@echo "make run [ARGS=…]       a local Kraken, the real client, live balances (ARGS go to 'holdfast demo')"
	@echo "make test [ARGS=…]      the default tests (ARGS go to pytest)"
	@echo "make lint               ruff and strict mypy"
	@echo "make format             let ruff rewrite what it can"
	@echo "make docs               generate the reference and build the documentation strictly into site/"
	@echo "make docs-serve         the documentation on a local port, rebuilt as you write"
	@echo "make clients            other people's Kraken clients against the simulator"
	@echo "make scenarios SEEDS=N  N seeds of every scenario family on virtual time"
	@echo "make bench [ARGS=…]     the benchmarks, with floors and peers in the same run"
	@echo "make soak [ARGS=…]      the full figures; writes docs/evidence/"
	@echo "make lock [ARGS=…]      write requirements/ from pyproject.toml (ARGS=--upgrade for newer versions)"
	@echo "make clean              remove environments, caches and built files"

# Runtime parts only

$(RUN)/.ready: requirements/run.txt $(SOURCES)
	@echo "holdfast: setting up $(RUN) (runtime parts only, first time)" >&2
	@$(call install,$(RUN),run.txt)
	@$(call ourselves,$(RUN))
	@: > $@

run: $(RUN)/.ready
	@$(RUN)/bin/holdfast demo $(ARGS)

# Development

$(DEV)/.ready-test: requirements/test.txt $(SOURCES)
	@echo "holdfast: setting up $(DEV) (runtime parts and test tools)" >&2
	@$(call install,$(DEV),test.txt)
	@$(call ourselves,$(DEV))
	@: > $@

$(DEV)/.ready-lint: requirements/lint.txt $(DEV)/.ready-test
	@echo "holdfast: adding ruff and mypy to $(DEV)" >&2
	@$(call install,$(DEV),lint.txt)
	@: > $@

$(DEV)/.ready-docs: requirements/docs.txt $(DEV)/.ready-test
	@echo "holdfast: adding the documentation tools to $(DEV)" >&2
	@$(call install,$(DEV),docs.txt)
	@: > $@

$(DEV)/.ready-bench: requirements/bench.txt $(DEV)/.ready-test
	@echo "holdfast: adding the benchmark tools to $(DEV)" >&2
	@$(call install,$(DEV),bench.txt)
	@: > $@

test: $(DEV)/.ready-test
	@$(DEV)/bin/python -m pytest $(ARGS)

lint: $(DEV)/.ready-lint
	@echo "holdfast: ruff check" >&2
	@$(DEV)/bin/ruff check .
	@echo "holdfast: ruff format --check" >&2
	@$(DEV)/bin/ruff format --check .
	@echo "holdfast: mypy --strict" >&2
	@$(DEV)/bin/mypy
	@echo "holdfast: locks answer pyproject.toml" >&2
	@$(DEV)/bin/python -m tools.lock --check

format: $(DEV)/.ready-lint
	@$(DEV)/bin/ruff check --fix-only .
	@$(DEV)/bin/ruff format .

docs: $(DEV)/.ready-docs
	@echo "holdfast: generating the reference" >&2
	@$(DEV)/bin/python -m tools.generate_docs
	@echo "holdfast: building the documentation strictly" >&2
	@NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --strict --quiet
	@echo "holdfast: site/index.html" >&2

docs-serve: $(DEV)/.ready-docs
	@$(DEV)/bin/python -m tools.generate_docs
	@NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs serve

scenarios: $(DEV)/.ready-test
	@$(DEV)/bin/python -m tests.scenarios --seeds $(SEEDS) $(ARGS)

soak: $(DEV)/.ready-test $(CLIENT_STAMPS)
	@$(DEV)/bin/python -m tests.soak $(ARGS)

bench: $(DEV)/.ready-bench $(CLIENT_STAMPS)
	@$(DEV)/bin/python -m bench $(ARGS)

# Other people's clients, one environment each: their pins contradict each other's

.venv-clients/%/.ready: requirements/clients/%.txt requirements/clients/build.txt
	@echo "holdfast: setting up .venv-clients/$*" >&2
	@$(call install,.venv-clients/$*,clients/build.txt)
	@$(call install,.venv-clients/$*,clients/$*.txt,$(if $(filter krakenex,$*),--no-build-isolation))
	@: > $@

clients: $(DEV)/.ready-test $(CLIENT_STAMPS)
	@$(DEV)/bin/python -m pytest -m clients tests/clients $(ARGS)

# The project itself

$(LOCK)/.ready: requirements/lock.txt
	@echo "holdfast: setting up $(LOCK)" >&2
	@$(call install,$(LOCK),lock.txt)
	@: > $@

lock: $(LOCK)/.ready
	@$(LOCK)/bin/python -m tools.lock $(ARGS)

clean:
	@$(or $(PYTHON),python3) -B -m tools.clean
