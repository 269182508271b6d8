#!/usr/bin/env bash
# Checks that other programs read what vitrail writes and write what it reads: a pack of 10,000 images through h5py,
# h5dump and Pillow, weights of every kind of model through PyTorch and timm. The Python packages go, pinned by
# ci/peers.txt, into .deps/peers; PyTorch is the wheel that LibTorch comes from.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
venv=$deps/peers
vitrail=build/dev/vitrail
pack=build/peers/fashion-mnist-test

# The list is copied into the environment last: only a whole environment has it.
ensure_python() {
  if cmp -s ci/peers.txt "$venv/peers.txt"; then return; fi
  say "installing the $(wc -l <ci/peers.txt) packages of ci/peers.txt into $venv"
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r ci/peers.txt
  cp ci/peers.txt "$venv/peers.txt"
}

[[ -x $vitrail ]] || die "$vitrail is missing: run ci/test.sh --stage build"
source=$(fashion_mnist t10k)
ensure_python
rm -rf "$pack"
"$vitrail" pack --source "$source" --output "$pack"
"$venv/bin/python" tests/peers/pack_interop.py "$pack"

# Python's torch loads all of CUDA 13, GPU or not.
cuda=${CUDA_HOME:-/usr/local/cuda}/lib64
if [[ -e $cuda/libcublas.so.13 ]]; then
  weights=$(mktemp -d)
  trap 'rm -rf "$weights"' EXIT
  wheels=$(printf ':%s' "$venv"/lib/python3*/site-packages/nvidia/*/lib)
  PYTHONPATH=$torch_dir LD_LIBRARY_PATH=$cuda$wheels${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    "$venv/bin/python" tests/peers/weights_interop.py "$vitrail" "$weights"
else
  say "skipped: weights_interop.py, because Python's torch needs CUDA 13 in \$CUDA_HOME, and $cuda has none"
fi
