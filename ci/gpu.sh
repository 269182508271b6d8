#!/usr/bin/env bash
# All that only a GPU can tell, within fifteen minutes and the most important first: contracts, bits that repeat, branches without
# images, halves against timm's, steps of ViT-H and CaiT-M48 beside timm's with torch.compile and a fused LAMB, kernels a step, a
# checkpoint's stall, updates, data (tests/bench/gpu/rows.py). In a clone after a build of the cuda preset, or in an unpacked
# bundle (ci/bundle.sh) on a machine that has only Python with torch and, for the other side, timm.
#
#   ci/gpu.sh [--dry-run | --on-cpu] [--row NAME]...   leaves gpu.json; --dry-run: all that rows call starts, nothing is computed;
#                                                      --on-cpu: every row at a small size, on the build of VITRAIL_BUILD
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mode=gpu
case ${1:-} in
  --dry-run) mode=dry ;;
  --on-cpu) mode=cpu ;;
esac
[[ $mode == gpu ]] || shift
programs=${VITRAIL_BUILD:-$PWD/build/cuda}

if [[ -d lib/openmpi ]]; then # a bundle
  export PATH=$PWD/bin:$PATH LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-}
  export OPAL_BINDIR=$PWD/bin OPAL_LIBDIR=$PWD/lib OPAL_PKGLIBDIR=$PWD/lib/openmpi OPAL_PKGDATADIR=$PWD/share/openmpi
  export PMIX_MCA_mca_base_component_path=$PWD/lib/pmix
fi
python=${PYTHON:-python3}
if torch=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))' 2>/dev/null); then
  nvidia=$(compgen -G "$(dirname "$torch")/nvidia/*/lib" | paste -sd :)
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:$torch/lib:$nvidia
fi
gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU' || true)
export VITRAIL_TEST_GPUS=$gpus
[[ $mode != gpu || $gpus -gt 0 ]] || die "there is no GPU: --dry-run shows whether everything would start"

status=0
"$python" -B tests/bench/gpu/rows.py "$programs" --json gpu.json --mode "$mode" "$@" || status=$?
say "gpu.json holds the figures"
exit "$status"
