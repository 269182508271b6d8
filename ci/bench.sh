#!/usr/bin/env bash
# Benchmarks against PyTorch and timm: installs what both sides need, builds, and prints both sides of one run with their
# ratio (tests/bench/README.md). Nothing else should run on the machine meanwhile.
#
#   ci/bench.sh models|talking_heads [ARGUMENTS of the script]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
subject=${1:-}
[[ -n $subject && -e tests/bench/$subject.py ]] ||
  die "name one of: $(cd tests/bench && printf '%s ' *.py | sed 's/\.py//g')"
shift
ci/install.sh
configure dev build/dev
cmake --build build/dev --target "bench_$subject"
ensure_peers
ensure_peers_cuda
with_torch "$peers/bin/python" "tests/bench/$subject.py" "build/dev/bench_$subject" "$@"
