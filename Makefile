# Every target sets up what it needs by itself, in .venv. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
STAMP := $(VENV)/.ready

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip "setuptools>=77" wheel "Cython>=3.3,<3.4"
	KV_BUILD=none $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --config-settings editable_mode=compat -e '.[dev]'
	touch $@

build: $(STAMP)  ## compile what changed (KV_BUILD=release|debug|asan|coverage)
	$(BIN)/python setup.py --quiet build_ext --inplace
	$(BIN)/python -m compileall -q kv  # a start would else compile, each time where bytecode may not be written

serve: build  ## run the server (ARGS='--port 6380 ...')
	$(BIN)/kv-server $(ARGS)

test: build  ## every test (ARGS='-k name')
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(STAMP)  ## ruff, mypy, cython-lint
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint kv  # it runs pycodestyle by its name

clean:  ## remove everything that was built
	rm -rf build $(VENV) *.egg-info
	find kv -name '*.so' -delete

.PHONY: help build serve test lint clean
