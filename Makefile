# make demo   install, run the quickstart sweep on Ray, write its report
# make test   install with the development tools, lint, type-check, test
# make test-processors   the numerical tests again, as processors with fewer instructions compute
# make bench  measure speed on this machine against the baselines of reports/benchmarks/cpu.md, and write that page
# make docs   the API reference, into docs/
# make soak   ten minutes of tiny sweeps with a fault every 20 s; nothing may be lost, done twice, wrong, left over or grow
# make cluster, make cluster-down   start and stop PostgreSQL, an MLflow server and a Ray of three nodes on this machine
# All do their own set-up in .venv, and may be repeated.

PYTHON ?= python3
VENV ?= .venv
# Where make cluster keeps everything.
CLUSTER ?= .cluster
BIN := $(VENV)/bin

.PHONY: demo test test-processors bench soak docs lint clean cluster cluster-down cluster-clean test-cluster
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "resablate needs Python 3.11 or newer; set PYTHON=/path/to/python3.11 (found: $$($(PYTHON) --version 2>&1))"; exit 2; }
	@echo "--- making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "--- installing resablate and what it stands on into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[sweep]"
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "--- installing resablate with its development tools into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-cluster

$(VENV)/.installed-cluster: $(BIN)/python pyproject.toml constraints.txt
	@echo "--- installing resablate with what its servers need into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cluster]"
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@echo "--- running sweeps/quickstart.yaml: twelve small networks, trained and dissected"
	@$(BIN)/resablate sweep sweeps/quickstart.yaml
	@echo "--- writing the report"
	@$(BIN)/resablate report quickstart
	@echo
	@echo "The report:      reports/quickstart/index.html  (open it in a browser; index.md beside it)"
	@echo "The MLflow UI:   $(BIN)/resablate ui            (then open the address that it prints)"

cluster: $(VENV)/.installed-cluster
	@$(BIN)/python -m resablate.local_cluster up --folder $(CLUSTER)

cluster-down: $(VENV)/.installed-cluster
	@$(BIN)/python -m resablate.local_cluster down --folder $(CLUSTER)

# Database, artifacts and passwords too.
cluster-clean: $(VENV)/.installed-cluster
	@$(BIN)/python -m resablate.local_cluster clean --folder $(CLUSTER)

lint: $(VENV)/.installed-dev
	@echo "--- ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "--- pyright"
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@echo "--- import-linter"
	@$(BIN)/lint-imports --no-cache --no-logo

# One more than there are cores, and four at most: many tests wait for servers and clusters that they start.
WORKERS = $(shell $(BIN)/python -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')

test: lint
	@echo "--- pytest"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

# Torch and oneDNN choose their kernels by the processor's instructions; these are what a laptop and an old server have.
# What takes long and does not depend on them is left out: compiled code, which is made for the processor that it runs
# on, the schedules of the sweeps, and counts of parameters and of memory.
PROCESSORS := avx2:AVX2 default:SSE41
NUMERICAL := tests/analyses tests/spectral tests/regularizers tests/model tests/training
ELSEWHERE := compile or test_recipes or test_resnet1001 or sizes_are_the_published or too_large_to_decompose

test-processors: $(VENV)/.installed-dev
	@for processor in $(PROCESSORS); do \
		echo "--- pytest with ATEN_CPU_CAPABILITY=$${processor%:*} ONEDNN_MAX_CPU_ISA=$${processor#*:}"; \
		ATEN_CPU_CAPABILITY=$${processor%:*} ONEDNN_MAX_CPU_ISA=$${processor#*:} $(BIN)/python -m pytest -q \
			-n auto --maxprocesses 4 --dist loadscope -m "not slow and not gpu" -k "not ($(ELSEWHERE))" $(NUMERICAL) \
			|| exit 1; \
	done

bench: $(VENV)/.installed-dev
	@echo "--- speed, row by row; a run that is cut off goes on where it was"
	@$(BIN)/python -m tests.benchmarks.cpu

docs: $(VENV)/.installed-dev
	@echo "--- the API reference, into docs/"
	@$(BIN)/python -m tests.api_reference docs
	@echo "docs/index.html"

# Beside that of the hour, which is kept; git ignores this one.
SOAK_PAGE := soak_ten_minutes.md

soak: $(VENV)/.installed-dev
	@echo "--- tiny sweeps through faults, for ten minutes"
	@$(BIN)/python -m tests.benchmarks.soak --page $(SOAK_PAGE)

test-cluster: $(VENV)/.installed-dev
	@echo "--- a sweep on a cluster of this machine that loses a node"
	@RESABLATE_SLOW=1 $(BIN)/python -m pytest tests/e2e/test_cluster.py

clean:
	@echo "--- removing $(VENV) and caches; results (mlflow.db, mlartifacts, reports) stay"
	@rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
