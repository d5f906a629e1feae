# Every target does the set-up that it needs. A newcomer needs python3 >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
# Stamps: a repeated set-up costs nothing, and a changed lock file is installed again.
PYTHON_STAMP := $(VENV)/.python-installed
NODE_STAMP := node_modules/.installed
FOCUS_STAMP := $(VENV)/focus/.installed
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links
# Each module's tests stay on one worker, and what takes longest begins first (tests/conftest.py, decision 0110).
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
# A variable of the caller's own project must not leak into ours. Without bytecode each of the tests' workers compiles
# every module again, at every run.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test thorough faults focus check format synth snapshots review gate-simulation bench prices-diff drift lock clean-local

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(PYTHON_STAMP) $(NODE_STAMP) ## install everything into .venv and node_modules (PYTHON=python3.12 chooses the interpreter)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not. Say which one to take: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(PYTHON_STAMP): requirements-dev.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@touch $@

$(NODE_STAMP): package-lock.json $(PYTHON_STAMP)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The validator needs another numpy than the embedded AWS, so it has an environment of its own.
$(FOCUS_STAMP): requirements-focus.lock | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/focus
	$(VENV)/focus/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-focus.lock
	@touch $@

demo: setup ## the whole pipeline on this machine, from an upload to PROMOTED <endpoint arn> (TASK=examples/ticket-triage, ACCOUNT=smallest)
	$(BIN)/python -m local.demo $(if $(TASK),--task $(TASK)) $(if $(ACCOUNT),--account $(ACCOUNT))

test: setup ## every test, the end-to-end run on the embedded AWS included
	$(PYTEST) -m "not thorough" $(TESTS)

thorough: setup $(FOCUS_STAMP) ## what takes longer than make test may: every fault, every stop, and whether seeded defects are caught
	$(PYTEST) -m thorough
	$(BIN)/python -m tests.faults --all
	$(BIN)/python -m tests.mutants

faults: setup ## what can go wrong in every state: <n> races: <n> wrong; <n> faults: <n> terminal, <n> leaked, <n> paid twice (ARGS=--races: the races alone; ARGS=--all: each error of each class)
	$(BIN)/python -m tests.faults $(ARGS)

focus: setup $(FOCUS_STAMP) ## the official rules of FOCUS on the export of a simulated month (their own environment: Python 3.11 or 3.12)
	$(BIN)/python -m pytest tests/focus

check: setup ## format, lint, types, import contracts, secrets, licences, links, schemas, workflow, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m checks

format: setup ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

synth: setup ## the CloudFormation templates, in cdk.out: no credentials, no AWS
	PATH="$(abspath $(BIN)):$$PATH" AWS_EC2_METADATA_DISABLED=true CDK_DISABLE_CLI_TELEMETRY=true \
	  node_modules/.bin/cdk synth --quiet --no-notices

snapshots: setup ## write docs/templates, docs/nist-800-53.md and docs/diagrams.md anew from the templates
	$(BIN)/python -m review

review: setup ## one page for the reviewer: resources, roles and why, what is retained, public, billed at rest
	$(BIN)/python -m review page

gate-simulation: setup ## how often the gate promotes a student at the margin: every population, size, cluster and evidence (ARGS="--trials 300")
	$(BIN)/python -m tests.gate_simulation $(ARGS)

bench: setup ## one line a figure: bench/<name> <value> <unit> (ARGS=synthesis: that alone; ARGS=-h lists them)
	$(BIN)/python -m tests.benchmarks $(ARGS)

drift: setup ## what the newest botocore says otherwise of the requests that the code builds: a report, never a failure
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --upgrade --target .local/drift botocore
	$(BIN)/python -m tests.references.drift .local/drift

prices-diff: setup ## hold the price book against LiteLLM's public table (fetched from PyPI, not installed)
	mkdir -p .local/litellm
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest .local/litellm litellm
	$(BIN)/python -m checks prices

lock: setup ## write the lock files anew from the requirements files
	$(COMPILE) requirements-dev.txt --output-file requirements-dev.lock
	$(COMPILE) requirements.txt --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) lambdas/requirements.txt --constraint requirements-dev.lock --output-file lambdas/requirements.lock
	$(COMPILE) requirements-focus.txt --output-file requirements-focus.lock

clean-local: ## remove what local runs leave behind: cdk.out and the embedded AWS's working folder
	rm -rf cdk.out .local
