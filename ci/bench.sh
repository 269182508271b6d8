#!/usr/bin/env bash
# Benchmarks: installs what both sides need, builds, and prints both sides of one run with their ratio
# (tests/bench/README.md). Nothing else should run on the machine meanwhile.
#
#   ci/bench.sh SUBJECT [ARGUMENTS of its script or program]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
subject=${1:-}
[[ -n $subject && -n $(compgen -G "tests/bench/$subject.*") ]] ||
  die "name one of: $(cd tests/bench && compgen -G '*.*' | sed -E '/CMake|README|handles/d; s/\..*//' | sort -u | tr '\n' ' ')"
shift
case $subject in
  ddp | dino | overlap | exchange_plans | plan | plan_nodes) program=vitrail ;; # whole runs
  *) program=bench_$subject ;;
esac
ci/install.sh
configure dev build/dev
cmake --build build/dev --target "$program"
if [[ -e tests/bench/$subject.py ]]; then
  ensure_peers
  ensure_peers_cuda
  with_torch "$peers/bin/python" "tests/bench/$subject.py" "build/dev/$program" "$@"
elif [[ $subject == exchange ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  mpirun -n 4 --oversubscribe --bind-to none "build/dev/$program" "$@"
else
  "build/dev/$program" "$@"
fi
