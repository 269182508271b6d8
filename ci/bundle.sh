#!/usr/bin/env bash
# Packs a build of the cuda preset, its tests and what they need beside PyTorch into one file, for a machine that has
# only Python with torch 2.11: unpack it there and run ci/gpu.sh.
#
#   ci/bundle.sh OUTPUT.tar.xz   under 60 MB
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
output=$(realpath -m "${1:?ci/bundle.sh wants the file to write}")
readonly limit_bytes=60000000
# Relative, so that they are found wherever the bundle is unpacked.
nvcc=$(find_nvcc) || die "there is no nvcc on this machine"
configure cuda build/bundle -DCMAKE_CUDA_COMPILER="$nvcc" -DVITRAIL_FIXTURES=tests/fixtures
programs=(vitrail unit_sharding_cuda unit_models_cuda mpi_contract bench_optimizers libcount_kernels.so)
cmake --build build/bundle --target "${programs[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/vitrail-gpu
mkdir -p "$bundle"/{build/cuda,lib,share}
for program in "${programs[@]}"; do
  strip -o "$bundle/build/cuda/$program" "build/bundle/$program"
done

# Open MPI with its plugins, which gpu.sh tells it where to find. Of PyTorch's machine come libc, libstdc++, CUDA, LibTorch
# and NCCL.
mpi=/usr/lib/$(uname -m)-linux-gnu
install -D /usr/bin/orterun "$bundle/bin/mpirun"
install -D /usr/bin/orted "$bundle/bin/orted"
mkdir "$bundle/lib/openmpi"
for plugin in "$mpi"/openmpi/lib/openmpi3/*.so; do # without those of networks and schedulers
  [[ $plugin =~ (ofi|ucx|psm|verbs|openib|usnic|portals|slurm|gridengine|_tm|monitoring) ]] || cp "$plugin" "$bundle/lib/openmpi"
done
cp -r /usr/share/openmpi "$bundle/share/openmpi"
cp -rL "$mpi/pmix2/lib/pmix" "$bundle/lib/pmix"
ldd "$bundle"/build/cuda/* "$bundle"/bin/* "$bundle"/lib/openmpi/*.so "$bundle"/lib/pmix/*.so 2>/dev/null |
  awk '$3 ~ "^/(usr/)?lib/" { print $3 }' | sort -u |
  grep -vE '/lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|gomp|util|resolv)\.so' | xargs cp -L -t "$bundle/lib"

cp -r ci tests "$bundle"
tar -C "$work" -cJf "$output" vitrail-gpu
bytes=$(stat -c %s "$output")
((bytes < limit_bytes)) || die "$output has $bytes bytes, the limit is $limit_bytes"
say "$output: $((bytes / 1000000)) MB"
