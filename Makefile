# Circdesk. `make run` and `make test` need Python 3.11 or later and make, nothing else.

PYTHON ?= python3
# Tests run in this many processes, which wait much of the time.
WORKERS ?= 3
ARGS ?=


.PHONY: help run run-split run-partners messages test test-all test-browser pictures simulate fuzz bench bench-large proof storm format clean coverage audit secrets hooks
.PHONY: lint lint-style lint-types lint-imports lint-migrations lint-security lint-workflows lint-api lint-deploy

help:
	@echo "make run      the service with its demo library on http://127.0.0.1:8000 (HOST, PORT, LOCAL_DIR)"
	@echo "make run-split two services, a public one and an admin's, with a database each (PORT, PUBLIC_PORT)"
	@echo "make run-partners two libraries that know each other, with a database each (PORT, PARTNER_PORT)"
	@echo "make test     the tests, on servers of their own (ARGS='-k queue' picks, WORKERS=4)"
	@echo "make test-all and those that begin the service whole, walk through it, kill it, cut it off"
	@echo "make test-browser the librarian's desk in a browser (installs Debian's Chromium, as root)"
	@echo "make pictures the pictures of docs/desk.md, taken anew"
	@echo "make simulate a library's life from a few seeds, with 1 and with 8 desks at once (ARGS='--events 5000')"
	@echo "make fuzz     20 minutes of requests made of the API description (FUZZ_SECONDS=60 FUZZ_SEED=1)"
	@echo "make bench    speed and memory beside floors, into benchmarks/RESULTS.md (BOOKS=books.csv)"
	@echo "make storm    two minutes of clients while everything is killed; was all kept? (STORM_SECONDS=30 STORM_SEED=1)"
	@echo "make bench-large what grows from 10,000 titles to a million; the libraries are kept (SIZES=10000 PACED_SECONDS=60)"
	@echo "make proof    docs/proof.md and its pictures, from the last results"
	@echo "make coverage all tests, and what they reach: in htmlcov (ARGS='tests/library' for a part)"
	@echo "make lint     format, lint, types, import rules, missing and unsafe migrations, insecure code"
	@echo "make audit    secrets in the history, the workflows, packages with known vulnerabilities (asks osv.dev)"
	@echo "make hooks    lints before each commit from now on, in this clone"
	@echo "make lint-api the OpenAPI document, under the rules of Spectral and of Redocly"
	@echo "make lint-deploy the Dockerfile, the compose files, nginx's, and those for Kubernetes"
	@echo "make format   lays out the code"
	@echo "make messages the admin's texts for translators, in locale/ (LANGUAGES='de pt_BR'; needs GNU gettext)"
	@echo "make clean    removes .venv, caches, and the private servers WITH their data"

run:
	$(call install,requirements.txt)
	@exec .venv/bin/python -m config.run --stop-with-parent

run-split:
	$(call install,requirements.txt)
	@exec .venv/bin/python -m config.run_split --stop-with-parent

run-partners:
	$(call install,requirements.txt)
	@exec .venv/bin/python -m config.run_partners --stop-with-parent

test:
	$(call install,requirements-dev.txt)
	@echo "Without those in a browser (make test-browser) and of the service whole (make test-all)."
	@exec .venv/bin/python -m pytest -n $(WORKERS) -m "not slow" --ignore tests/fuzz --ignore tests/browser $(ARGS)

test-all:
	$(call install,requirements-dev.txt)
	@echo "Without those in a browser: make test-browser."
	@exec .venv/bin/python -m pytest -n $(WORKERS) --ignore tests/fuzz --ignore tests/browser $(ARGS)

# Of Debian, where it may be installed: Playwright would bring one of its own.
BROWSER = chromium fonts-dejavu-core fonts-droid-fallback
test-browser:
	$(call install,requirements-dev.txt)
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update \
		&& DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $(BROWSER) >/dev/null; } \
		|| echo "They are skipped without Chromium: apt-get install $(BROWSER)"
	@exec .venv/bin/python -m pytest -n 2 tests/browser $(ARGS)

# Those of docs/desk.md.
pictures:
	$(call install,requirements-dev.txt)
	@PICTURES=1 .venv/bin/python -m pytest -q tests/browser/test_pictures.py

# The programs that tests start are measured, too.
coverage:
	$(call install,requirements-dev.txt)
	@exec .venv/bin/python -m pytest -n $(WORKERS) --cov --cov-report=term:skip-covered --cov-report=html \
		$(ARGS)

# Each in a database of its own on the servers of manage.py.
simulate:
	$(call install,requirements.txt)
	@for run in "--seed 1" "--seed 2" "--seed 3 --workers 8"; do \
		.venv/bin/python manage.py simulate --events 500 $$run $(ARGS) && echo || exit 1; \
	done

messages:
	$(call install,requirements.txt)
	@exec .venv/bin/python manage.py messages $(LANGUAGES)

bench:
	$(call install,requirements-bench.txt)
	@.venv/bin/python -m benchmarks && .venv/bin/python -m benchmarks.proof

# Under an hour. Wants 35 GB of room, and says so if there is less; keeps 8 of them in .local/bench-large.
bench-large:
	$(call install,requirements-bench.txt)
	@.venv/bin/python -m benchmarks.large && .venv/bin/python -m benchmarks.proof

