#!/usr/bin/env bash
# All that only a GPU can tell, in one go: unit tests, communicators, hashes at 1, 2 and 4 ranks, trajectories, the
# updates' bandwidth, steps of ViT-H and CaiT-M48 beside timm's. In a clone after a build of the cuda preset, or in an
# unpacked bundle (ci/bundle.sh) on a machine that has only Python with torch and, for timm's side, timm.
#
#   ci/gpu.sh [--dry-run] [--stage NAME]   leaves gpu.json; --dry-run: all programs start, nothing is computed
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dry=''
if [[ ${1:-} == --dry-run ]]; then
  dry=yes
  shift
fi
source ci/stages.sh
readonly programs=$PWD/build/cuda
report=gpu.json

if [[ -d lib/openmpi ]]; then # a bundle
  export PATH=$PWD/bin:$PATH LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-} VITRAIL_FASHION_MNIST=$PWD/data
  export OPAL_BINDIR=$PWD/bin OPAL_LIBDIR=$PWD/lib OPAL_PKGLIBDIR=$PWD/lib/openmpi OPAL_PKGDATADIR=$PWD/share/openmpi
  export PMIX_MCA_mca_base_component_path=$PWD/lib/pmix
fi
python=${PYTHON:-python3}
if torch=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))' 2>/dev/null); then
  nvidia=$(compgen -G "$(dirname "$torch")/nvidia/*/lib" | paste -sd :)
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:$torch/lib:$nvidia
fi
gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU' || true)
export VITRAIL_TEST_GPUS=$gpus VITRAIL=$programs/vitrail
[[ -n $dry || $gpus -gt 0 ]] || die "there is no GPU: --dry-run shows whether everything would start"

# Starts PROGRAM, in a dry run without work to do.
run() {
  local program=$1
  shift
  [[ -x $programs/$program ]] || die "$programs/$program is not there: build the cuda preset, or unpack a bundle"
  if [[ -z $dry ]]; then
    "$programs/$program" "$@"
  elif [[ $program == unit_* ]]; then
    "$programs/$program" --gtest_list_tests >/dev/null
  elif [[ $program == vitrail ]]; then
    "$programs/$program" --version
  else
    ldd "$programs/$program" | grep 'not found' && die "$program lacks the libraries above"
    return 0
  fi
}

# A Python test or benchmark, in a dry run only compiled.
script() {
  if [[ -n $dry ]]; then
    "$python" -B -c 'import ast, pathlib, sys; ast.parse(pathlib.Path(sys.argv[1]).read_text())' "$1"
  else
    "$python" -B "$@"
  fi
}

units() {
  local program
  for program in unit_sharding unit_sharding_cuda unit_models_torch unit_models_cuda unit_trainer_torch; do
    run "$program" --gtest_brief=1
  done
}

contract() {
  local ranks
  for ranks in 1 2 4; do # in a dry run, too: without GPUs the MPI communicators alone
    mpirun -n "$ranks" --oversubscribe --bind-to none "$programs/mpi_contract" --world="$ranks"
  done
}

hashes() {
  run vitrail --version && script tests/runs/ranks_test.py && script tests/runs/resume_test.py
}

trajectories() { script tests/runs/trajectory_test.py; }
updates() { run bench_optimizers && script tests/bench/optimizers.py "$programs/bench_optimizers" --gpu --json "$report"; }
steps() { script tests/bench/gpu_steps.py "$programs/vitrail" --json "$report"; }

printf '{"date": "%s", "gpus": "%s", "dry_run": %s}\n' "$(date -u +%F)" \
  "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | paste -sd ';' || true)" \
  "$([[ -n $dry ]] && echo true || echo false)" >"$report"
for name in units contract hashes trajectories updates steps; do stage "$name" "$name"; done
"$python" - "$report" "${names[@]/%/=}" "${outcomes[@]}" <<'PYTHON'
import json, pathlib, sys

report, *words = sys.argv[1:]
names, outcomes = words[: len(words) // 2], words[len(words) // 2 :]
path = pathlib.Path(report)
path.write_text(json.dumps(json.loads(path.read_text()) | {"stages": dict(zip((n[:-1] for n in names), outcomes))}, indent=2) + "\n")
PYTHON
say "$report holds the figures"
finish
