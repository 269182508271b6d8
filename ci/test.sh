#!/usr/bin/env bash
# Installs what is missing, builds, checks and tests everything that fits into 40 minutes on two cores.
# The rest is in ci/long.sh.
#
#   ci/test.sh [--stage NAME]   only that one: install, lint, build, sanitizers, peers, tests, cuda
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source ci/stages.sh

sanitizers() {
  build asan build/asan-plain -DVITRAIL_TORCH=OFF
  run_tests build/asan-plain
}

# GPU code has to compile and link wherever there is a compiler for it; running it needs a GPU.
cuda() {
  if ! nvcc=$(find_nvcc); then
    say "skipped: no nvcc on this machine, so the GPU kernels were not compiled"
    return
  fi
  local programs=(unit_models_cuda unit_sharding_cuda unit_nccl_failures mpi_contract)
  configure cuda build/cuda -DCMAKE_CUDA_COMPILER="$nvcc" && cmake --build build/cuda --target "${programs[@]}" || return
  ctest --test-dir build/cuda -R '^unit_nccl_failures$' --output-on-failure || return
  if [[ -e /dev/nvidia0 ]]; then
    ctest --test-dir build/cuda -R '^unit_.*_cuda$' --output-on-failure
  else
    say "skipped: the other programs (${programs[*]}) were compiled and linked, but there is no GPU to run them"
  fi
}

stage install ci/install.sh
stage lint --needs install ci/lint.sh
stage build --needs install build dev build/dev
stage sanitizers --needs install sanitizers
stage peers --needs build ci/peers.sh
stage tests --needs build run_tests build/dev
stage cuda --needs install cuda
finish
