#!/usr/bin/env bash
# The checks that do not fit into .ci/run: tidy and header builds of files that include torch, every unit test
# under AddressSanitizer and UndefinedBehaviorSanitizer, the torch-free ones under ThreadSanitizer,
# each fuzzer for a while, runs at every number of ranks, nodes that fail, the chain of recipes, the worked
# examples, what is learned beside PyTorch, the rows of gpu.sh on a processor, the bundle for GPU machines, the containers' recipes, compilers, a run in
# Weights & Biases.
#
#   ci/long.sh [--stage NAME]   only that one: install, lint, asan, tsan, fuzz, runs, cluster, examples, learning,
#                               faults, gpu_rows, bundle, containers, compilers, wandb
#   ci/long.sh faults [all|CAMPAIGN...] [--rounds N] [--seed N]   what tests/faults/campaigns/long.py does, after its builds; the table
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Faults by the hundred. Counts add up in build/faults over several runs.
faults() {
  local programs=(checkpoint config archive image manifest matlab pack spool)
  build dev build/dev
  configure asan build/asan-plain -DVITRAIL_TORCH=OFF && cmake --build build/asan-plain --target unit_trainer
  configure fuzz build/fuzz && cmake --build build/fuzz --target "${programs[@]/#/fuzz_}"
  python3 -B -u tests/faults/campaigns/long.py "$@"
}
if [[ ${1:-} == faults ]]; then
  shift
  faults "$@"
  exit
fi
source ci/stages.sh

asan() {
  build asan build/asan
  run_tests build/asan
}

tsan() {
  build tsan build/tsan-plain -DVITRAIL_TORCH=OFF
  run_tests build/tsan-plain
}

# Seconds of each fuzzer: VITRAIL_FUZZ_SECONDS. What is found lies in build/fuzz/found, and the program's output names it.
fuzz() {
  local target status=0
  configure fuzz build/fuzz && cmake --build build/fuzz || return
  for target in archive checkpoint config image manifest matlab pack spool; do
    mkdir -p "build/fuzz/corpus/$target" build/fuzz/found
    "build/fuzz/fuzz_$target" -max_total_time="${VITRAIL_FUZZ_SECONDS:-20}" -timeout=30 -rss_limit_mb=4096 -verbosity=0 \
      -artifact_prefix="build/fuzz/found/$target-" "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" || status=1
  done
  return "$status"
}

# What ci/test.sh leaves out: combinations of numbers of ranks and kinds of runs, exchanges of hundreds of ranks.
runs() {
  build dev build/dev
  VITRAIL_LONG=1 ctest --test-dir build/dev --output-on-failure --no-tests=error -R '^(runs_(ranks|exchange|evaluation)|unit_sharding)$'
}

# Minutes of waiting for Slurm to notice that a node is gone; the chain of recipes, long enough to learn.
cluster() {
  local subject status worst=0
  build dev build/dev
  for subject in nodes recipes; do
    status=0
    VITRAIL_LONG=1 VITRAIL=build/dev/vitrail python3 -B -u "tests/slurm/${subject}_test.py" -v || status=$?
    if ((status != 0 && status != 77)); then worst=$status; fi  # 77: not tested here, and why was said
  done
  return "$worst"
}

# The worked examples whose figures the documents show.
examples() {
  build dev build/dev
  VITRAIL=build/dev/vitrail ci/few_labels.sh --fresh
}

# Hours: seeds by the three, beside PyTorch or beside what a claim is about (tests/peers/README.md has the tables).
learning() {
  local subject status=0
  build dev build/dev
  ensure_peers && ensure_peers_cuda || return
  for subject in supervised families grafit mae dino; do
    with_torch "$peers/bin/python" -B -u "tests/peers/learning/$subject.py" build/dev/vitrail || status=1
  done
  return "$status"
}

# That everything of ci/gpu.sh starts where only PyTorch is; MPI is seen to work there.
bundle() {
  local folder
  if ! find_nvcc >/dev/null; then
    say "skipped: no nvcc on this machine"
    return
  fi
  ensure_peers && ensure_peers_cuda || return
  folder=$(mktemp -d)
  ci/bundle.sh "$folder/bundle.tar.xz" && tar -C "$folder" -xJf "$folder/bundle.tar.xz" &&
    PYTHON=$peers/bin/python with_torch "$folder/vitrail-gpu/ci/gpu.sh" --dry-run || return
  rm -rf "$folder"
}

# Every row of ci/gpu.sh at a small size on a processor, beside timm, and the optimizer that it compares with.
gpu_rows() {
  ensure_peers && ensure_peers_cuda && build dev build/dev || return
  with_torch "$peers/bin/python" -B tests/bench/gpu/fused_lamb_test.py || return
  PYTHON=$peers/bin/python VITRAIL_BUILD=build/dev with_torch ci/gpu.sh --on-cpu
}

# What others compile with: all that needs no LibTorch, without a warning, and the program by the oldest of each kind. Those that are not
# here come from apt, where it has them and we may install.
compilers() {
  local version cxx folder built=() program
  for version in gcc-11 gcc-12 gcc-13 clang-14 clang-15 clang-16; do
    cxx=${version/gcc/g++} cxx=${cxx/clang/clang++}
    command -v "$cxx" >/dev/null || as_root_install "${cxx/clang++/clang}" || continue
    folder=build/$version
    build release "$folder" -DVITRAIL_TORCH=OFF -DVITRAIL_WARNINGS_AS_ERRORS=ON -DCMAKE_C_COMPILER="$version" -DCMAKE_CXX_COMPILER="$cxx" || return
    built+=("$version")
  done
  for program in gcc-11 clang-14; do
    [[ " ${built[*]} " == *" $program "* ]] || continue
    cxx=${program/gcc/g++} cxx=${cxx/clang/clang++}
    build release "build/$program-torch" -DCMAKE_C_COMPILER="$program" -DCMAKE_CXX_COMPILER="$cxx" || return
    "build/$program-torch/vitrail" --version || return
  done
  say "built by ${built[*]:-none}"
  ((${#built[@]}))
}

# The line of launcher/README.md that gives a run to Weights & Biases, without a network. 60 MB of packages, so not in .ci/run.
wandb() {
  build dev build/dev
  python3 -m venv --clear build/wandb && build/wandb/bin/pip install --quiet --disable-pip-version-check --no-deps -r ci/wandb.txt &&
    build/wandb/bin/python tests/peers/report/wandb_interop.py build/dev/vitrail
}

# as_root_install PACKAGE: fails where apt has none, or may not be asked.
as_root_install() {
  ((EUID == 0)) && [[ $(apt-cache policy "$1" 2>/dev/null) == *Candidate:\ [0-9]* ]] &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" >/dev/null
}

stage install ci/install.sh
stage lint --needs install ci/lint.sh --all
stage asan --needs install asan
stage tsan --needs install tsan
stage fuzz --needs install fuzz
stage runs --needs install runs
stage cluster --needs install cluster
stage examples --needs install examples
stage learning --needs install learning
stage faults --needs install faults all
stage gpu_rows --needs install gpu_rows
stage bundle --needs install bundle
stage containers --needs install ci/containers/check.sh
stage compilers --needs install compilers
stage wandb --needs install wandb
finish
