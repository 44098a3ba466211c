# The only interface: `make help` lists what there is.
# Supported for running locally: Linux on x86_64 with Python 3.11 and Node.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
UV := .venv/bin/uv
PIP_INSTALL := $(UV) pip install --quiet --require-hashes --link-mode copy
CDK := node_modules/.bin/cdk
ASSEMBLY := $(CURDIR)/build/assembly
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# What the CDK validates by itself takes half of a synth; tests/infrastructure has it on.
export CDK_VALIDATION := false
export PYTHONWARNINGS :=
# Byte code is kept: mxnet alone takes 5 s longer to import without.
export PYTHONDONTWRITEBYTECODE :=

# Threads of numpy and scikit-learn wait busily, and nothing here has a machine alone.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1

# Four at a time, as much of each is waiting; the words of each together at its end.
ifneq ($(filter install check test,$(MAKECMDGOALS)),)
MAKEFLAGS += --jobs=4 --output-sync=target
endif

.PHONY: help install demo redrive smoke-aws test test-unit test-unit-of-local test-unit-of-others test-infrastructure test-container test-image test-browser test-sdk test-integration test-faults test-faults-of-report test-faults-of-others soak synth check check-style check-types check-template bench-readers bench-ingest bench-report bench-image bench-quality lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

install: .venv/dev .venv-cloud/ready .venv-report/test .venv-sdk/ready node_modules/ready chromium $(ASSEMBLY)/manifest.json

demo: .venv/deploy .venv-cloud/ready .venv-report/ready node_modules/ready ## cluster a sample on the embedded cloud
	.venv/bin/python -m local demo

# Those that take longest first.
SUITES := test-integration test-container test-unit-of-others test-faults-of-others test-faults-of-report test-unit-of-local test-infrastructure test-browser test-sdk

test: $(SUITES) ## every test but those of `make soak` and `make test-image`, four suites at a time

test-unit: test-unit-of-local test-unit-of-others

# Coverage is measured of geoclusters/ and lambdas/ alone.
test-unit-of-local: .venv/dev .venv-cloud/ready .venv-report/ready
	.venv/bin/python -m pytest -q tests/unit/local

test-unit-of-others: .venv/dev .venv-cloud/ready .venv-report/ready
	.venv/bin/python -m pytest -q tests/unit --ignore tests/unit/local --cov

test-infrastructure: .venv/dev node_modules/ready
	.venv/bin/python -m pytest -q tests/infrastructure

test-sdk: .venv-sdk/ready .venv-cloud/ready .venv-report/ready
	.venv-sdk/bin/python -m pytest -q tests/sdk

test-container: .venv-report/test node_modules/ready
	.venv-report/bin/python -m pytest -q tests/container

test-image: .venv/dev .venv-cloud/ready .venv-report/ready $(ASSEMBLY)/manifest.json chromium ## build the image and run the pipeline through it (installs Docker)
	GEOCLUSTERS_ASSEMBLY=$(ASSEMBLY) .venv/bin/python -m tests.image.engine .venv/bin/python -m pytest -q tests/image

test-browser: .venv-report/test node_modules/ready chromium
	.venv-report/bin/python -m tests.browser.pages build/pages
	node --test tests/browser

test-integration: .venv/dev .venv-cloud/ready .venv-report/ready $(ASSEMBLY)/manifest.json chromium
	GEOCLUSTERS_ASSEMBLY=$(ASSEMBLY) .venv/bin/python -m pytest -q tests/integration

test-faults: test-faults-of-report test-faults-of-others

test-faults-of-report: .venv/dev .venv-cloud/ready .venv-report/ready
	.venv/bin/python -m pytest -q tests/faults/test_report.py

test-faults-of-others: .venv/dev .venv-cloud/ready .venv-report/ready
	.venv/bin/python -m pytest -q tests/faults --ignore tests/faults/test_report.py

soak: .venv/dev .venv-cloud/ready .venv-report/ready $(ASSEMBLY)/manifest.json ## many uploads at once, within a quota and with faults
	GEOCLUSTERS_ASSEMBLY=$(ASSEMBLY) .venv/bin/python -m pytest -q -s tests/soak

