# Everything runs in its own environment, .venv, made on first use. A demo takes a part of it.
PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13 3.14
BIN := .venv/bin
# Without bytecode for all that is installed: what is imported gets its own, sooner.
PIP := $(BIN)/python -m pip install --no-compile --constraint constraints.txt
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test soak lint versions bench docs clean

demo: .venv/demo
	$(BIN)/mteb-hybrid demo

test: .venv/ready lint
	$(BIN)/python -m pytest -n auto

# What takes long and finds little: more kills, more pairs, more real data.
soak: .venv/ready
	$(BIN)/python -m pytest -n auto -m soak

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The lowest versions that pyproject.toml allows and the newest, on every Python: resolved,
# installed from wheels alone, and tried on the demo. Fetches tens of gigabytes where PyTorch's
# builds without CUDA cannot be reached.
versions: .venv/demo
	$(BIN)/uv build --quiet --wheel --out-dir build/versions
	set -e; for python in $(PYTHONS); do for versions in lowest-direct highest; do \
	    echo "== Python $$python, $$versions"; folder=build/versions/$$python-$$versions; \
	    $(BIN)/uv venv --quiet --clear --python $$python $$folder; \
	    $(BIN)/uv pip install --quiet --python $$folder --no-build --resolution $$versions \
	        "$$(ls build/versions/*.whl)[offline,train,bm25,report,translate]"; \
	    $$folder/bin/mteb-hybrid demo --output-folder $$folder/results; \
	done; done

bench: .venv/ready
	$(BIN)/python benchmarks/xquadr_grid.py
	$(BIN)/python benchmarks/bias_measures.py

docs: .venv/ready
	$(BIN)/python -m mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml

.venv/ready: .venv/demo
	$(PIP) --editable ".[dev]"
	touch $@

.venv/demo: .venv/torch pyproject.toml src/mteb_hybrid.pth src/mteb_hybrid.start
	$(PIP) --editable ".[offline,report]"
	touch $@

# uv knows where the builds of PyTorch are that fit this machine, with a GPU or without. Where they
# cannot be reached, which a dry run finds out without a word, pip takes the package index's.
TORCH := UV_HTTP_RETRIES=0 $(BIN)/uv pip install --python $(BIN)/python \
    --constraint constraints.txt --torch-backend auto torch
.venv/torch: constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
	    'Python 3.11 or newer is needed, as in: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(PIP) uv
	@{ $(TORCH) --dry-run >/dev/null 2>&1 && $(TORCH); } || { \
	    echo "PyTorch's own builds cannot be reached from here: installing the package index's."; \
	    $(PIP) torch; }
	touch $@

clean:
	rm -rf .venv build dist demo-results
