# Everything runs in an environment of its own (.venv), which the first target makes.
# Needed beforehand: Python 3.11 or newer and a package index. Nothing else.
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
WORKERS ?= auto

.PHONY: demo test check bench chaos docs migration lock clean

demo: .venv/core.stamp
	$(BIN)/perennial demo --once

test: .venv/dev.stamp
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

bench: .venv/bench.stamp
	$(BIN)/python -m bench $(ARGS)

# The long form of tests/chaos: ten seeds on both databases, one run after the other.
chaos: .venv/dev.stamp
	$(BIN)/python -m tests.chaos $(ARGS)

# The documents as a site, in var/site; a broken link is an error.
docs: .venv/dev.stamp
	$(BIN)/mkdocs build -q --strict -f docs/site/mkdocs.yml

# The next migration, drafted from the tables: make migration ARGS='"Say what changes"'
migration: .venv/dev.stamp
	$(BIN)/python -m tests.schema $(ARGS)

# Locks are requirement files with hashes, so that they name no index.
lock: $(UV)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --exclude-newer "4 days" pyproject.toml -o requirements.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --exclude-newer "4 days" -c requirements-dev.lock pyproject.toml --group bench -o requirements-bench.lock

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9

$(BIN)/python: $(UV)
	$(UV) venv -q --python $(PYTHON) --allow-existing .venv

.venv/core.stamp: requirements.lock pyproject.toml $(BIN)/python
	$(UV) pip install -q --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install -q --compile-bytecode --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/core.stamp
	$(UV) pip install -q --compile-bytecode --require-hashes -r requirements-dev.lock
	@touch $@

.venv/bench.stamp: requirements-bench.lock .venv/dev.stamp
	$(UV) pip install -q --compile-bytecode --require-hashes -r requirements-bench.lock
	@touch $@

clean:
	rm -rf .venv .uv .servers
