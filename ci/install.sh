#!/usr/bin/env bash
# Installs what is missing: packages of a Debian-like system, and LibTorch and D3 from PyPI's wheels into .deps
# (or $VITRAIL_DEPS, which several clones may share). What is there is left alone.
#
#   ci/install.sh [run|test|peers]   run: to build and to train; test (default): also to test and to check, and Arrow for
#                                    sources of Parquet (-DVITRAIL_PARQUET=ON); peers: also what
#                                    ci/peers.sh opens our files with
#
# Elsewhere, and without root, libraries come from modules or any CMAKE_PREFIX_PATH: CMake has the last word.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

run_packages=(
  cmake ninja-build g++ ccache mold pkg-config git python3 python3-venv procps
  libopenmpi-dev openmpi-bin libhdf5-dev libboost-program-options-dev libfmt-dev
  libarchive-dev libjpeg-dev libpng-dev libwebp-dev zlib1g-dev libxxhash-dev nlohmann-json3-dev librandom123-dev
  dataset-fashion-mnist)
test_packages=(
  libgtest-dev libgmock-dev hdf5-tools clang libomp-dev clang-format clang-tidy shellcheck
  slurmctld slurmd slurm-client munge iproute2 faketime)
peer_packages=(chromium fonts-dejavu-core)
wheels=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
arrow_wheel=pyarrow==26.0.1

missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f ' ${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true)
  for package; do
    [[ $installed == *" $package:installed "* ]] || echo "$package"
  done
}

# as_root COMMAND...: as we are, or through a sudo that asks no password.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

can_be_root() {
  ((EUID == 0)) || sudo -n true 2>/dev/null
}

# Succeeds if CMake finds every library, wherever it comes from. Its complaint is left in build/probe.
libraries_are_found() {
  local tests=OFF
  [[ $set == run ]] || tests=ON
  command -v cmake >/dev/null &&
    configure dev build/probe --fresh -DVITRAIL_TORCH=OFF -DVITRAIL_TESTS=$tests 2>/dev/null
}

