# The whole of it: make up. See README.md.
.DEFAULT_GOAL := help
.PHONY: help up test lint contracts configuration catalogues licences sbom audit fuzz screenshots bench clean
MAKEFLAGS += --no-print-directory

# The certificates that the system trusts, where nothing else is said.
ifeq ($(SSL_CERT_FILE),)
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export SSL_CERT_FILE := /etc/ssl/certs/ca-certificates.crt
endif
endif
# The machine's own Python is enough; uv fetches none.
export UV_PYTHON_DOWNLOADS := never

PYTHON := .venv/bin/python
# Tests run beside each other, each worker on servers of its own; most of their time they wait for those.
WORKERS ?= 2
SOURCES := $(wildcard pyproject.toml uv.lock shared/pyproject.toml services/*/pyproject.toml operations/pyproject.toml deploy/local/pyproject.toml)

help: ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

up: .venv/synced ## run the four services here, with a sample roster; Ctrl-C stops them
	@exec $(PYTHON) -m local_stack up

test: .venv/synced ## run the tests; ARGS="-k otp" and the like go to pytest, WORKERS=0 runs one after the other
	@exec .venv/bin/pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: .venv/synced ## ruff, mypy and the rules of who imports whom
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports

contracts: .venv/synced ## write the schemas, AsyncAPI and OpenAPI documents anew
	@PYTHONPATH=tests exec $(PYTHON) tests/contract/documents.py

configuration: .venv/synced ## write docs/configuration.md anew, from the settings classes
	@exec $(PYTHON) tests/contract/configuration.py

licences: .venv/synced ## write docs/licences.md anew, from what is installed
	@exec $(PYTHON) tests/contract/supply.py licences

sbom: .venv/synced ## write a CycloneDX document for each image to .run/sbom; with Debian's packages where the image is built
	@exec $(PYTHON) tests/contract/supply.py sbom

audit: .venv/synced ## ask a vulnerability service (osv.dev, or AUDIT_URL) about all of uv.lock; 2: it could not be asked
	@exec $(PYTHON) tests/contract/supply.py audit

fuzz: .venv/synced ## send 1,000 made-up requests to each operation of the API; EXAMPLES=100 takes fewer
	@KINBIND_FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) exec .venv/bin/pytest -o faulthandler_timeout=0 tests/fuzz $(ARGS)

catalogues: .venv/synced ## bring the translations into step with the words, and compile them
	@exec $(PYTHON) tests/contract/catalogues.py

screenshots: .venv/synced ## take the pictures of docs/screenshots anew
	@exec $(PYTHON) tests/e2e/screenshots.py

bench: .venv/synced ## figures: hop of an event, memory and start of each service, load, import of a roster; ARGS="--students 30000"
	@exec $(PYTHON) tests/bench/run.py $(ARGS)

clean: ## throw away the local stack: data, containers, logs
	@if [ -x $(PYTHON) ]; then exec $(PYTHON) -m local_stack clean; else rm -rf .run; fi

.venv/synced: $(SOURCES) deploy/local/bootstrap.py
	@python3 deploy/local/bootstrap.py
	@touch $@
