# Every command of the project; `make` alone prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV := .venv/bin/uv
UV_VERSION := 0.13.9
RUN := .venv/bin
STAMP := .venv/.installed
ASSETS := app/static/build/.built
PEERS := .venv-peers/.installed
AUDITORS := .venv-auditors/.installed
MATCHERS := .venv-matchers/.installed
SIZES ?= 100000 1000000
AXE := tests/e2e/node_modules/.package-lock.json

.PHONY: help install assets demo test quick gateway-table statement-table statement-differential bench-notices bench-statements bench-exports bench-log bench-matching accuracy matchers check lint types imports migrations kill-test chain-test close-test tamper-test fuzz clean

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(STAMP) ## Make .venv with everything locked, and the doisoat command

$(STAMP): pyproject.toml uv.lock
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) sync --frozen --inexact --quiet --system-certs
	@touch $@

assets: $(ASSETS) ## Build the pages' styles, scripts and fonts

$(ASSETS): $(STAMP) app/static/package-lock.json $(shell find app/static/src -type f 2>/dev/null)
	@app/static/npm ci --prefix app/static --no-audit --no-fund --loglevel=error
	@app/static/npm run --prefix app/static --silent build
	@touch $@

demo: install assets ## Play ten fee days of a demonstration city and keep it open
	@$(RUN)/doisoat demo $(DEMO)

test: install assets test-tools ## Run every test, on SQLite and on a real PostgreSQL
	@$(RUN)/python -m pytest -q $(PYTEST)

quick: install assets ## The tests that take under three minutes together
	@$(RUN)/python -m pytest -q tests/architecture tests/unit tests/golden tests/properties tests/contracts $(PYTEST)

gateway-table: install ## What holds on which payment rail, and what does not apply and why
	@$(RUN)/python -m pytest -q tests/contracts/test_gateways.py --gateway-table

statement-table: install ## What became of every statement others wrote, and why any was refused
	@$(RUN)/python -m pytest -q tests/contracts/test_statement_table.py --statement-table \
		$(if $(CORPUS),--statement-corpus=$(CORPUS))

statement-differential: $(PEERS) ## The statement readers beside other people's, every disagreement with its reason
	@$(RUN)/python -m pytest -q -m "slow or not slow" tests/differential \
		$(if $(CORPUS),--statement-corpus=$(CORPUS))

$(PEERS): $(STAMP) tests/differential/peers.lock
	@$(UV) venv --quiet --clear --python $(RUN)/python .venv-peers
	@$(UV) pip sync --quiet --system-certs --require-hashes --python .venv-peers/bin/python tests/differential/peers.lock
	@touch $@

$(AUDITORS): $(STAMP) tests/auditors/peers.lock
	@$(UV) venv --quiet --clear --python $(RUN)/python .venv-auditors
	@$(UV) pip sync --quiet --system-certs --require-hashes --python .venv-auditors/bin/python tests/auditors/peers.lock
	@touch $@

bench-notices: install ## Notices per second through the inbox, beside the floor, on both databases
	@$(RUN)/python -m benchmarks.notices $(BENCH)

bench-statements: install ## How fast and small statements are read and imported, beside the floor and others
	@$(RUN)/python -m benchmarks.statements $(BENCH)

bench-exports: install ## Time and memory of exports for auditors, beside COPY and pyarrow alone
	@$(RUN)/python -m benchmarks.exports $(BENCH)

bench-log: install ## A million leaves of the public log, beside hashing the same bytes flat
	@$(RUN)/python -m benchmarks.log $(BENCH)

bench-matching: install $(MATCHERS) ## How fast and small the matcher is, beside the floor, a naive cascade and others (SIZES=10000000)
	@$(RUN)/python -m benchmarks.matching.race --sizes $(SIZES) $(BENCH)

accuracy: install $(MATCHERS) ## How often the matcher is wrong, beside others; writes docs/accuracy.md
	@$(RUN)/python -m benchmarks.matching.accuracy $(ACCURACY)

matchers: $(MATCHERS) ## Install other people's matchers, in an environment of their own

$(MATCHERS): $(STAMP) benchmarks/matching/peers/peers.lock
	@$(UV) venv --quiet --clear --python $(RUN)/python .venv-matchers
	@$(UV) pip sync --quiet --system-certs --require-hashes --python .venv-matchers/bin/python benchmarks/matching/peers/peers.lock
	@touch $@

test-tools: $(AXE) $(AUDITORS) ## Install what tests need from the system's and npm's packages, where absent
	@tests/tools/system-packages

$(AXE): $(STAMP) tests/e2e/package-lock.json
	@app/static/npm ci --prefix tests/e2e --no-audit --no-fund --loglevel=error
	@touch $@

check: lint types imports migrations test ## Everything that has to hold before a commit lands

lint: install ## Style
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

types: install ## Types
	@$(RUN)/mypy

imports: install ## Who may import whom
	@$(RUN)/lint-imports

migrations: install ## Models and migrations agree, on both databases
	@$(RUN)/python -m pytest -q tests/integration/test_migrations.py

kill-test: install assets ## Kill application and scheduler at thirty moments of the demo
	@$(RUN)/python -m pytest -q -m slow tests/e2e/test_kill.py

chain-test: install ## Thirty daily statements of two accounts: each one taken out, swapped, repeated, altered
	@$(RUN)/python -m pytest -q -m "slow or not slow" tests/integration/test_continuity.py

close-test: install ## Close a day of 20,000 payments with three breaks and a late file, on both databases
	@$(RUN)/python -m pytest -q -s tests/integration/test_close_of_a_day.py --close-payments=20000

tamper-test: install ## A thousand places of each kind tampered with in an export of 10,000 entries
	@$(RUN)/python -m pytest -q -m "slow or not slow" tests/integration/test_tampering.py tests/integration/test_proof_of_packages.py

fuzz: install ## Long seeded fuzz of the readers
	@$(RUN)/python -m pytest -q -m slow tests/contracts tests/properties

clean: ## Remove what was built and the demonstration's data
	@rm -rf var app/static/build app/static/node_modules tests/e2e/node_modules .venv*