proof:
	$(call install,requirements-bench.txt)
	@exec .venv/bin/python -m benchmarks.proof

# With everything struck down again and again. STORM_SECONDS, STORM_SEED, STORM_CLIENTS.
STORM_SECONDS ?= 120
storm:
	$(call install,requirements-dev.txt)
	@exec .venv/bin/python -m benchmarks.storm --seconds $(STORM_SECONDS) \
		$(if $(STORM_SEED),--seed $(STORM_SEED)) $(if $(STORM_CLIENTS),--clients $(STORM_CLIENTS))

lint: lint-style lint-types lint-imports lint-migrations lint-security

lint-style:
	$(call install,requirements-dev.txt)
	@.venv/bin/python -m ruff format --check --quiet --output-format concise . || { echo "Run make format."; exit 1; }
	@.venv/bin/python -m ruff check --quiet --output-format concise .

lint-types:
	$(call install,requirements-dev.txt)
	@SECRET_KEY=only-to-read-the-settings-for-the-types .venv/bin/python -m mypy --no-error-summary .

lint-imports:
	$(call install,requirements-dev.txt)
	@output="$$(.venv/bin/python -c "from importlinter.cli import lint_imports_command as l; l()" --no-logo 2>&1)" \
		|| { echo "$$output"; exit 1; }

lint-migrations:
	$(call install,requirements-dev.txt)
	@.venv/bin/python manage.py makemigrations --check --dry-run --verbosity 1
	@.venv/bin/python -m tests.migrations.lint

# Of what is sure or likely (-ii): of little confidence is each statement that is put together of constants.
lint-security:
	$(call install,requirements-dev.txt)
	@output="$$(.venv/bin/python -m bandit --quiet -ii --configfile pyproject.toml --recursive manage.py \
		accounts circulation config events integrations library reservations rest 2>&1)" || { echo "$$output"; exit 1; }

lint-workflows:
	$(call install,requirements-audit.txt)
	@.venv/bin/zizmor --offline --quiet --no-progress .github

# What would be committed, if anything is staged; else all that there is, and ever was. One key is known to everybody:
# tests/webhooks/localhost.pem, of which this is a part.
KEY_OF_TESTS = OU[+]FEUKFW
secrets:
	$(call install,requirements-audit.txt)
	@git diff --cached --quiet && what="--git-history full" || what="--staged"; \
	output="$$(.venv/bin/kingfisher scan . $$what --no-validate --no-update-check --redact --quiet \
		--skip-regex $(KEY_OF_TESTS) 2>&1)" || { echo "$$output"; exit 1; }

audit: secrets lint-workflows
	@.venv/bin/python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off --vulnerability-service osv \
		$(foreach file,requirements.txt requirements-dev.txt requirements-audit.txt requirements-bench.txt,--requirement $(file))

hooks:
	$(call install,requirements-audit.txt)
	@.venv/bin/prek install

# For FUZZ_SECONDS signed in, and as long anonymous.
fuzz:
	$(call install,requirements-dev.txt)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} FUZZ_SEED=$${FUZZ_SEED:-$$$$} .venv/bin/python -m pytest -q -s tests/fuzz $(ARGS)

lint-deploy:
	$(call install,requirements-deploy.txt)
	@.venv/bin/python -m tests.deploy.lint

lint-api:
	$(call install,requirements-dev.txt)
	@SECRET_KEY=only-to-read-the-settings-for-the-document DATABASE_URL=postgresql://unused/unused REDIS_URL=redis://unused \
		DJANGO_SETTINGS_MODULE=config.settings .venv/bin/python -m tests.clients.lint

format:
	$(call install,requirements-dev.txt)
	@.venv/bin/python -m ruff format --quiet .
	@.venv/bin/python -m ruff check --fix --quiet --output-format concise .

clean:
	@if [ -x .venv/bin/python ]; then exec .venv/bin/python -m config.embedded clean; \
		else exec $(PYTHON) -m config.embedded clean; fi
	@rm -rf .venv .static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@rm -rf tests/clients/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs what a requirements file pins, unless exactly that was done before.
define install
@wanted="$$(cat requirements.txt $(1) | cksum)"; done=".venv/$(1).done"; \
if [ "$$(cat "$$done" 2>/dev/null)" = "$$wanted" ] && .venv/bin/python -c "" 2>/dev/null; then exit 0; fi; \
if [ -e .venv ] && [ ! -w .venv ]; then \
	echo ".venv belongs to another account. Use that one, or remove .venv." >&2; exit 1; \
fi; \
if ! .venv/bin/python -c "import pip" 2>/dev/null; then \
	for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 none; do \
		"$$python" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
		echo "Circdesk needs Python 3.11 or later, and $(PYTHON) is not. Name one: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$python" -c "import venv, ensurepip" 2>/dev/null; then \
		echo "$$python has no venv module. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making a virtual environment in .venv ..."; \
	rm -rf .venv; "$$python" -m venv .venv || exit 1; \
fi; \
echo "Installing the packages of $(1) into .venv ..."; \
PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore .venv/bin/python -m pip install -q -q --no-input -r $(1) || exit 1; \
echo "$$wanted" > "$$done"
endef
