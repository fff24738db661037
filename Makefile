# make demo   install, run the quickstart sweep on Ray, write its report
# make test   install with the development tools, lint, type-check, test
# Both do all their own set-up in .venv, and may be repeated.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "resablate needs Python 3.11 or newer; set PYTHON=/path/to/python3.11 (found: $$($(PYTHON) --version 2>&1))"; exit 2; }
	@echo "--- making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "--- installing resablate and what it stands on into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "--- installing resablate with its development tools into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@echo "--- running sweeps/quickstart.yaml: twelve small networks, trained and dissected"
	@$(BIN)/resablate sweep sweeps/quickstart.yaml
	@echo "--- writing the report"
	@$(BIN)/resablate report quickstart
	@echo
	@echo "The report:      reports/quickstart/index.html  (open it in a browser; index.md beside it)"
	@echo "The MLflow UI:   $(BIN)/resablate ui            (then open the address that it prints)"

lint: $(VENV)/.installed-dev
	@echo "--- ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "--- pyright"
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@echo "--- import-linter"
	@$(BIN)/lint-imports --no-cache --no-logo

test: lint
	@echo "--- pytest"
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadscope

clean:
	@echo "--- removing $(VENV) and caches; results (mlflow.db, mlartifacts, reports) stay"
	@rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
