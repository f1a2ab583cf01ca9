# Everything runs in .venv, which the targets create on a machine with only Python and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo fast test soak check docs bench

demo: .venv/installed
	$(BIN)/slic demo --out demo

fast: .venv/installed
	$(BIN)/pytest -m "not slow"

test: .venv/installed
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

soak: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group soak
	$(BIN)/pytest tests/faults --soak --timeout=14400
	$(BIN)/pytest -m soak --soak
	$(BIN)/python -m tests.faults.campaign

check: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/peers-installed
	$(BIN)/python benchmarks/everything.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[completion,export,milvus,ray,search,storage,studio,tensorboard,torchvision,transformers]' --group dev
	touch $@

.venv/docs-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group docs
	touch $@

.venv/peers-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group bench
	touch $@
