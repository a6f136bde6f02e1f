# Every target sets itself up in .venv; nothing is needed beforehand but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := cache commands datasets heads metrics models paper pipeline reports stages training
READY := $(VENV)/.ready
# One process a core, a file in one process, one thread in each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test coverage quick lint typecheck bench clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("a2pipe needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
	touch $@

demo: $(READY)  ## a whole matrix from images and backbones that ship with the package
	$(BIN)/a2pipe demo --cache .demo-cache --out results/demo-01

test: $(READY)  ## everything
	$(PYTEST)

coverage: $(READY)  ## everything, and the lines that ran; half as long again
	$(PYTEST) --cov --cov-report term:skip-covered

quick: $(READY)  ## without what takes more than ten seconds
	$(PYTEST) -m 'not slow'

lint: $(READY) typecheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The repository's root is the package, so mypy sees it through a link that bears its name.
typecheck: $(READY)
	mkdir -p $(VENV)/typed
	ln -sfn ../.. $(VENV)/typed/a2pipe
	MYPYPATH=$(VENV)/typed $(BIN)/mypy --config-file pyproject.toml \
		-m a2pipe $(foreach module,cli.py errors.py files.py version.py,-m a2pipe.$(module:.py=)) \
		$(foreach package,$(PACKAGES),-p a2pipe.$(package))

bench: $(READY)  ## speed, scaling, coverage of intervals; peers.sh and faults.py take longer
	$(BIN)/python benchmarks/boxes.py
	$(BIN)/python benchmarks/patches.py
	$(BIN)/python benchmarks/attention.py
	$(BIN)/python benchmarks/index.py
	$(BIN)/python benchmarks/heads.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/coverage.py --sets 20000

clean:
	rm -rf $(VENV) .demo-cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
