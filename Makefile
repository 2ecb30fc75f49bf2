# make demo     eight schools: FHL beside NUTS in NumPyro; writes out/eight_schools.png; one to two minutes
# make examples the demo, a drug's kinetics and a climate; each draws out/NAME.png; a quarter of an hour
# make gallery  the guide with all examples run, and their pictures stored in docs/images/gallery
# make test     everything that has to pass: lint, types, layers, tests, doctests
# make lint     the first three of these alone
# make test-gpu what needs a GPU, with the backends that the environment has for it; else skipped
# make docs     the guide as web pages, from out/docs/index.html on; needs both backends, no network
# make format   rewrite the files the way `make lint` wants them
# make clean    remove what the other targets made
#
# Each does its own set-up in a virtual environment. Variables:
#   PYTHON=python3.12       another interpreter, with an environment of its own
#   BACKENDS=numpyro        leave one of "numpyro pyro" out, with all that it would install
#   SLOW=1                  also run the long statistical checks
#   JOBS=2                  test processes side by side
#   PYTEST_ARGS="-k leader" passed on to pytest

PYTHON ?= python3
BACKENDS ?= numpyro pyro
JOBS ?= 2
PYTEST_ARGS ?=

PYVER := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(PYVER),)
$(error $(PYTHON) does not run; name a Python 3.11 or newer with PYTHON=...)
endif

VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(PYVER))
BIN := $(VENV)/bin
# Only Python versions with tested pins have a file; others get what pip picks.
CONSTRAINTS := $(wildcard constraints/python-$(PYVER).txt)
PIP_INSTALL = @echo "Installing into $(VENV), which takes minutes the first time." && $(BIN)/python -m pip install --quiet --progress-bar off \
	--disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS))

comma := ,
empty :=
space := $(empty) $(empty)
EXTRAS := $(subst $(space),$(comma),$(strip $(BACKENDS) arviz dev))

# The names of the stamps hold what was asked for, so that a change of it installs anew.
VENV_STAMP := $(VENV)/.python-$(PYVER)
DEMO_STAMP := $(VENV)/.installed-demo
DOCS_STAMP := $(VENV)/.installed-docs
TEST_STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))

# Small arrays: threads of the linear algebra would only get in each other's way.
export OMP_NUM_THREADS ?= 1
# Tells the tests which missing libraries FHL_REQUIRE_ALL=1 does not ask for.
export FHL_BACKENDS := $(BACKENDS)

SPHINX := $(BIN)/python -m sphinx --fail-on-warning --keep-going
PYTEST := $(BIN)/python -m pytest $(if $(SLOW),,-m "not slow")$(addprefix $(space),$(PYTEST_ARGS))
# Where two programs have to give the same bits, they are compiled as users have them compiled.
SAME_BITS := $(if $(filter numpyro,$(BACKENDS)),$(addprefix test-numpyro/, \
	test_blocks.py test_traced_settings.py))
TESTS := test-package test-core test-invariance test-diagnostics test-running test-benchmarks \
	$(addprefix test-,$(BACKENDS)) $(SAME_BITS) doctest-core $(addprefix doctest-,$(BACKENDS))

.PHONY: help demo examples docs gallery test test-gpu lint ruff mypy layers format clean $(TESTS)

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: $(DEMO_STAMP)
	@echo "Eight schools: FHL, then NUTS, each 8 chains of 1000 + 1000. One to two minutes, most of it compiling."
	@$(BIN)/python examples/eight_schools.py

examples: demo
	@echo "A drug in twelve subjects: FHL with the gradient of a coarse solver, NUTS, the coarse solver. Four to seven minutes."
	@$(BIN)/python examples/pharmacokinetics.py
	@echo "A climate with two steady states, by a simulator without a gradient: FHL beside NUTS. Some four minutes."
	@$(BIN)/python examples/climate.py

# What Sphinx warns of, such as a link that leads nowhere, fails the target.
docs: $(DOCS_STAMP)
	$(SPHINX) --quiet -d out/doctrees docs out/docs

# What was run before and has not changed is not run again.
gallery: $(DOCS_STAMP)
	$(SPHINX) -D plot_gallery=True -d out/doctrees docs out/docs
	$(BIN)/python docs/store_pictures.py
	$(BIN)/python docs/draw_iteration.py

test: lint $(TESTS)

lint: ruff mypy layers

ruff: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: $(TEST_STAMP)
	$(BIN)/mypy

layers: $(TEST_STAMP)
	$(BIN)/lint-imports

format: $(TEST_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One process for each backend: forking Pyro's chains with JAX loaded can deadlock. A process that
# finds no tests exits with 5, which fails the target.
$(filter-out doctest-%,$(TESTS)): test-%: $(TEST_STAMP)
	$(PYTEST) -n $(JOBS) tests/$* $(IGNORED)

# JAX and Torch for a GPU are installed by hand, over what is there: see docs/how-to/several-devices.md.
test-gpu: $(TEST_STAMP)
	$(if $(filter numpyro,$(BACKENDS)),$(PYTEST) tests/gpu/test_jax.py)
	$(if $(filter pyro,$(BACKENDS)),$(PYTEST) tests/gpu/test_torch.py)

test-numpyro: IGNORED := $(SAME_BITS:test-%=--ignore=tests/%)

# Tests compile more than they run: what takes long to compile is not made faster.
$(TESTS): export JAX_DISABLE_MOST_OPTIMIZATIONS ?= 1
ifeq ($(PYVER),3.11)
# A third of the rest; the jaxlib that later Pythons are pinned to does not know it, and ends.
$(filter-out $(SAME_BITS),$(TESTS)): export XLA_FLAGS ?= --xla_cpu_use_fusion_emitters=false
endif

doctest-core: $(TEST_STAMP)
	$(PYTEST) --doctest-modules fhl_ppl --ignore=fhl_ppl/numpyro --ignore=fhl_ppl/pyro

$(addprefix doctest-,$(BACKENDS)): doctest-%: $(TEST_STAMP)
	$(PYTEST) --doctest-modules fhl_ppl/$*

$(VENV_STAMP):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(DEMO_STAMP): $(VENV_STAMP) pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) --editable '.[examples]'
	touch $@

$(DOCS_STAMP): $(VENV_STAMP) pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) --editable '.[docs]'
	touch $@

$(TEST_STAMP): $(VENV_STAMP) pyproject.toml $(CONSTRAINTS)
	$(PIP_INSTALL) --editable '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf .venv .venv-* out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
