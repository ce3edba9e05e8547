# The commands of this project. `make` lists them; the environment they need is made on first use.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime-is-installed
DEVELOPMENT := $(VENV)/.development-is-installed

WEB := services/api/web
PACKAGES := $(WEB)/node_modules/.packages-are-installed
DASHBOARD := $(WEB)/dist/index.html
CLIENT := $(WEB)/src/api/schema.ts
GENERATOR := tests/client/node_modules/.packages-are-installed
# With the machine's own Node.js, or the one in .venv where there is none that is new enough.
# Node.js trusts its own list of authorities; where a network has one of its own (a proxy that looks
# into TLS), the machine's list has it.
NODE := PATH="$(CURDIR)/$(VENV)/node/bin:$$PATH" \
	NODE_EXTRA_CA_CERTS="$${NODE_EXTRA_CA_CERTS:-$(wildcard /etc/ssl/certs/ca-certificates.crt)}"

CODE := $(wildcard dicom_router services infra tests benchmarks)

# Recipes `exec` what runs for long, so that a SIGTERM to make reaches it and nothing stands between.

.PHONY: help
help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*  ## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: run
run: $(RUNTIME) $(DASHBOARD)  ## the whole router in one process, on SQLite and the in-process bus
	@exec $(PYTHON) -m services

.PHONY: signin
signin: $(RUNTIME)  ## a fresh link that signs the administrator in, once
	@exec $(PYTHON) -m services.api.signin

.PHONY: support
support: $(RUNTIME)  ## one archive for whoever helps: checks, settings, versions, logs; no secret, no patient
	@exec $(PYTHON) -m services.api.support $(ARGS)

.PHONY: demo
demo: $(RUNTIME) $(DASHBOARD)  ## the router, a stand-in PACS and a real CT series through both (ARGS=--once to end then)
	@exec $(PYTHON) -m infra.demo $(ARGS)

# In several processes, because tests mostly wait for peers; each has its own servers.
EVERY_TEST := --numprocesses=4 --dist=loadgroup --durations=15

.PHONY: test
test: $(DEVELOPMENT) $(DASHBOARD) $(GENERATOR)  ## every test, with real RabbitMQ, PostgreSQL, DCMTK and Chromium (ARGS=... for pytest)
	@$(PYTHON) -m infra.debian_packages
	@$(if $(ARGS),,$(NODE) npm --prefix $(WEB) run --silent test)
	@exec $(PYTHON) -m pytest $(or $(ARGS),$(EVERY_TEST))

.PHONY: chaos
chaos: $(DEVELOPMENT)  ## the proof that nothing is lost: random faults from seeds (ARGS="--seeds 200", --self-check)
	@$(PYTHON) -m infra.debian_packages rabbitmq-server postgresql
	@exec $(PYTHON) -m tests.chaos $(ARGS)

.PHONY: fuzz
fuzz: $(DEVELOPMENT)  ## 100,000 mutated PDUs and 10,000 data sets at a router (ARGS=--seed=... to repeat)
	@exec $(PYTHON) -m tests.fuzz $(ARGS)

.PHONY: contract
contract: $(DEVELOPMENT)  ## schemathesis: the API against its document, in every role (ARGS="--examples 200")
	@exec $(PYTHON) -m tests.contract $(ARGS)

.PHONY: endurance
endurance: $(DEVELOPMENT)  ## an object of 1 GiB through the whole router, with the memory it takes
	@$(PYTHON) -m infra.debian_packages rabbitmq-server postgresql
	@LARGE_OBJECT_MIB=1024 exec $(PYTHON) -m pytest tests/acceptance/test_large_object.py $(ARGS)

.PHONY: bench
bench: $(DEVELOPMENT)  ## the benchmarks; benchmarks/README.md says how to read them (ARGS="receive --help")
	@$(PYTHON) -m infra.debian_packages rabbitmq-server postgresql dcmtk orthanc
	@exec $(PYTHON) -m benchmarks $(ARGS)

.PHONY: lint
lint: $(DEVELOPMENT) $(CLIENT)  ## format check, lint, strict types, import contracts
	@$(PYTHON) -m ruff format --check --quiet $(CODE)
	@$(PYTHON) -m ruff check --quiet $(CODE)
	@$(PYTHON) -m mypy $(CODE)
	@$(VENV)/bin/lint-imports
	@$(NODE) npm --prefix $(WEB) run --silent lint

.PHONY: format
format: $(DEVELOPMENT) $(PACKAGES)  ## put the code into shape and repair what the linter can
	@$(PYTHON) -m ruff format --quiet $(CODE)
	@$(PYTHON) -m ruff check --quiet --fix $(CODE)
	@$(NODE) npm --prefix $(WEB) run --silent format

.PHONY: cluster
cluster: $(RUNTIME) $(DASHBOARD)  ## the production shape without containers: RabbitMQ, PostgreSQL, seven processes
	@$(PYTHON) -m infra.debian_packages rabbitmq-server postgresql
	@exec $(PYTHON) -m infra.cluster

# Only the public index is asked: hashes of a mirror's own builds are of no use elsewhere.
COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(PYTHON) -m piptools compile --quiet --generate-hashes \
	--allow-unsafe --no-emit-find-links --no-emit-index-url --no-emit-trusted-host --strip-extras

.PHONY: lock
lock: $(DEVELOPMENT)  ## lock requirements*.in anew, with hashes (ARGS=--upgrade for newer releases)
	@$(COMPILE) $(ARGS) --output-file=requirements.txt requirements.in
	@$(COMPILE) $(ARGS) --output-file=requirements-dev.txt requirements-dev.in
	@$(COMPILE) $(ARGS) --output-file=requirements-node.txt requirements-node.in

.PHONY: web
web: $(DASHBOARD)  ## build the dashboard (by itself for run, demo, test and cluster)

.PHONY: schemas
schemas: $(RUNTIME)  ## write docs/schemas anew from the types of the events, and openapi.json
	@$(PYTHON) -m infra.schemas

.PHONY: clean
clean:  ## remove what make has made (never the data folder)
	@rm -rf $(VENV) $(WEB)/node_modules $(WEB)/dist tests/client/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.txt infra/make_venv
	@infra/make_venv $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.txt
	@echo "Installing the development tools." >&2
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(PACKAGES): $(WEB)/package-lock.json infra/find_node | $(RUNTIME)
	@infra/find_node $(VENV)
	@$(NODE) npm --prefix $(WEB) ci --silent
	@touch $@

$(GENERATOR): tests/client/package-lock.json | $(PACKAGES)
	@$(NODE) npm --prefix tests/client ci --silent
	@touch $@

$(CLIENT): $(WEB)/openapi.json $(PACKAGES)
	@$(NODE) npm --prefix $(WEB) run --silent types
	@touch $@

$(DASHBOARD): $(PACKAGES) $(filter-out $(CLIENT),$(shell find $(WEB)/src -type f)) $(wildcard $(WEB)/*.html $(WEB)/*.ts)
	@$(NODE) npm --prefix $(WEB) run --silent build
