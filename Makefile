# Every target sets itself up: with Python 3.11 or newer, make and the package registries, nothing else is needed.
# `make test ARGS="-k relay"` hands ARGS to the command behind the target.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Other Pythons than the one on the path: `make PYTHON=/opt/python/bin/python3 test`.
PYTHON :=
# Tried before those on the path: a distribution builds it with profiles of a run. What pyenv builds, unless told to, takes
# a quarter more time for the same work (bench.core).
SYSTEM_PYTHON := /usr/bin/python3
ARGS :=
# Python keeps what it has compiled beside the sources, also where the environment says otherwise, as containers often do:
# else pytest rewrites the assertions of every test module at each run, a quarter of what `make test-unit` takes, and each
# process that a test starts compiles the product anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests of whole systems, which take minutes: `make test-systems`.
SYSTEMS := tests/acceptance/faults tests/acceptance/test_chaos.py tests/acceptance/test_deploy.py \
	tests/integration/security tests/integration/cli/test_connector.py tests/integration/cli/test_processes.py
# Of the scenarios in docs/reliability.md those that take long: clusters, networks, an older version. `make test-scenarios`.
SCENARIOS := tests/acceptance/scenarios
# How often `make test-crash` kills the orchestrator at each of its crash points, `make test-recovery` drops the database,
# `make test-restarts` restarts the broker.
REPEAT := 1
# Folders whose every test needs servers: tests/servers.py marks them so. `make test-unit` need not even import them.
WITH_SERVERS := tests/integration tests/acceptance
# A minute or more of computing: the simulator is tested apart from what it tests.
SEEDED := tests/simulation/test_seeded_bugs.py
# `make chaos`: how many transfers and kills; after how many minutes nothing new is begun (empty: never); what the faults
# are drawn from (empty: anything, it is told).
SAGAS := 2000
KILLS := 20
MINUTES :=
SEED :=

# Of `make soak-simulation`: how many steps; SEED is that of the first run.
STEPS := 1000000

# The compiled wheel, its environment and its tests. Of the whole systems a handful: what is compiled has no thread, and
# knows neither Kafka nor Postgres.
COMPILED := build/compiled
OF_COMPILED := tests/unit tests/contract tests/integration/participant tests/acceptance/test_demo.py \
	tests/acceptance/test_crash_points.py

.PHONY: help setup demo test test-unit test-integration test-systems test-scenarios test-crash test-recovery test-restarts chaos \
	test-simulation soak-simulation check format bench compiled compiled-tree \
	test-compiled bench-compiled
.DEFAULT_GOAL := help

help:
	@echo "make demo              1,000 transfers, the orchestrator killed in the middle, and not a cent missing"
	@echo "make test              every test but those of test-systems and test-scenarios, on real servers"
	@echo "make test-unit         those that need no server, in seconds"
	@echo "make test-integration  those that need the servers"
	@echo "make test-systems      zombies, hanging transactions, lost histories, restarts, TLS, the Dockerfile: whole systems"
	@echo "make test-scenarios    three brokers, a full disk, a slow network, a wrong clock, an older version: a quarter of an hour"
	@echo "make test-crash        kill -9 at each crash point, REPEAT=5 times"
	@echo "make test-recovery     the database dropped under load and recovered, REPEAT=20 times"
	@echo "make test-restarts     the only Kafka broker restarted under load, REPEAT=5 times"
	@echo "make chaos             SAGAS=2000 transfers, KILLS=20 and as many other faults by SEED=…, for MINUTES=… at most"
	@echo "make test-simulation   bugs put into the product, each of which the simulator finds"
	@echo "make soak-simulation   every fault in one process under a virtual clock, STEPS=1000000 SEED=1"
	@echo "make check             format, lint, types, import contracts"
	@echo "make format            rewrite the code as make check wants it"
	@echo "make bench             what it does on this machine, and what the machine can do at all"
	@echo "make compiled          a wheel of this platform, its hot path compiled to C; needs a C compiler, and minutes"
	@echo "make test-compiled     that wheel, installed where no source is, and the tests of it"
	@echo "make bench-compiled    Python alone, as it is and compiled to C"

demo: $(STAMP)
	$(BIN)/python -m demo $(ARGS)

