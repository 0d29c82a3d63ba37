# Everything runs in its own environment, .venv, made on first use.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test lint bench docs clean

demo: .venv/ready
	$(BIN)/mteb-hybrid demo

test: .venv/ready lint
	$(BIN)/python -m pytest -n auto

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/ready
	$(BIN)/python benchmarks/xquadr_grid.py
	$(BIN)/python benchmarks/bias_measures.py

docs: .venv/ready
	$(BIN)/python -m mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml

.venv/ready: pyproject.toml constraints.txt src/mteb_hybrid.pth src/mteb_hybrid.start
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
	    'Python 3.11 or newer is needed, as in: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist demo-results
