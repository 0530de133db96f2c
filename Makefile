PYTHON := .venv/bin/python

.PHONY: env test lint demo bench gpu

# The environment, where it is not there yet.
env: .venv/.made

.venv/.made: setup.py scripts/make_env.sh scripts/install_basicsr.sh
	sh scripts/make_env.sh
	touch $@

test: env
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n logical --dist loadfile --durations=10 $(TESTS)

lint: env
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

demo: env
	sh demo.sh

bench: env
	for script in benchmarks/*.py; do $(PYTHON) $$script || exit 1; done

# Tests and measurements on a GPU; on the CPU a trial of them.
gpu: env
	PYTHON=$(PYTHON) sh scripts/gpu_check.sh
