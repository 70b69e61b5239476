# Everything a developer or CI calls. ARGS goes to the tool: make test ARGS="tests/sm -k seal"
PYTHON := .venv/bin/python
UV := build/uv/bin/uv
UV_VERSION := 0.13.9
ARGS ?=
PARTNERS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench lock clients clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## prepare this checkout; the other targets do it by themselves
	@deploy/bootstrap.sh

run: ## play the whole story on this machine; PARTNERS=1 goes on in partners' apps
	@deploy/bootstrap.sh $(if $(filter 1,$(PARTNERS)),partners,run)
	@$(PYTHON) -m cli story $(if $(filter 1,$(PARTNERS)),--partners) $(ARGS)

test: ## run the tests against servers of their own
	@deploy/bootstrap.sh test
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: ## lint, format, types and import order: all of them, then the verdict
	@deploy/bootstrap.sh check
	@failed=; \
	for step in "ruff check" "ruff format --check" "mypy" "lint-imports --no-logo"; do \
		printf '== %s\n' "$$step"; \
		.venv/bin/$$step || failed="$$failed [$$step]"; \
	done; \
	if [ -n "$$failed" ]; then echo "check failed:$$failed"; exit 1; fi; \
	echo "check passed"

bench: ## measure, and compare with the figures promised
	@deploy/bootstrap.sh test
	@$(PYTHON) -m bench $(ARGS)

lock: $(UV) ## resolve requirements/lock.txt anew; ARGS=--upgrade takes newer versions
	@$(UV) pip compile -q pyproject.toml --extra dev --extra reader --generate-hashes --python-version 3.11 \
		--no-header --no-emit-find-links --no-emit-index-url -o requirements/lock.txt $(ARGS)
	@! grep -n '://' requirements/lock.txt || { echo "the lock must name no address"; exit 1; }

$(UV): Makefile
	@deploy/bootstrap.sh check
	@$(PYTHON) -m venv --clear build/uv
	@build/uv/bin/pip install -qq --disable-pip-version-check uv==$(UV_VERSION)
	@touch $(UV)

clients: ## write the generated parts of clients/ anew from the service's description
	@deploy/bootstrap.sh check
	@$(PYTHON) -m clients.generate

clean: ## remove the environment, caches and build output; var/ stays
	@rm -rf .venv build clients/typescript/node_modules deploy/partners/wallet/node_modules *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
