#!/usr/bin/env bash
# Pins what each .in file asks for, with hashes and without registry addresses. Delete a lock to have newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."
pin() { # pin GLIBC FILE [CONSTRAINTS…]
  local platform=x86_64-$1 file=$2
  shift 2
  .venv/bin/uv pip compile --quiet --python-version 3.11 --python-platform "$platform" \
    --generate-hashes --no-emit-index-url --no-header "${@/#/--constraints=}" "$file.in" -o "$file.txt"
}
pin manylinux_2_28 requirements/deploy
pin manylinux2014 lambdas/ingest/requirements
pin manylinux2014 lambdas/start_training/requirements
pin manylinux2014 lambdas/record_failure/requirements
pin manylinux2014 lambdas/sweep/requirements
pin manylinux2014 lambdas/notify/requirements
pin manylinux_2_28 requirements/dev requirements/deploy.txt lambdas/ingest/requirements.txt
pin manylinux_2_28 local/requirements
pin manylinux_2_28 container/requirements
pin manylinux_2_28 container/requirements-test container/requirements.txt
pin manylinux_2_28 tests/sdk/requirements