explain_without_root() {
  if ((${#missing[@]})); then
    say "${#missing[@]} packages are missing, and this user is neither root nor has sudo. As root:"
    echo
    echo "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    echo
    say "or without root:"
  else
    say "not a Debian-like system, and CMake does not find everything. Please"
  fi
  cat <<'TEXT'
    take CMake >= 3.25, Ninja, a C++20 compiler, Python, MPI, HDF5, Boost.Program_options, fmt, libjpeg-turbo,
    libpng, libwebp, libarchive, zlib, xxHash, nlohmann-json, Random123 (and GoogleTest for tests) from modules or your own folders:
        module load gcc cmake openmpi hdf5 boost            # names differ from site to site
        python3 -m venv ~/tools && ~/tools/bin/pip install cmake ninja && export PATH=~/tools/bin:$PATH
        export CMAKE_PREFIX_PATH=/path/to/one:/path/to/another
    and run this again.
TEXT
  if ! command -v cmake >/dev/null; then
    say "now: no cmake in PATH"
  elif [[ -f build/probe/configure.log ]]; then
    say "now: $(awk '/^CMake Error/ { seen = 1; next }
                    seen && NF { sub(/^ +/, ""); words = words $0 " " }
                    words && !NF { exit }
                    END { print words }' build/probe/configure.log)(more in build/probe/configure.log)"
  fi
}

ensure_packages() {
  missing=()
  if command -v dpkg-query >/dev/null; then
    mapfile -t missing < <(missing_packages "${packages[@]}")
    ((${#missing[@]})) || return 0
    if can_be_root; then
      say "installing ${#missing[@]} packages: ${missing[*]}"
      as_root apt-get update -q
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
      changed=yes
      return
    fi
  fi
  ensure_d3
  if ! libraries_are_found; then
    explain_without_root >&2
    exit 1
  fi
  ((${#missing[@]} == 0)) || elsewhere=" (CMake finds every library; not from packages: ${missing[*]})"
}

# download_wheels STAGING WHEEL...: their Python part is not used, so one fixed tag serves whatever Python is here.
download_wheels() {
  local staging=$1 machine
  machine=$(uname -m)
  python3 -m venv "$staging/venv"
  TMPDIR=$staging "$staging/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
    --only-binary :all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
    --platform "manylinux_2_28_$machine" --platform "manylinux_2_25_$machine" --platform "manylinux2014_$machine" \
    --target "$staging/wheels" "${@:2}"
}

# For sources of Parquet alone: without it everything else is built and tested.
ensure_arrow() {
  local staging
  [[ ! -e $arrow_dir ]] || return 0
  say "fetching Arrow ($arrow_wheel; 55 MB, 170 MB unpacked) into $arrow_dir"
  mkdir -p "$deps"
  staging=$(mktemp -d "$deps/.arrow.XXXXXX")
  if download_wheels "$staging" "$arrow_wheel"; then
    mv -T "$staging/wheels" "$arrow_dir" 2>/dev/null || [[ -e $arrow_dir ]] || die "cannot create $arrow_dir"
    changed=yes
  else
    say "Arrow could not be fetched: Parquet is neither built nor tested"
  fi
  rm -rf "$staging"
}

# The one file of a wheel that carries D3 for matplotlib's sake; for all systems alike, Debian's is another version.
download_d3() {
  python3 -m venv "$1/venv"
  TMPDIR=$1 "$1/venv/bin/pip" download --quiet --disable-pip-version-check --no-cache-dir --no-deps --dest "$1" mpld3==0.5.12
  mkdir "$1/d3"
  python3 -m zipfile -e "$1"/mpld3-*.whl "$1/wheel"
  cp "$1/wheel/mpld3/js/d3.v5.min.js" "$1/d3"
}

ensure_d3() {
  local staging
  [[ ! -e $deps/d3-5 ]] || return 0
  say "fetching D3 (mpld3==0.5.12; 0.2 MB) into $deps/d3-5"
  mkdir -p "$deps"
  staging=$(mktemp -d "$deps/.d3.XXXXXX")
  if ! download_d3 "$staging"; then
    rm -rf "$staging"
    die "D3 could not be fetched; put d3.v5.min.js into $deps/d3-5 by hand, or name it with cmake -DD3_SCRIPT=FILE"
  fi
  mv -T "$staging/d3" "$deps/d3-5" 2>/dev/null || [[ -e $deps/d3-5 ]] || die "cannot create $deps/d3-5"
  rm -rf "$staging"
  changed=yes
}

# Unpacked under another name and renamed when whole: an interrupted download leaves nothing that looks ready.
ensure_torch() {
  [[ ! -e $torch_dir ]] || return 0
  say "fetching LibTorch (${wheels[*]}; 0.5 GB, 1.2 GB unpacked) into $torch_dir"
  mkdir -p "$deps"
  staging=$(mktemp -d "$deps/.torch.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  download_wheels "$staging" "${wheels[@]}" || die "LibTorch could not be fetched; put the wheels' content into $torch_dir by hand," \
    "or name a LibTorch with cmake -DVITRAIL_TORCH_DIR=FOLDER"
  # Another clone may have been faster; then its copy is as good.
  mv -T "$staging/wheels" "$torch_dir" 2>/dev/null || [[ -e $torch_dir/torch ]] ||
    die "cannot create $torch_dir"
  changed=yes
}

set=${1:-test}
case $set in
  run) packages=("${run_packages[@]}") ;;
  test) packages=("${run_packages[@]}" "${test_packages[@]}") ;;
  peers) packages=("${run_packages[@]}" "${test_packages[@]}" "${peer_packages[@]}") ;;
  *) die "unknown set '$set'; known: run, test, peers" ;;
esac
changed=no
elsewhere=''
ensure_packages
ensure_d3
ensure_torch
[[ $set == run ]] || ensure_arrow
if [[ $changed == yes ]]; then say "done$elsewhere"; else say "nothing to install$elsewhere"; fi
