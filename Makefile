# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` need Debian or a relative of it, a Swift 6.3 toolchain and Python 3.11;
# what else they need they install: Debian packages, and Python packages into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
LIBRARY := .build/lib/libcnnlens.so
SWIFT_TEST := CNNLENS_CPU_VARIANTS=1 swift test -c release -Xswiftc -enable-testing --scratch-path .build-tests

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What a person asks for ---------------------------------------------------------------------------

.PHONY: demo
demo: install ## explain a photograph with the built-in network; pictures go into demo/
	@mkdir -p demo
	$(BIN)/cnnlens predict $(DEMO_IMAGE)
	$(BIN)/cnnlens explain $(DEMO_IMAGE) --out demo/explanation.png --maps demo
	@echo "The pictures are in $(CURDIR)/demo:"; ls demo/*.png

.PHONY: demo-style
demo-style: install ## a photograph in the style of a painting, into demo/ (fetches a VGG-16 trunk, 55 MB)
	@mkdir -p demo
	@test -f $(TRUNK) || { python3 -m venv .build/trunk-venv && .build/trunk-venv/bin/pip install --quiet h5py onnx && \
	  .build/trunk-venv/bin/python python/tools/vgg_trunk.py $(TRUNK); }
	cd demo && $(CURDIR)/$(BIN)/python $(CURDIR)/python/docs/gallery/plot_style.py
	@echo "The picture is $(CURDIR)/demo/plot_style.png"

# Kept between clones. h5py and onnx are needed to write it, so they get an environment of their own.
TRUNK := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cnnlens/vgg16-trunk.onnx

DEMO_IMAGE := python/src/cnnlens/data/chelsea.jpg

.PHONY: gallery
gallery: install ## draw the gallery's pictures again; GALLERY="cams lime" draws some
	$(BIN)/python python/tools/gallery.py python/docs/gallery python/docs/images/gallery $(GALLERY)

.PHONY: test
test: test-swift test-c test-python ## run every test

.PHONY: build
build: library ## build libcnnlens.so

.PHONY: install-library
install-library: library ## put libcnnlens.so, cnnlens.h and cnnlens.pc under PREFIX (/usr/local)
	@CInterface/install_library.sh "$(DESTDIR)" "$(PREFIX)"

PREFIX ?= /usr/local

.PHONY: install
install: venv library ## build everything and install the Python package into .venv
	@CNNLENS_LIBRARY=$(CURDIR)/$(LIBRARY) $(BIN)/python python/tools/install.py

.PHONY: wheel
wheel: venv library ## build a wheel that runs without Swift, in dist/
	CNNLENS_LIBRARY=$(CURDIR)/$(LIBRARY) $(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ./python
	@ls -l dist/*.whl

# Tests ---------------------------------------------------------------------------------------------

.PHONY: test-swift
test-swift: system ## the Swift tests, optimised, and a package that depends on this one
	$(SWIFT_TEST)
	Tests/PackageTests/as_dependency.sh

.PHONY: test-c
test-c: library ## the C interface from C and C++, its symbols, and the examples
	@Tests/CInterfaceTests/run.sh

.PHONY: test-python
test-python: install ## the Python tests and the ONNX operator suite
	$(BIN)/python -m pytest python/tests

.PHONY: test-networks
test-networks: install ## real networks against PyTorch (needs torch in .venv)
	@$(BIN)/python -c 'import torch, torchvision, timm, onnxscript, onnxruntime' || \
	  { echo "test-networks needs PyTorch: $(BIN)/pip install torch torchvision timm onnxscript onnxruntime"; exit 1; }
	test -f $(NETWORKS)/manifest.json || $(BIN)/python Tests/Goldens/generate.py networks $(NETWORKS)
	CNNLENS_GOLDENS=$(NETWORKS) $(BIN)/python -m pytest python/tests/test_goldens.py

# 8 GB and half an hour to make; kept between runs.
NETWORKS ?= $(CURDIR)/.build/networks

# Benchmarks ----------------------------------------------------------------------------------------

.PHONY: bench
bench: venv library ## time cnnlens beside its peers; BENCH=--quick takes minutes, BENCH=--help tells the rest
	@$(BIN)/python python/benchmarks/environment.py $(BENCH_VENV)
	@CNNLENS_LIBRARY=$(CURDIR)/$(LIBRARY) $(BENCH_VENV)/bin/python python/tools/install.py
	@PYTHONPATH=python $(BENCH_VENV)/bin/python -m benchmarks $(BENCH)

# The peers take 2 GB; TORCH_WHEEL=/path/to/torch.whl says which PyTorch.
BENCH_VENV := .build/bench-venv

# Tools ---------------------------------------------------------------------------------------------

.PHONY: format
format: venv ## format Swift, C and Python
	swift format --in-place --recursive Package.swift Sources CInterface Tests
	$(BIN)/clang-format -i $(C_SOURCES)
	$(BIN)/ruff format python

.PHONY: lint
lint: install ## linters and type checks
	swift format lint --strict --recursive Package.swift Sources CInterface Tests
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	$(BIN)/ruff check python
	$(BIN)/ruff format --check python
	cd python && ../$(BIN)/mypy --strict src/cnnlens tests/typing_examples.py benchmarks

C_SOURCES = $(shell git ls-files '*.c' '*.h' '*.cpp')

.PHONY: clean
clean: ## remove everything that was made
	rm -rf .build .build-tests $(VENV) dist demo build python/build python/dist
	rm -rf python/src/*.egg-info python/src/cnnlens/*.so

# Steps ---------------------------------------------------------------------------------------------

.PHONY: system
system:
	@python/tools/install_system_packages.sh

.PHONY: library
library: system
	@CInterface/build_library.sh > /dev/null

.PHONY: venv
venv: $(VENV)/.stamp

$(VENV)/.stamp: python/pyproject.toml python/tools/make_venv.sh | system
	@python/tools/make_venv.sh $(VENV)
	@touch $@
