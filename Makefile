# Needs only make and Python 3.11 or 3.12; everything else goes into .venv.

PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		>/dev/null 2>&1; then echo $$python; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Else every process that is started compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait for servers and browsers about half of their time.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) * 2 )))

.PHONY: help demo test check proof bench screenshots clean

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Run the console with a sample workload that really fails
	@exec $(BIN)/redrive demo

test: check ## Run the checks, then every test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: $(STAMP) ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

proof: $(STAMP) ## Kill everything at every step and count, in ten minutes (or SEEDS=1000)
	$(BIN)/python -m proof $(if $(SEEDS),--seeds $(SEEDS),--minutes 9)

bench: $(STAMP) ## Measure everything that docs/benchmarks.md tells, at moderate sizes
	$(BIN)/python -m benchmarks

screenshots: $(STAMP) ## Take the README's pictures of the console again, from the demo
	$(BIN)/python -m tests.browser.take_images

clean: ## Remove the virtual environment, caches and the demo's data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache \
		build dist redrive-data/demo
	find src tests benchmarks proof -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo "Python 3.11 or 3.12 with venv is needed; name one: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,postgres,dev]'
	@touch $@