test: $(STAMP)
	$(BIN)/pytest $(addprefix --ignore=,$(SYSTEMS) $(SCENARIOS) $(SEEDED)) $(ARGS)

test-unit: $(STAMP)
	$(BIN)/pytest -m "not integration and not slow" $(addprefix --ignore=,$(WITH_SERVERS)) $(ARGS)

test-integration: $(STAMP)
	$(BIN)/pytest -m integration --ignore=$(SCENARIOS) $(ARGS)

test-systems: $(STAMP)
	$(BIN)/pytest $(SYSTEMS) $(ARGS)

test-scenarios: $(STAMP)
	$(BIN)/pytest $(SCENARIOS) $(ARGS)

test-crash: $(STAMP)
	SAGA_TEST_REPEAT=$(REPEAT) $(BIN)/pytest tests/acceptance/test_crash_points.py $(ARGS)

test-recovery: $(STAMP)
	SAGA_TEST_REPEAT=$(REPEAT) $(BIN)/pytest tests/acceptance/faults/test_recoveries.py -k dropped $(ARGS)

test-restarts: $(STAMP)
	SAGA_TEST_REPEAT=$(REPEAT) $(BIN)/pytest tests/acceptance/faults/test_kafka_restarts.py $(ARGS)

chaos: $(STAMP)
	$(BIN)/python -m chaos --sagas $(SAGAS) --kills $(KILLS) $(addprefix --minutes ,$(MINUTES)) $(addprefix --seed ,$(SEED)) $(ARGS)

test-simulation: $(STAMP)
	$(BIN)/pytest $(SEEDED) $(ARGS)

soak-simulation: $(STAMP)
	$(BIN)/python -m tests.simulation --steps $(STEPS) $(addprefix --seed ,$(SEED))

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMP)
	$(BIN)/python -m bench.floors
	$(BIN)/python -m bench.transfer $(ARGS)

# A wheel is built again when a source changes; its environment holds it beside the tools, and nothing of this folder.
compiled: $(COMPILED)/.wheel

$(COMPILED)/.wheel: $(STAMP) $(wildcard orchestrator/* orchestrator/*/* orchestrator/*/*/* \
		connectors/orchestrator_connectors/* schemas/* compiled/*)
	rm -rf $(COMPILED)/wheel
	SAGA_COMPILE=1 $(BIN)/python -m hatchling build --target wheel --directory $(COMPILED)/wheel
	@touch $@

$(COMPILED)/.stamp: $(COMPILED)/.wheel
	[ -x $(COMPILED)/venv/bin/python ] || $(BIN)/python -m venv $(COMPILED)/venv
	$(COMPILED)/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls $(COMPILED)/wheel/*.whl)[server,local,http,dev]"
	$(COMPILED)/venv/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(COMPILED)/wheel/*.whl
	@touch $@

# The tests and what they use, without the packages: those are the wheel's. Each run tells which modules are compiled.
compiled-tree: $(COMPILED)/.stamp
	rm -rf $(COMPILED)/tree && mkdir $(COMPILED)/tree
	git ls-files -z -- . ':!orchestrator' ':!connectors' | tar -c --null -T - | tar -x -C $(COMPILED)/tree
	cd $(COMPILED)/tree && ../venv/bin/python -m compiled.installed

test-compiled: compiled-tree
	cd $(COMPILED)/tree && ../venv/bin/python -m pytest $(OF_COMPILED) $(ARGS)

bench-compiled: compiled-tree
	$(BIN)/python -m bench.core $(ARGS)
	cd $(COMPILED)/tree && ../venv/bin/python -m bench.core $(ARGS)

setup: $(STAMP)

# The environment, the packages, the broker's jars: once, and again when pyproject.toml or the jars' list change.
$(STAMP): pyproject.toml orchestrator/local/jars.lock
	@found=; \
	for python in $(PYTHON) $(SYSTEM_PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python; do \
		if command -v "$$python" >/dev/null 2>&1 \
			&& "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
		then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "expected Python 3.11 or newer on the path, got none: install one, or name it: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "setting up $(VENV) with $$("$$found" --version), once"; \
	[ -x $(BIN)/python ] || "$$found" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[server,local,http,dev]"
	@$(BIN)/python -m orchestrator.local.jars
	@touch $(STAMP)
