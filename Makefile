# Everything runs in .venv, which the first two targets make on a machine that has only Python and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench

demo: .venv/installed
	$(BIN)/slic demo --out demo

test: .venv/installed
	$(BIN)/pytest

check: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/peers-installed
	$(BIN)/python benchmarks/everything.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[milvus,search,studio,tensorboard]' --group dev
	touch $@

.venv/peers-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group bench
	touch $@
