# Two commands for a fresh machine: `make demo` and `make test`. Both do their own set-up.
#   RELEASE=31.3   the release of Nova; each has an environment of its own
export RELEASE LAB_VENV
BIN = $(shell RELEASE=$(RELEASE) LAB_VENV=$(LAB_VENV) lab/venv)/bin

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: ## set-up, a real cloud, and one server grown and shrunk in it; leaves the cloud up
	@lab/run demo

demo-autoscale: ## guests with a load, and how servers scale by themselves; SCENES="day observe" ARGS=--keep
	@lab/run demo-autoscale $(SCENES) $(ARGS)

demo-dashboard: ## the dashboard in a browser: a server grown by mouse; leaves both up
	@lab/run demo-dashboard

test: export LAB_BROWSER = 1
test: lint ## set-up, then all tests, the real cloud's among them
	@tests/all $(BIN)/python

# Nova before 34 is on eventlet, which xdist's workers do not live with: two processes of files instead.
test-release: setup ## RELEASE's Nova: contract and functional tests; `make demo` is its cloud
	@$(BIN)/python -m pytest -q tests/contract
	@printf '%s\n' tests/functional/test_*.py | xargs -P 2 -n 4 $(BIN)/python -m pytest -q

nova-tests: setup ## Nova's own tests, stock and with nova-xloud, and what differs; SUBSET=all ARGS=--help
	@$(BIN)/python -m tests.nova_own $(SUBSET) $(ARGS)

random: setup ## random sequences of operations on Nova in one process; MINUTES=30 SEED=7
	@NOVA_XLOUD_RANDOM_MINUTES=$(or $(MINUTES),30) NOVA_XLOUD_RANDOM_SEED=$(SEED) \
		$(BIN)/python -m pytest -q tests/sequences

lint: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check src lab tests
	@$(BIN)/ruff format --check src lab tests
	@$(BIN)/mypy
	@$(BIN)/mypy -p lab
	@PATH=$(BIN):$$PATH lint-imports

dashboard-tests: ## the Horizon plugin in Horizon's own test harness; RELEASE=31.3 ARGS="-k tab"
	@tests/dashboard/run $(ARGS)

browser-tests: export LAB_BROWSER = 1
browser-tests: setup ## the dashboard's pages in a real browser, on the real cloud; PICTURES=1 ARGS="-k member"
	@$(if $(PICTURES),NOVA_XLOUD_WRITE_PICTURES=1) $(BIN)/python -m pytest -v tests/e2e/browser $(ARGS)

tempest: ## the real Tempest against the real cloud: our tests; ARGS="--regex ..." names others
	@lab/run tempest -- $(ARGS)

chaos: ## servers adjusted while the cloud's parts are broken; SEED=1 MINUTES=30 FAULTS="part of a name"
	@lab/run chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30) $(if $(FAULTS),"$(FAULTS)")

guests: ## guests that do not cooperate, and what their users see; NAMES="no-driver paused" WRITE=1
	@lab/run guests $(NAMES) $(if $(WRITE),--write)

soak: ## a mixed load for MINUTES=60, and what the services keep of it; SEED=1
	@lab/run soak --seed $(or $(SEED),1) --minutes $(or $(MINUTES),60) $(ARGS)

docs: setup ## the site and the API reference, in build/docs; warnings are errors
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees/docs docs build/docs
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees/api api-ref/source build/docs/api-ref
	@echo build/docs/index.html

generate: setup ## write anew what is generated and kept: samples, the OpenAPI document, the tables of remedies
	@NOVA_XLOUD_WRITE_GENERATED=1 $(BIN)/python -m pytest -q tests/unit/docs/test_generated_files.py
	@NOVA_XLOUD_WRITE_GENERATED=1 $(BIN)/python -m pytest -q tests/functional/test_api_samples.py
	@git status --short docs api-ref

bench: setup ## every figure measured anew, and docs/benchmarks.md; BENCH=--help
	@$(BIN)/python -m tests.bench $(BENCH)

setup: ## packages and .venv, when they are missing or have changed
	@lab/setup

lab-up: ## the cloud only, to use by hand
	@lab/run up

lab-down: ## stop the cloud; nothing is left running
	@lab/run down

.DEFAULT_GOAL = help
.PHONY: help demo demo-autoscale demo-dashboard test test-release nova-tests random dashboard-tests browser-tests tempest chaos guests soak docs generate bench lint setup lab-up lab-down
