# Every target makes .venv and installs the package into it first, and again when pyproject.toml has changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check bench bench-rollout bench-gpu

# Learn the pendulum from pixels, plan with what was learned, print a table. Replaces runs/demo, and nothing else.
demo: $(READY)
	$(BIN)/worldmodel demo --out runs/demo --replace

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python -m pytest benchmarks --benchmark-enable

bench-rollout: $(READY)
	$(BIN)/python -m pytest benchmarks/test_rollout.py --benchmark-enable --benchmark-json=benchmarks/results/rollout.json

# On a machine with a GPU: the tests of kernels and CUDA graphs first, then their times as a table.
bench-gpu: $(READY)
	$(BIN)/python -m pytest tests/worldmodel/kernels tests/planners/test_cuda_graph.py
	$(BIN)/python -m pytest benchmarks/test_rollout.py benchmarks/test_decision.py -s --benchmark-enable \
		--benchmark-json=benchmarks/results/rollout-gpu.json

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
