# `make help` lists what there is. Each target does all the set-up it needs.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
ISLP := ISLP==0.6.0
# The newest interpreter the pins support; PYTHON=… chooses another.
PYTHON ?= $(shell for v in 3.12 3.13 3.11; do for p in python$$v "$$(pyenv prefix $$v 2>/dev/null)/bin/python"; do \
	$$p -c '' >/dev/null 2>&1 && { command -v $$p; exit; }; done; done; command -v python3)

export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

.PHONY: help new run test unit up down status serve replay env check reference docs sbom lock bench soak production faults secrets heavy clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# The option and its value, if someone has given the variable on the command line of make.
given = $(if $(filter command,$(firstword $(origin $(1)))),$(2) "$$$(1)")
run: $(VENV)/.run ## the whole loop on real data, ending with a table; PIPELINE=… (FROM=… TO=…) for one of yours
	@$(BIN)/python -m embedded run $(call given,PIPELINE) $(call given,FROM,--from) $(call given,TO,--to)

up: $(VENV)/.run ## start Airflow and MLflow and print their addresses and the login
	@$(BIN)/python -m embedded up

down: $(VENV)/.run ## stop what `make up` started
	@$(BIN)/python -m embedded down

status: $(VENV)/.run ## which processes of the stack run, and where
	@$(BIN)/python -m embedded status

env: $(VENV)/.run ## print the stack's environment for the shell: eval "$$(make -s env)"
	@$(BIN)/python -m embedded env

production: $(VENV)/.dev ## the whole loop on PostgreSQL, Redis, S3, MLflow with passwords and two Celery workers, with tables
	@$(BIN)/python -m embedded.production

secrets: $(VENV)/.run ## .env and ./secrets for docker-compose.yaml: a new secret for every empty line
	@$(BIN)/python -m embedded.secrets

serve: $(VENV)/.run ## the model server: predictions of the champion over HTTP, on loopback (docs/serving.md)
	@./perennial serve

PIPELINE ?= flight_delays
FROM ?= 2013-03-04
TO ?= 2013-12-23
replay: $(VENV)/.run ## compare retraining policies over months: PIPELINE=… FROM=… TO=…, a table, a plot and a CSV
	@$(BIN)/python -m include.perennial.cli replay $(PIPELINE) $(FROM) $(TO)

# Exported, so that the values reach the command as words of their own, whatever they hold.
export NAME PIPELINE TO FROM TARGET TIME KEY PERIOD LEAVE_OUT KEEP
new: $(VENV)/.run ## a pipeline folder from a file: NAME=churn FROM=data.csv TARGET=churned TIME=signup_date KEY=customer_id
	@$(BIN)/python -m include.perennial.cli new "$${NAME:?NAME=… is missing}" --from "$$FROM" \
		--target "$${TARGET:?TARGET=… is missing}" --time "$${TIME:?TIME=… is missing}" \
		--key "$${KEY:?KEY=… is missing}" --period "$$PERIOD" --task "$$TASK" --leave-out "$$LEAVE_OUT" --keep "$$KEEP"

test: $(VENV)/.dev check ## lint, types, layers and the fast suite, with coverage of include/
	@# The scheduler's tests mostly wait, so they run beside the others; what they say comes last.
	@mkdir -p $(BUILD) && log=$(BUILD)/scheduler-tests.log; \
	$(BIN)/python -m pytest -m "stack and not heavy" > $$log 2>&1 & scheduler=$$!; \
	trap 'kill $$scheduler 2> /dev/null; wait $$scheduler' EXIT; \
	$(BIN)/python -m pytest -n 2 -m "not heavy and not stack" --cov --cov-report=term --cov-fail-under=90 \
		--durations=15; others=$$?; \
	wait $$scheduler; status=$$?; cat $$log; exit $$((others || status))

# Someone who names a pipeline means it, and not this project's code.
ifeq ($(origin PIPELINE),command line)
check: $(VENV)/.run ## with PIPELINE=…: dry-run that pipeline on a sample, without Airflow
	@$(BIN)/python -m include.perennial.cli check $(PIPELINE)
else
check: $(VENV)/.dev ## ruff, mypy and import-linter only: seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec docker-compose.yaml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml
	PYTHONPATH=.:plugins:dags $(BIN)/lint-imports --no-cache
endif

unit: $(VENV)/.dev ## what needs neither servers nor a scheduler
	$(BIN)/python -m pytest -n 2 -q -m "not heavy and not stack and not server"

heavy: $(VENV)/.dev ## all that is long: 200 kills, 200 races, every test of the scheduler, coverage of the intervals, new counterexamples
	$(BIN)/python -m pytest -n 2 -m "(heavy or long) and not stack"
	$(BIN)/python -m pytest -m stack
	$(BIN)/python -m pytest -n 2 -q -m "not heavy and not stack and not server" --hypothesis-profile=search

bench: $(VENV)/.dev ## a weekly cycle under the scheduler against one cold script, side by side
	$(BIN)/python -m benchmarks.weekly_cycle

faults: $(VENV)/.dev ## break the stack of `make production` in mid-run, six ways: a table of what came of it
	$(BIN)/python -m benchmarks.faults

soak: $(VENV)/.dev ## 200 training runs under the scheduler: hangs and memory
	$(BIN)/python -m benchmarks.soak

reference: $(VENV)/.run ## make docs/reference/pipeline-yaml.md anew from the spec
	@$(BIN)/python -m include.perennial.spec.reference > docs/reference/pipeline-yaml.md

BUILD ?= build
docs: $(VENV)/.dev ## the documentation as a static site in build/docs; a warning is an error, nothing is fetched
	@$(BIN)/python -m sphinx -W --keep-going -q -b html -d $(BUILD)/doctrees docs $(BUILD)/docs
	@echo "$(BUILD)/docs/index.html"

# Apart from the other tools: a library that it brings along costs every process that imports Airflow two seconds.
CYCLONEDX := cyclonedx-bom==7.5.0
VALIDATE ?= --validate
sbom: $(VENV)/.uv ## the list of the image's Python packages as CycloneDX JSON in build/sbom.json
	@mkdir -p $(BUILD)
	@{ cat requirements.txt; echo $(ISLP); } | $(BIN)/uv run -q --isolated --no-project --python $(BIN)/python \
		--with $(CYCLONEDX) python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
		--output-reproducible $(VALIDATE) -o $(BUILD)/sbom.json -
	@echo "$(BUILD)/sbom.json"

# What is pinned stays as it is, unless it no longer fits or UPGRADE is given.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-emit-index-url \
	--no-emit-find-links $(if $(UPGRADE),--upgrade)
lock: $(VENV)/.uv ## make the three requirements*.txt anew from the .in files; UPGRADE=yes: the newest
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-kubernetes.in -o requirements-kubernetes.txt

clean: ## remove all state of `make run` and `make up` (asks them to stop first)
	@[ -x $(BIN)/python ] && $(BIN)/python -m embedded down || true
	rm -rf .state

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; v=sys.version_info[:2]; sys.exit(0 if (3,11)<=v<=(3,13) else "Perennial needs Python 3.11, 3.12 or 3.13; found %d.%d. Set PYTHON=/path/to/python3.12." % v)'
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements.txt
	@echo "installing requirements.txt (about 250 packages; minutes on a cold cache)"
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements.txt
	@# The data of bike_demand, one file of this package; its code, which would ask for PyTorch, is never imported.
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps $(ISLP)
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo "installing requirements-dev.txt"
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements-dev.txt
	@touch $@
