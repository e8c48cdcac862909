# Every verb sets itself up first. `make help` lists them.
# SWITCHMASTER_PYTHON=python3.12 chooses the interpreter, VENV=.venv-3.12 where it goes.

VENV ?= $(if $(filter compiled,$(MAKECMDGOALS)),.venv-compiled,.venv)
PY := $(VENV)/bin/python
MADE_FROM := pyproject.toml src/switchmaster/_version.py tools/make_venv.sh
TESTS ?=
PURE := tests/unit tests/replay tests/sim tests/test_tidy.py tests/test_packaging.py tests/test_documents.py
FAILOVERS ?= 300
SEED ?=
SERVER ?=
SEEDS ?= 2000

.DEFAULT_GOAL := help
.PHONY: help setup demo test check sim mutants chaos bench fuzz soak planned proofs packages compiled docs docs-site clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/made-dev  ## make .venv with the project and its tools installed, editable

demo: $(VENV)/made-demo  ## crash a real master and watch the failover live, in under two minutes
	@$(VENV)/bin/switchmaster demo

# Those that take nothing but time of a processor share all of them. The others mostly wait for servers: two at a time.
# In their order: the files of tests/shell, which are short, come last, so that no long file is left to one worker.
test: $(VENV)/made-dev  ## run every test that this machine can run; TESTS='tests/unit -k name' for some
ifeq ($(TESTS),)
	@$(PY) -m pytest -n auto --dist worksteal $(PURE)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests $(PURE:%=--ignore=%)
else
	@$(PY) -m pytest $(TESTS)
endif

check: $(VENV)/made-dev  ## lint, format, types, import rules, documentation
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-cache --no-logo
	@for page in tools/*_page.py; do [ ! -e "$$page" ] || $(PY) "$$page" --check || exit 1; done
	@$(PY) -m pytest -q tests/test_tidy.py tests/test_packaging.py tests/test_documents.py tests/unit/test_document_blocks.py

sim: $(VENV)/made-dev  ## run the simulation on all cores; SEEDS=10000 for more stories than 2000
	@PYTHONPATH=tests $(PY) -m sim --seeds $(SEEDS)

mutants: $(VENV)/made-dev  ## check that the simulation catches deliberate faults in the product
	@$(PY) tests/sim/mutants.py

chaos: SECONDS ?= 120
chaos: $(VENV)/made-dev  ## break real servers (as root also their network) for SECONDS (120) with SEED, on SERVER, and compare reports with the truth
	@PYTHONPATH=tests $(PY) -m chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(SERVER),--server $(SERVER))

bench: $(VENV)/made-dev  ## compare with redis-py by the benchmarks in bench/, and write bench/RESULTS.md
	@$(PY) bench/results.py

fuzz: SECONDS ?= 60
fuzz: $(VENV)/made-dev  ## run every fuzz target for SECONDS (60), with atheris if it is installed
	@$(PY) fuzz/drive.py --seconds $(SECONDS)

soak: $(VENV)/made-dev  ## go through FAILOVERS (300) of a real deployment, and check that nothing is left behind
	@$(PY) tests/soak/soak.py --failovers $(FAILOVERS)

proofs: $(VENV)/made-dev  ## on real servers: the tutorial, each use with exactly its rights, planned failovers that go wrong, the proxy over TLS, 50 daemons killed
	@SWITCHMASTER_TEST_SERVERS=all $(PY) -m pytest -rP tests/soak/doctor_rules.py tests/live/test_explain_live.py
	@$(PY) -m pytest tests/soak/documented_sessions.py tests/soak/granted_uses.py tests/soak/planned_endings.py tests/soak/proxy_tls.py
	@$(PY) tests/soak/least_rights.py
	@SWITCHMASTER_TEST_UPSTREAM=all $(PY) -m pytest tests/live/test_upstream.py
	@SWITCHMASTER_TEST_ACTION_FAILOVERS=50 $(PY) -m pytest -s tests/live/test_daemon_actions.py
	@$(PY) -m pytest tests/soak/glide_failovers.py tests/soak/multi_database.py

planned: FAILOVERS := $(if $(filter command line,$(origin FAILOVERS)),$(FAILOVERS),50)
planned: $(VENV)/made-dev  ## order FAILOVERS (50) planned failovers in a row and a rolling restart under writers, on SERVER: nothing may be lost
	@$(PY) tests/soak/planned_failovers.py --failovers $(FAILOVERS) $(if $(SERVER),--server $(SERVER)) $(if $(COORDINATED),--coordinated)

packages: $(VENV)/made-dev  ## build wheel and sdist, try them in clean environments with each Python and extra; render the Helm charts
	@$(PY) tools/packages.py
	@$(PY) tools/charts.py

# Into an environment of its own, in which the project is not editable: nothing compiled lies beside the sources.
compiled: $(VENV)/made-compiled  ## build the wheel with the compiled core into .venv-compiled; TESTS='...' runs tests with it
ifneq ($(TESTS),)
	@$(PY) -m pytest $(TESTS)
endif

docs: $(VENV)/made-dev  ## write the generated pages of docs/ again
	@for page in tools/*_page.py; do [ ! -e "$$page" ] || $(PY) "$$page" || exit 1; done

docs-site: $(VENV)/made-docs  ## build the documentation as a site in build/site, with llms.txt; warnings are errors
	@$(PY) -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -b html -c docs -d build/site-doctrees . build/site
	@echo "build/site/index.html"

clean:  ## remove .venv and all files that the tools have made
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache fuzz/.broken fuzz/.corpus
	find src tests tools bench fuzz -name __pycache__ -prune -exec rm -rf {} +

# What `make demo` needs is less than what the tests need: it works without a compiler, git or root.
$(VENV)/made-demo: $(MADE_FROM)
	@sh tools/make_venv.sh $(VENV) cli,lab,server
	@touch $@

$(VENV)/made-dev: $(MADE_FROM)
	@sh tools/make_venv.sh $(VENV) all,dev
	@touch $(VENV)/made-demo $@

$(VENV)/made-compiled: $(MADE_FROM) tools/compiled_wheel.py $(shell find src -name '*.py')
	@sh tools/make_venv.sh $(VENV) all,dev
	@rm -rf $(VENV)/wheel && $(PY) tools/compiled_wheel.py $(VENV)/wheel
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@touch $@

$(VENV)/made-docs: $(MADE_FROM)
	@sh tools/make_venv.sh $(VENV) all,dev,docs
	@touch $(VENV)/made-demo $(VENV)/made-dev $@
