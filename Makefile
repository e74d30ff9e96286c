# Two commands on a machine with Python 3.11 or newer, pip and make: `make demo` and `make test`.
# Each makes its own environment in .venv; a stamp there says what is already installed.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PINS := pyproject.toml constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The first interpreter that answers and is new enough; `make PYTHON=...` overrides it.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)

.PHONY: help demo test test-all lint format benchmark \
	benchmark-localization benchmark-faults benchmark-matching benchmark-fetafix \
	benchmark-frameworks benchmark-formats benchmark-writeback clean

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/.demo  ## Train, convert, break, diff and repair a real model.
	$(BIN)/python cli.py demo

test: $(VENV)/.all lint  ## Lint, types, layers, and every test of the core and the frameworks.
	$(BIN)/python -m pytest

test-all: test  ## Everything `make test` runs, and every fault in every format, mended natively.
	PIVOTFIX_EVERY_CELL=1 $(BIN)/python -m pytest tests/rewriter/export

lint: $(VENV)/.all
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check . || { echo "Layout differs: run make format"; exit 1; }
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --verbose >$(VENV)/layers.txt || { cat $(VENV)/layers.txt; exit 1; }

format: $(VENV)/.all  ## Lay the code out as `make test` wants it.
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

benchmark: $(VENV)/.all $(VENV)/.polygraphy  ## Measure against peers; prints tables, writes JSON.
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/polygraphy_ratio.py

benchmark-localization: $(VENV)/.all  ## Measure how exactly faults are named, how silent healthy pairs are.
	$(BIN)/python benchmarks/localization.py --seeds 1000-1099

benchmark-faults: $(VENV)/.all  ## Measure how much of what is broken is mended, and that nothing is harmed.
	$(BIN)/python benchmarks/faults.py --seeds 1000-1099

benchmark-frameworks: $(VENV)/.all  ## Measure how truly each format of a model is read.
	$(BIN)/python benchmarks/frameworks.py

benchmark-formats: $(VENV)/.all  ## Compare one network with itself in any two formats.
	$(PIP) install --constraint constraints.txt --editable '.[jax]'
	$(BIN)/python benchmarks/format_pairs.py

benchmark-writeback: $(VENV)/.all  ## Measure what is mended in each format's own file.
	$(BIN)/python benchmarks/writeback.py
	$(BIN)/python benchmarks/writeback_tables.py

benchmark-matching: $(VENV)/.all  ## Measure how truly, how widely and how fast models are paired.
	$(BIN)/python benchmarks/matching.py --seeds 1000

benchmark-fetafix: $(VENV)/.all $(VENV)/.onnx2tf  ## Rebuild and mend FetaFix's fifteen conversions.
	$(BIN)/python benchmarks/fetafix.py --onnx2tf $(CURDIR)/benchmarks/.venv-onnx2tf/bin/onnx2tf

clean:  ## Remove the environments and everything that was built.
	rm -rf $(VENV) benchmarks/.venv-* benchmarks/.cache build *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian's python3 has no ensurepip unless python3-venv is installed: its own pip fills in.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "pivotfix needs Python 3.11 or newer, and none was found:" \
		"install it, or name it with make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) \
		&& $(PYTHON) -m venv --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(VENV)/.demo: $(PINS) | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.all: $(PINS) | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[all,test]'
	touch $@ $(VENV)/.demo

# Polygraphy is a peer, not a dependency: it lives in an environment of its own.
$(VENV)/.polygraphy: $(PINS) benchmarks/polygraphy-constraints.txt | $(BIN)/python
	$(PYTHON) -m venv benchmarks/.venv-polygraphy
	benchmarks/.venv-polygraphy/bin/python -m pip --disable-pip-version-check --quiet \
		install --requirement benchmarks/polygraphy-constraints.txt
	touch $@

# So does onnx2tf, a converter that pins frameworks of its own.
$(VENV)/.onnx2tf: $(PINS) benchmarks/onnx2tf-constraints.txt | $(BIN)/python
	$(PYTHON) -m venv benchmarks/.venv-onnx2tf
	benchmarks/.venv-onnx2tf/bin/python -m pip --disable-pip-version-check --quiet \
		install --requirement benchmarks/onnx2tf-constraints.txt
	touch $@
