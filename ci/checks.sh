#!/usr/bin/env bash
# What must pass before a change is merged, beside ci/lint.sh and ci/test.sh: tests that need no LibTorch under
# AddressSanitizer and UndefinedBehaviorSanitizer, other programs that read what ours wrote, and GPU code compiled where
# nvcc is. After ci/test.sh, whose build it uses.
#
#   ci/checks.sh [--stage NAME]   only that one: install, sanitizers, peers, cuda
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source ci/stages.sh

sanitizers() {
  build asan build/asan-plain -DVITRAIL_TORCH=OFF
  run_tests build/asan-plain
}

peers() {
  configure dev build/dev && cmake --build build/dev --target vitrail
  ci/peers.sh
}

# GPU code has to compile and link wherever there is a compiler for it, the program that users run first of all. Kernels run
# in ci/test.sh and under sanitizers, on a GPU that is the host (tests/support/gpu_on_host); here they need a real one.
cuda() {
  if ! nvcc=$(find_nvcc); then
    say "skipped: no nvcc on this machine, so the GPU kernels were not compiled"
    return
  fi
  local programs=(vitrail unit_models_cuda unit_sharding_cuda unit_nccl_failures unit_count_kernels count_kernels mpi_contract)
  configure cuda build/cuda -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="80;90" && cmake --build build/cuda --target "${programs[@]}" || return
  ci/check_kernels.py build/cuda || return
  ensure_peers  # libraries that LibTorch loads beside CUDA's own
  with_torch build/cuda/vitrail --version && ctest --test-dir build/cuda -R '^unit_(nccl_failures|count_kernels)$' --output-on-failure || return
  if [[ -e /dev/nvidia0 ]]; then
    ctest --test-dir build/cuda -R '^unit_.*_cuda$' --output-on-failure
  else
    say "skipped: the other programs (${programs[*]}) were compiled and linked, but there is no GPU to run them"
  fi
}

stage install ci/install.sh
stage sanitizers --needs install sanitizers
stage peers --needs install peers
stage cuda --needs install cuda
finish