synth: .venv/deploy node_modules/ready ## write the CloudFormation assembly to cdk.out
	$(CDK) synth --quiet

# What several suites deploy.
$(ASSEMBLY)/manifest.json: .venv/deploy node_modules/ready $(shell find app.py cdk.json infra lambdas geoclusters container -type f -not -path '*/__pycache__/*')
	rm -rf $(ASSEMBLY)
	$(CDK) synth --quiet --output $(ASSEMBLY)

check: check-style check-types ## lint and types

check-style: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

check-types: .venv/dev .venv-cloud/ready
	.venv/bin/mypy .

check-template: .venv/dev node_modules/ready ## the template's rules alone, which `make test` holds too
	.venv/bin/python -m infra.checks

smoke-aws: .venv/deploy node_modules/ready ## go the whole way in your AWS account, and remove everything (OPTIONS=--keep leaves it)
	.venv/bin/python -m operations.smoke $(OPTIONS)

redrive: .venv/deploy ## send dead letters back after a mend (STACK=geoclusters)
	.venv/bin/python -m operations.redrive --stack "$(or $(STACK),geoclusters)"

bench-readers: .venv/dev ## measure the packages that could read tables
	.venv/bin/python -m benchmarks.readers

bench-ingest: .venv/dev .venv-sdk/ready ## measure how fast tables become training data
	.venv/bin/python -m benchmarks.ingest
	.venv/bin/python -m benchmarks.ingest --kinds --cpus 1

bench-report: .venv-report/test ## measure how fast the report is, and its memory
	.venv-report/bin/python -m benchmarks.report

bench-image: .venv/dev .venv-cloud/ready .venv-report/ready node_modules/ready ## measure the image's size and its start to a first result
	.venv/bin/python -m tests.image.engine .venv/bin/python -m benchmarks.image

bench-quality: .venv-report/test ## measure how good the clusters are, step by step (takes hours)
	.venv-report/bin/python -m benchmarks.quality

lock: .venv/deploy ## pin what the .in files ask for
	./requirements/lock.sh

clean: ## remove what was installed and built
	rm -rf .venv .venv-cloud .venv-report .venv-sdk node_modules cdk.out build results

# --- environments -------------------------------------------------------------
# Each is made by uv from a lock file with hashes; the stamp is newer than the lock.

.PHONY: platform
platform:
	@[ "$$(uname -sm)" = "Linux x86_64" ] || { echo "geoclusters runs locally on Linux x86_64 only; this is $$(uname -sm)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "geoclusters needs Python 3.11; '$(PYTHON)' is not that (set PYTHON=...)."; exit 1; }
	@command -v node >/dev/null || { echo "geoclusters needs Node to run the AWS CDK; there is no 'node' on the PATH."; exit 1; }

$(UV): | platform
	$(PYTHON) -m venv .venv
	sed -n '/^uv==/,/# via/p' requirements/deploy.txt >.venv/uv.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt

.venv/deploy: requirements/deploy.txt | $(UV)
	$(PIP_INSTALL) --python .venv/bin/python -r $<
	@touch $@

.venv/dev: requirements/dev.txt .venv/deploy | $(UV)
	$(PIP_INSTALL) --python .venv/bin/python -r $<
	@touch $@

.venv-cloud/ready: local/requirements.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-cloud
	$(PIP_INSTALL) --python .venv-cloud/bin/python -r $<
	@touch $@

.venv-report/ready: container/requirements.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-report
	$(PIP_INSTALL) --python .venv-report/bin/python -r $<
	@touch $@

.venv-report/test: container/requirements-test.txt .venv-report/ready | $(UV)
	$(PIP_INSTALL) --python .venv-report/bin/python -r $<
	@touch $@

.venv-sdk/ready: tests/sdk/requirements.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-sdk
	$(PIP_INSTALL) --python .venv-sdk/bin/python -r $<
	@touch $@

.PHONY: chromium
chromium:
	@tests/browser/find-chromium.sh >/dev/null

node_modules/ready: package-lock.json package.json | platform
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
