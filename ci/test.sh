#!/usr/bin/env bash
# Installs what is missing, builds, checks and tests everything that fits into 40 minutes on two cores.
# The rest is in ci/long.sh.
#
#   ci/test.sh [--stage NAME]   only that one: install, lint, build, sanitizers, peers, tests
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source ci/stages.sh

sanitizers() {
  build asan build/asan-plain -DVITRAIL_TORCH=OFF
  run_tests build/asan-plain
}

stage install ci/install.sh
stage lint --needs install ci/lint.sh
stage build --needs install build dev build/dev
stage sanitizers --needs install sanitizers
stage peers --needs build ci/peers.sh
stage tests --needs build run_tests build/dev
finish
