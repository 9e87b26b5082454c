# Everything here needs Python 3.11 or newer and make, nothing else: environments are built from the hash-locked
# requirements/, with whatever package index this machine's pip is configured for. Steps report on stderr, so that
# `make run ARGS="… --output json"` leaves only JSON on stdout.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test lint format bench docs docs-serve page page-check browser clients scenarios soak lock clean

# Environments are installed without bytecode, to be quick; the first import writes it, or every start would compile.
unexport PYTHONDONTWRITEBYTECODE

ARGS ?=
SEEDS ?= 50

# Each environment is one folder; a stamp in it says which lock it answers.
RUN := .venv-run
DEV := .venv
CLIENTS := ccxt coinbase-advanced-py krakenex python-kraken-sdk python-okx
CLIENT_STAMPS := $(CLIENTS:%=.venv-clients/%/.ready)
# Its wheels ask for Python 3.12 or newer: where there is none, its tests say so and are skipped.
NAUTILUS := .venv-clients/nautilus-trader/.ready
LOCK := .venv-lock
SOURCES := pyproject.toml

# Whole files to one worker more than there are processors, as many tests wait for processes of their own: a file's tests
# may share a simulator. ARGS="-n 0 …" runs them here, for a debugger.
PARALLEL = --numprocesses $(shell $(DEV)/bin/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))') --dist loadfile

# $(call environment,folder,lock files,more options): made or updated by the first Python 3.11+ there is; PYTHON=… decides.
define environment
for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; else python=; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "holdfast needs Python 3.11 or newer: none found; name one with PYTHON=/path/to/python3" >&2; exit 1; \
fi; \
$$python -m tools.environment $(1) $(2) $(3)
endef

help:
	@echo "make run [ARGS=…]       three local venues, the real client, live trading, a dashboard (ARGS go to 'holdfast demo')"
	@echo "make test [ARGS=…]      the default tests (ARGS go to pytest)"
	@echo "make lint               ruff and strict mypy"
	@echo "make format             let ruff rewrite what it can"
	@echo "make docs               generate the reference and build the documentation strictly into site/"
	@echo "make docs-serve         the documentation on a local port, rebuilt as you write"
	@echo "make page               build the dashboard into the package (node 20.19 or newer)"
	@echo "make page-check         prove that the built dashboard is what its source builds"
	@echo "make browser [ARGS=…]   the dashboard in a real Chromium; says 'not run' where there is none"
	@echo "make clients            other people's clients against the simulators"
	@echo "make scenarios SEEDS=N  N seeds of every scenario family on virtual time"
	@echo "make bench [ARGS=…]     the benchmarks, with floors and peers in the same run"
	@echo "make soak [ARGS=…]      the full figures; writes docs/evidence/"
	@echo "make lock [ARGS=…]      write requirements/ from pyproject.toml (ARGS=--upgrade for newer versions)"
	@echo "make clean              remove environments, caches and built files"

# Runtime parts only

$(RUN)/.ready: requirements/run.txt $(SOURCES)
	@echo "holdfast: setting up $(RUN) (runtime parts only, first time)" >&2
	@$(call environment,$(RUN),run.txt,--ourselves)
	@: > $@

run: $(RUN)/.ready
	@$(RUN)/bin/holdfast demo $(ARGS)

# Development

$(DEV)/.ready-test: requirements/test.txt $(SOURCES)
	@echo "holdfast: setting up $(DEV) (runtime parts and test tools)" >&2
	@$(call environment,$(DEV),test.txt,--ourselves)
	@: > $@

$(DEV)/.ready-lint: requirements/lint.txt $(DEV)/.ready-test
	@echo "holdfast: adding ruff and mypy to $(DEV)" >&2
	@$(call environment,$(DEV),lint.txt)
	@: > $@

$(DEV)/.ready-docs: requirements/docs.txt $(DEV)/.ready-test
	@echo "holdfast: adding the documentation tools to $(DEV)" >&2
	@$(call environment,$(DEV),docs.txt)
	@: > $@

$(DEV)/.ready-bench: requirements/bench.txt $(DEV)/.ready-test
	@echo "holdfast: adding the benchmark tools to $(DEV)" >&2
	@$(call environment,$(DEV),bench.txt)
	@: > $@

test: $(DEV)/.ready-test
	@$(DEV)/bin/python -m pytest $(PARALLEL) $(ARGS)

page:
	@python3 -m tools.page --strict

page-check:
	@python3 -m tools.page --check

# Playwright is no part of the locked environment: whoever tests the page brings it and a Chromium along
# (pip install playwright; HOLDFAST_CHROMIUM=/path/to/chromium). axe-core is fetched through npm where there is one.
browser: $(DEV)/.ready-test
	@test -f dashboard/node_modules/axe-core/axe.min.js || ! command -v npm >/dev/null || \
		(cd dashboard && npm install --no-save --no-audit --no-fund --ignore-scripts axe-core@4.14.1 >/dev/null) || true
	@$(DEV)/bin/python -m pytest -m browser -n 0 -rs tests/browser $(ARGS)

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
	@$(call environment,.venv-clients/$*,clients/build.txt clients/$*.txt,$(if $(filter krakenex,$*),--no-build-isolation))
	@: > $@

$(NAUTILUS): requirements/clients/nautilus-trader.txt requirements/clients/build.txt
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python; do \
		if $$python -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' 2>/dev/null; then break; else python=; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "holdfast: nautilus-trader needs Python 3.12: none found, its tests will be skipped" >&2; \
	else \
		echo "holdfast: setting up .venv-clients/nautilus-trader" >&2; \
		$$python -m tools.environment .venv-clients/nautilus-trader clients/build.txt clients/nautilus-trader.txt && : > $@; \
	fi

clients: $(DEV)/.ready-test $(CLIENT_STAMPS) $(NAUTILUS)
	@$(DEV)/bin/python -m pytest -m clients tests/clients $(ARGS)

# The project itself

$(LOCK)/.ready: requirements/lock.txt
	@echo "holdfast: setting up $(LOCK)" >&2
	@$(call environment,$(LOCK),lock.txt)
	@: > $@

lock: $(LOCK)/.ready
	@$(LOCK)/bin/python -m tools.lock $(ARGS)

clean:
	@$(or $(PYTHON),python3) -B -m tools.clean
