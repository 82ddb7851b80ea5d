# ringlog. `make` shows what there is.
PYTHON ?= python3
# Tests of modules, models and the tree, and one real client of each Python library: needs only Python.
QUICK := tests/unit tests/simulation tests/structure tests/deploy tests/clients/test_produce_and_consume.py
TESTS ?= $(QUICK)
WORKERS ?= auto
# Real clients, and services that are killed: CLIENT_WORKERS=0 takes them one after the other.
CLIENT_WORKERS ?= $(WORKERS)
CLIENTS := tests/clients tests/crash tests/hostile tests/moves
# What takes the whole machine for itself, and so comes last: many clients of many languages with ideas
# of their own about time, Apache Kafka beside ringlog, and a cluster in containers.
ALONE := tests/interop tests/differential tests/cluster
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := common gateway_svc metadata_svc partition_svc ringlog
TYPED := $(PACKAGES) $(wildcard benchmarks)
PROTOS := $(wildcard protos/*/v*/*.proto)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Clients of their time, for the old protocol versions. They share the name of the current
# kafka-python, so each lives in a folder of its own and tests run it in a process of its own.
LEGACY := $(VENV)/legacy-clients
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
# Of `make soak`.
COUNT ?= 10000
SEED ?= 1
GATEWAYS := gateway-0 gateway-1

.DEFAULT_GOAL := help
.PHONY: help venv dev run up down test test-all soak check lint types layers check-protos format protos readme bench constraints clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.ready ## Virtual environment with ringlog in it

run: venv ## Start the standalone broker on localhost:9092, data under ./data
	@exec $(BIN)/ringlog standalone --listen localhost:9092 --data-dir ./data

up: ## Start a cluster in containers, on localhost:9092 and localhost:9093
	$(COMPOSE) up --build --detach
	@for gateway in $(GATEWAYS); do \
	  for try in $$(seq 60); do \
	    $(COMPOSE) exec -T $$gateway ringlog health localhost:9192 && continue 2; sleep 1; \
	  done; exit 1; \
	done

down: ## Stop it; its data stays (docker volume ls)
	$(COMPOSE) --profile grow down

test: dev ## The tests that need only Python, in minutes (TESTS=tests/unit for some, WORKERS=0 in one process)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

test-all: dev ## All tests: also clients of other languages, killed processes, Apache Kafka, a cluster in containers
	@status=0; \
	  $(BIN)/python -m pytest --numprocesses $(WORKERS) tests $(addprefix --ignore ,$(CLIENTS) $(ALONE)) || status=1; \
	  $(BIN)/python -m tests.support.flaky_runs --numprocesses $(CLIENT_WORKERS) $(CLIENTS) \
	    $(foreach folder,$(ALONE),-- --numprocesses 0 $(folder)) || status=1; \
	  exit $$status

soak: dev ## Crash the store of a partition service 10,000 times, in half an hour (COUNT=500, SEED=2)
	COUNT=$(COUNT) SEED=$(SEED) $(BIN)/python -m pytest --numprocesses 0 tests/crash/journal/test_random_crashes.py

check: lint types layers check-protos ## Everything that needs no running

lint: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: dev
	$(BIN)/mypy $(TYPED)

layers: dev
	$(BIN)/lint-imports

check-protos: dev ## The checked-in stubs are what the protos generate
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && \
	  $(BIN)/python -m grpc_tools.protoc -I . --python_out="$$out" --pyi_out="$$out" \
	    --grpc_python_out="$$out" $(PROTOS) && \
	  for stub in $$(cd "$$out" && find protos -name '*_pb2*'); do \
	    diff -u "$$stub" "$$out/$$stub" || { echo "run: make protos" >&2; exit 1; }; done

format: dev ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: dev ## Generate the stubs beside the protos
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

readme: venv ## Write the generated tables in README.md and docs/
	$(BIN)/python -m ringlog.doc_tables

bench: dev ## Benchmarks; prints a table (BENCH=--write-docs keeps it, BENCH=--kafka adds Apache Kafka)
	$(BIN)/python -m benchmarks $(BENCH)

constraints: dev ## Pin what is installed now
	@{ grep '^#' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > $(VENV)/pins
	@mv $(VENV)/pins constraints.txt

clean: ## Remove the virtual environment and caches; data stays
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

dev: $(VENV)/.ready-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ringlog needs Python 3.11 or newer; name one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }

# Stamps are touched last: an install that was cut short is done again.
$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	PIP_CONSTRAINT=constraints.txt $(PIP_INSTALL) --editable '.[dev]'
	$(PIP_INSTALL) --no-deps --upgrade --target $(LEGACY)/kafka-python-2.0 kafka-python==2.0.6
	$(PIP_INSTALL) --no-deps --upgrade --target $(LEGACY)/kafka-python-1.4 kafka-python==1.4.7 six==1.17.0
	@# Its own copy of six is too old for Python 3.12.
	cp $(LEGACY)/kafka-python-1.4/six.py $(LEGACY)/kafka-python-1.4/kafka/vendor/six.py
	@touch $@
