#!/usr/bin/env bash
# What the recipes of this folder run, in the images that they name:
#
#   build.sh program [PRESET]   in the first: builds and installs to /opt/vitrail, and notes there which of the distribution's
#                               packages own the libraries that it loads. PRESET: release (default), cuda
#   build.sh system             in the final one, which has /opt/vitrail: installs these packages and mpirun, nothing else
set -euo pipefail
prefix=/opt/vitrail
noted=$prefix/share/vitrail/packages.txt

# All of CUDA's libraries come with Python's torch, in the folder where install.sh looks for LibTorch.
fetch_cuda() {
  [[ ! -e $torch_dir ]] || return 0
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-venv
  python3 -m venv /tmp/venv
  /tmp/venv/bin/pip install --quiet --no-cache-dir --target "$torch_dir" torch==2.11.0
}

# The packages of libraries that are the distribution's. dpkg knows a file by its path before or after /usr was merged.
owners() {
  local library
  find "$prefix/bin" "$prefix/lib" -type f \( -name vitrail -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
    awk '$3 ~ "^/(usr/)?lib" { print $3 }' | sort -u |
    while read -r library; do
      library=$(realpath "$library")
      dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "${library#/usr}" 2>/dev/null ||
        echo "build.sh: no package owns $library" >&2
    done | cut -d : -f 1 | sort -u
}

program() {
  local preset=${1:-release}
  source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
  if [[ $preset == cuda ]]; then fetch_cuda; fi
  ci/install.sh run
  configure "$preset" build/container -DVITRAIL_TESTS=OFF -DVITRAIL_WARNINGS_AS_ERRORS=OFF
  cmake --build build/container
  cmake --install build/container --prefix "$prefix" --strip
  owners >"$noted"
  say "loads libraries of: $(paste -sd ' ' "$noted")"
}

system() {
  local packages
  mapfile -t packages <"$noted"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends openmpi-bin "${packages[@]}"
  rm -rf /var/lib/apt/lists/*
}

case ${1:-} in
  program) program "${2:-}" ;;
  system) system ;;
  *)
    echo "build.sh: program [PRESET] or system" >&2
    exit 2
    ;;
esac
