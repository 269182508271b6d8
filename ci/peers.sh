#!/usr/bin/env bash
# Checks that other programs read what vitrail writes and write what it reads: a pack of 10,000 images through h5py,
# h5dump and Pillow, weights of every kind of model through PyTorch and timm; that Pillow makes of the numbers that
# `preview` prints the pixels that it writes; that TensorBoard reads what `report` writes for it, and a browser shows what it
# draws (pictures of it: build/peers/report).
# The Python packages go, pinned by ci/peers.txt, into .deps/peers; PyTorch is the wheel that LibTorch comes from.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
vitrail=build/dev/vitrail
pack=build/peers/fashion-mnist-test

[[ -x $vitrail ]] || die "$vitrail is missing: run ci/test.sh --stage build"
source=$(fashion_mnist t10k)
ensure_peers
rm -rf "$pack"
"$vitrail" pack --source "$source" --output "$pack"
"$peers/bin/python" tests/peers/pack_interop.py "$pack"
"$peers/bin/python" tests/peers/preview_interop.py "$vitrail"
"$peers/bin/python" tests/peers/report/tensorboard_interop.py "$vitrail"
ci/install.sh peers
"$peers/bin/python" tests/peers/report/report_in_browser.py "$vitrail" build/peers/report

if peers_have_cuda; then
  weights=$(mktemp -d)
  trap 'rm -rf "$weights"' EXIT
  with_torch "$peers/bin/python" tests/peers/weights_interop.py "$vitrail" "$weights"
else
  say "skipped: weights_interop.py, because Python's torch needs CUDA 13 in \$CUDA_HOME, and $cuda has none"
fi
