# shellcheck shell=bash
# Sourced by the scripts of this folder: where things are, how to say something, how to build and to run tests.
# Leaves the caller in the root of the repository.
set -euo pipefail
deps=$(realpath -m "${VITRAIL_DEPS:-$(dirname "${BASH_SOURCE[0]}")/../.deps}")  # clones may share one
torch_dir=$deps/torch-2.11.0
arrow_dir=$deps/arrow-26.0.1
export VITRAIL_DEPS=$deps
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Open MPI starts nothing as root unless told that this is meant; a container's root is.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }

die() {
  say "$*" >&2
  exit 1
}

# The CUDA compiler's path; fails where there is none.
find_nvcc() { command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null; }

# configure PRESET FOLDER [CMAKE ARGUMENTS...]: a build folder with our LibTorch, and for `dev` Arrow where it is there;
# silent unless it fails.
configure() {
  local preset=$1 folder=$2
  shift 2
  [[ $preset != dev || ! -e $arrow_dir ]] || set -- -DVITRAIL_PARQUET=ON "$@"
  mkdir -p "$folder"
  if ! cmake --preset "$preset" -B "$folder" -DVITRAIL_TORCH_DIR="$torch_dir" "$@" >"$folder/configure.log" 2>&1; then
    sed -n '/^CMake Error/,$p' "$folder/configure.log" >&2
    say "CMake cannot configure $folder (all it says: $folder/configure.log)" >&2
    return 1
  fi
}

# build PRESET FOLDER [CMAKE ARGUMENTS...]: configures and compiles everything in it.
build() {
  configure "$@" && cmake --build "$2"
}

# run_tests FOLDER: two at once for each core, because many wait for jobs, processes and disks most of the time, and none
# depends on how fast it is.
run_tests() {
  local status=0
  ctest --test-dir "$1" --output-on-failure --no-tests=error -j "$((2 * $(nproc)))" || status=$?
  local log=$1/Testing/Temporary/LastTest.log
  # ctest says what was skipped, but not why; tests do.
  sed -n 's/^skipped: /not tested here: /p' "$log"
  # Of a program with many tests, what failed without what passed.
  ((status == 0)) ||
    { grep -E -A 15 ': Failure$|^FAIL|Traceback|ERROR: .*Sanitizer|runtime error:' "$log" || true; } | sed '/^\[       OK \]/d'
  return "$status"
}

# fashion_mnist train|t10k: the data source of one split, from Debian's package or $VITRAIL_FASHION_MNIST.
fashion_mnist() {
  local folder=${VITRAIL_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
  local images=$folder/$1-images-idx3-ubyte.gz labels=$folder/$1-labels-idx1-ubyte.gz
  [[ -r $images && -r $labels ]] ||
    die "Fashion-MNIST is not in $folder: install Debian's dataset-fashion-mnist, or name the folder of its four" \
      "idx files in VITRAIL_FASHION_MNIST"
  echo "idx:$images,$labels"
}

# ensure_fashion_pack VITRAIL train|t10k FOLDER: packed unless it is there.
ensure_fashion_pack() {
  local source
  if [[ -f $3/manifest.json ]]; then
    say "$3 is there"
    return
  fi
  source=$(fashion_mnist "$2")
  say "packing $source into $3"
  "$1" pack --source "$source" --output "$3"
}

# Python with the packages of ci/peers.txt in $peers. The list is copied into the environment last: only a whole
# environment has it.
peers=$deps/peers
ensure_peers() {
  if cmp -s ci/peers.txt "$peers/peers.txt"; then return; fi
  say "installing the $(wc -l <ci/peers.txt) packages of ci/peers.txt into $peers"
  python3 -m venv --clear "$peers"
  "$peers/bin/pip" install --quiet --disable-pip-version-check --no-deps -r ci/peers.txt
  cp ci/peers.txt "$peers/peers.txt"
}

# Python's torch is the wheel that LibTorch comes from. It loads all of CUDA 13, GPU or not.
cuda=${CUDA_HOME:-/usr/local/cuda}/lib64
peers_have_cuda() { [[ -e $cuda/libcublas.so.13 || -e $peers/cuda13 ]]; }

# For machines without a CUDA toolkit: the libraries from PyPI (2.5 GB unpacked).
ensure_peers_cuda() {
  if peers_have_cuda; then return; fi
  say "installing CUDA 13's libraries for Python's torch into $peers"
  "$peers/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0
  touch "$peers/cuda13"
}

# with_torch COMMAND...: with torch importable by the Python of ensure_peers.
with_torch() {
  local wheels
  wheels=$(printf ':%s' "$peers"/lib/python3*/site-packages/nvidia/*/lib)
  PYTHONPATH=$torch_dir LD_LIBRARY_PATH=$cuda$wheels${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@"
}
