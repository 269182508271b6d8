#!/usr/bin/env bash
# Installs what is missing, builds once and runs all tests: 15 minutes on two cores where LibTorch is in place.
# ci/lint.sh has what is checked without running the program, ci/checks.sh and ci/long.sh what takes longer.
#
#   ci/test.sh [--stage NAME]   only that one: install, build, tests
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source ci/stages.sh

stage install ci/install.sh
stage build --needs install build dev build/dev
stage tests --needs build run_tests build/dev
finish
