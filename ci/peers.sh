#!/usr/bin/env bash
# Checks that other programs read what vitrail writes: a pack of 10,000 images through h5py, h5dump and Pillow. The
# Python packages go, pinned by ci/peers.txt, into .deps/peers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
venv=$deps/peers
vitrail=build/dev/vitrail
pack=build/peers/fashion-mnist-test

# The list is copied into the environment last: only a whole environment has it.
ensure_python() {
  if cmp -s ci/peers.txt "$venv/peers.txt"; then return; fi
  say "installing $(tr '\n' ' ' <ci/peers.txt)into $venv"
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
