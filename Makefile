# What one can do here. `make run` needs Python 3.11+ only; `make test` installs the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
APT := $(SUDO) apt-get install -y --no-install-recommends
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test style types unit e2e js docs bench bench-peers autobahn fuzz clean

# `make run PORT=9000` serves the pages there, and STOMP on any free port; `make run ARGS="--threads 2"` adds options.
run: $(VENV)/run.stamp  ## A gateway with its demo pages on http://127.0.0.1:8000
	$(BIN)/qmq serve --demo $(if $(PORT),--listen http://127.0.0.1:$(PORT) --listen stomp://127.0.0.1:0) $(ARGS)

test: style types unit  ## Everything: lint, types, layers, Python, JavaScript in a browser, end to end

style: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/test.stamp node_modules/.package-lock.json browser
	$(BIN)/pytest -n 2 --dist worksteal

e2e: $(VENV)/test.stamp browser
	$(BIN)/pytest e2e

js: node_modules/.package-lock.json  ## Compiles closure/ to js/dist
	npm run --silent build

docs: $(VENV)/test.stamp  ## Prints the tables in docs/ anew, from the code that they describe
	$(BIN)/python docs/tables.py

bench: $(VENV)/bench.stamp  ## QMQ beside the floor and its peers; about fourteen minutes
	$(BIN)/python -m bench

bench-peers:
	$(SUDO) apt-get update -q
	$(APT) nats-server rabbitmq-server

autobahn: $(VENV)/test.stamp  ## The Autobahn fuzzing client, in an environment of its own
	$(BIN)/python tests/conformance/autobahn.py

fuzz: $(VENV)/test.stamp  ## A million inputs for each decoder, and a hundred thousand that are guided by coverage; about an hour
	$(BIN)/python -m tests.fuzz
	$(BIN)/pip install -q atheris || true
	$(BIN)/python -m tests.fuzz --engine atheris --runs 100000

clean:
	rm -rf $(VENV) node_modules build bench/results

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "QMQ needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[test]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/bench.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[bench]'
	@touch $@

.PHONY: node browser
node:
	@command -v npm >/dev/null || { $(SUDO) apt-get update -q && $(APT) nodejs npm; }

browser:
	@command -v curl >/dev/null || { $(SUDO) apt-get update -q && $(APT) curl; }
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
		{ $(SUDO) apt-get update -q && $(APT) chromium chromium-driver; }
	@command -v firefox-esr >/dev/null || { $(SUDO) apt-get update -q && $(APT) firefox-esr; }
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || { $(SUDO) apt-get update -q && $(APT) nginx-light; }

node_modules/.package-lock.json: package-lock.json | node
	npm ci --silent --no-audit --no-fund
