# AI Chung: `make serve` and `make test` do all the set-up by themselves on a machine with Python 3.11 and make.
PYTHON ?= $(firstword $(shell command -v python3.11 python3))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

.PHONY: serve test check bench format clean

serve: $(VENV)/serve.stamp
	@exec $(BIN)/aichung serve

# A journey that fails is tried once more (and shown as `R`): real processes on a busy machine, started, starved, killed.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 -m "not journey" tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --reruns 1 -m journey tests/journeys

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 -m "not journey" tests

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" || { echo "Cần Python 3.11 | Python 3.11 is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The lock file fixes every version, so two installations of one commit are the same.
$(VENV)/serve.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --constraint requirements.lock --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/serve.stamp
	$(PIP) install --quiet --constraint requirements.lock --editable ".[dev,train]"
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
