# One command each. `make demo` and `make test` do all the set-up they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Where this is set, as in many containers, each of thousands of processes compiles all modules.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo azurite test fuzz check format lint types imports bench wheelhouse offline clean

help: ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than Python 3.11; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing mlarchive and what its tests need into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@touch $@

demo: $(READY) ## Mirror one real MLflow server into another, step by step
	@$(BIN)/python examples/demo.py

AZURITE := tests/support/azureml/azurite
AZURITE_READY := $(AZURITE)/node_modules/.package-lock.json

azurite: $(AZURITE_READY) ## Install the blob server that tests of Azure ML talk to

$(AZURITE_READY): $(AZURITE)/package-lock.json
	@npm ci --prefix $(AZURITE) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test: $(READY) $(if $(shell command -v npm),azurite) ## Run all tests
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

SECONDS := 600

fuzz: $(READY) ## Fuzz the reader of packages for ten minutes (make fuzz SECONDS=60)
	$(BIN)/python -m tests.fuzz.reader --seconds $(SECONDS)

check: format-check lint types imports ## Formatting, linting, types, import contracts

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --select I .

.PHONY: format-check
format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY) ## Lint
	$(BIN)/ruff check .

types: $(READY) ## Check types (strict, code and tests)
	$(BIN)/mypy

imports: $(READY) ## Check that arrows point one way
	$(BIN)/lint-imports

EXTRAS :=

wheelhouse: $(READY) ## Build one archive that installs mlarchive without a network (EXTRAS=mlflow,daemon)
	@$(BIN)/python wheelhouse/build.py --extras '$(EXTRAS)'

offline: ## Carry that and a model into a network namespace without a network; it predicts there
	@rm -rf dist
	@$(MAKE) --no-print-directory wheelhouse EXTRAS=
	@$(BIN)/python -m tests.e2e.offline dist/mlarchive-*-offline-*.tar

bench: $(READY) ## Measure against tar|zstd, zip, borg and zipnn (BENCH='--only bf16 --mib 256')
	@$(BIN)/python -m bench $(BENCH)

clean: ## Remove what was built or made by the demo
	rm -rf $(VENV) demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
