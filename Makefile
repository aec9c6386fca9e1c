# The verbs of this repository; people, hooks and CI use the same ones. `make` alone lists them.
#
#   make test PYTHON=3.13        with another interpreter, in an environment of its own (.venv-3.13)
#   make test ARGS="-k worker"   anything more for the program behind the verb

PYTHON =
ARGS =
VENV := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
READY := VENV=$(VENV) PYTHON=$(PYTHON) tools/bootstrap.sh
RUN := $(VENV)/bin/python

# The static tools read the code for the oldest Python (pyproject.toml), whatever runs them.
TOOLS_READY := VENV=.venv PYTHON= tools/bootstrap.sh dev demo
TOOLS := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fix docs

help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## serve the examples over real data: calls, a task, a schedule, a queue
	@$(READY) demo
	@tools/system.sh awk
	@$(RUN) -m examples.demo --with-parent $(ARGS)

test: ## run every test
	@$(READY) dev demo bench $$(tools/toolchains.sh)
	@tools/system.sh awk jq curl openssl perl wrk javac mvn cargo rustfmt cargo-clippy rabbitmq-server mosquitto nats-server
	@$(RUN) -m tools.suite $(ARGS)

check: ## format, lint, types, import rules, house style and docs, without changing anything
	@$(TOOLS_READY)
	@$(TOOLS)/python -m tools.check

bench: ## measure against the peers, side by side, and write a report
	@$(READY) demo bench
	@tools/system.sh wrk
	@$(RUN) -m bench $(ARGS)

fix: ## format, and mend what the linter can
	@$(TOOLS_READY)
	@$(TOOLS)/ruff check --fix --quiet . || true
	@$(TOOLS)/ruff format .

docs: ## write the generated pages, and check every link
	@$(TOOLS_READY)
	@$(TOOLS)/python -m tools.docs
