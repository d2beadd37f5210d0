# What one can do here. `make run` needs Python 3.11+ only; `make test` installs the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
APT := $(SUDO) apt-get install -y --no-install-recommends
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test style types unit stalls e2e js docs bench bench-peers autobahn fuzz clean

# `make run PORT=9000` serves the pages there, and STOMP on any free port; `make run ARGS="--threads 2"` adds options.
run: $(VENV)/run.stamp  ## A gateway with its demo pages on http://127.0.0.1:8000
	$(BIN)/qmq serve --demo $(if $(PORT),--listen http://127.0.0.1:$(PORT) --listen stomp://127.0.0.1:0) $(ARGS)

test: told style types unit  ## Everything: lint, types, layers, Python, JavaScript in a browser, end to end

style: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/test.stamp node_modules/.package-lock.json browser
	$(BIN)/pytest -n 2 --dist worksteal

stalls: $(VENV)/test.stamp  ## What takes more than 20 ms of a loop, in the tests of the gateway; to be looked at by hand
	QMQ_SLOW_CALLBACKS=20 $(BIN)/pytest tests/gateway

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

# Its last part is pip: an environment without it was not finished, and is made again.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "QMQ needs Python 3.11 or newer")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "QMQ needs an environment of its own, and this Python" \
		"cannot make one. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "QMQ needs an environment of its own, and making one failed." \
		"On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }

$(VENV)/run.stamp: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e '.[test]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/bench.stamp: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e '.[bench]'
	@touch $@

# What tests need of the system: commands, and the packages that bring them.
NEEDED := npm:nodejs,npm curl:curl chromium:chromium chromedriver:chromium-driver firefox-esr:firefox-esr nginx:nginx-light
MISSING = $(shell PATH="$$PATH:/usr/sbin"; for each in $(NEEDED); do \
	command -v $${each%%:*} >/dev/null || echo $$each; done | cut -d: -f2 | tr , ' ')

.PHONY: told node browser
told:
	@test -z "$(MISSING)" || echo "This installs with apt-get, later on: $(MISSING)"

node browser: told
	@test -z "$(MISSING)" || { $(SUDO) apt-get update -q && $(APT) $(MISSING); }

node_modules/.package-lock.json: package-lock.json | node
	npm ci --silent --no-audit --no-fund
