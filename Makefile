# Two commands for a fresh machine: `make demo` and `make test`. Both do their own set-up.
BIN = $(or $(LAB_VENV),.venv)/bin
SETUP = LAB_VENV=$(LAB_VENV) lab/setup

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## set-up, a real cloud, and one server grown and shrunk in it; leaves the cloud up
	@lab/run demo

test: lint ## set-up, then all tests, the real cloud's among them
	@$(BIN)/python -m pytest -q -n 2 tests/unit tests/simulator tests/functional tests/seams
	@$(BIN)/python -m pytest -v tests/contract tests/e2e

lint: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check src lab tests
	@$(BIN)/ruff format --check src lab tests
	@$(BIN)/mypy
	@$(BIN)/mypy -p lab
	@PATH=$(BIN):$$PATH lint-imports

setup: ## packages and .venv, when they are missing or have changed
	@$(SETUP)

lab-up: ## the cloud only, to use by hand
	@lab/run up

lab-down: ## stop the cloud; nothing is left running
	@lab/run down

.DEFAULT_GOAL = help
.PHONY: help demo test lint setup lab-up lab-down
