#!/usr/bin/env bash
# The checks that do not fit into ci/test.sh: tidy and header builds of files that include torch, every unit test
# under AddressSanitizer and UndefinedBehaviorSanitizer, the torch-free ones under ThreadSanitizer.
#
#   ci/long.sh [--stage NAME]   only that one: install, lint, asan, tsan
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source ci/stages.sh

asan() {
  build asan build/asan
  run_tests build/asan
}

tsan() {
  build tsan build/tsan-plain -DVITRAIL_TORCH=OFF
  run_tests build/tsan-plain
}

stage install ci/install.sh
stage lint --needs install ci/lint.sh --all
stage asan --needs install asan
stage tsan --needs install tsan
finish
