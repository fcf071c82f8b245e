# Everything sets itself up: a virtual environment in .venv, exact versions from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# Two workers of one thread each, which the runs that tests start inherit; a file's tests share what they prepared, and
# files are begun in the order of tests/conftest.py.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint test-slow test-gpu test-browser results docs bench clean clean-stages

demo: .venv/ready  ## train a model that cites on a generated world, and show its report (minutes on two cores)
	$(BIN)/python run.py experiment=demo

test: lint  ## lint, types and all quick tests
	$(PYTEST) -m "not slow and not gpu and not browser"

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-slow: .venv/ready  ## the tests that take minutes
	$(PYTEST) -m "slow and not gpu and not browser"

test-gpu: .venv/ready  ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

test-browser: .venv/ready  ## the report in headless Chromium (the command chromium), at the width of laptop and phone
	$(BIN)/python -m pytest -m browser

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

results: .venv/ready  ## put the tables of docs/results/*.json on README and the pages of docs/
	$(BIN)/python -m eval.tables

docs: .venv/ready  ## the documentation as a site, into build/docs; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: .venv/ready  ## speed beside what people use today, into runs/bench (about ten minutes)
	$(BIN)/python -m bench

clean:  ## remove the virtual environment and caches; runs and their stages stay
	rm -rf .venv .mypy_cache .ruff_cache *.egg-info build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-stages: .venv/ready  ## remove stages that no run uses (asks first), and empty directories of runs
	$(BIN)/python -m stages clean
