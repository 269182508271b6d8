#!/usr/bin/env bash
# Packs ImageNet-21k, training and validation part, from $ARCHIVE, which is read where it lies and never unpacked. From the
# repository's root:
#
#   ARCHIVE=/path/to/fall11_whole.tar sbatch slurm/pack_21k.sh [--validation 21k-p ...]
#
# $ARCHIVE is fall11_whole.tar or a decompressed winter21_whole.tar (both: any number of nodes), a folder of nXXXXXXXX.tar
# files, or winter21_whole.tar.gz. The last can only be read from end to end: rank 0 sorts it into temporary files as
# large as the archive, once for each part, before all ranks pack; a job killed while sorting sorts again from the
# start. Where 1.1 TB more is free, `gunzip winter21_whole.tar.gz` first is the better way.
#
# Interrupted or submitted again, the job completes what it began: finished shards (1 GiB) are kept. Estimates, not
# measurements: every image is decoded once at 650 images/s a core (libjpeg-turbo 2.1, one core of an AMD EPYC 9004, JPEGs of
# 90 to 119 KB), a member's header is read in 0.5 ms, 64 at a time on each node, and a stream is inflated at 0.2 GB/s:
#
#   archive                  images       in packs   hours for both parts: listing or sorting + packing
#                                                    1 x 16 cores   1 x 64 cores   4 x 64 cores
#   fall11_whole.tar         14,197,122   1.31 TB    0.24 + 0.38    0.06 + 0.10    0.06 + 0.03
#   winter21_whole.tar       13,153,500   1.10 TB    0.23 + 0.35    0.06 + 0.09    0.06 + 0.03
#   winter21_whole.tar.gz    13,153,500   1.10 TB    3.1 + 0.35     3.1 + 0.09     3.1 + 0.03
#
# as long as the file system keeps up: packing on 4 x 64 cores reads and writes 15 GB/s each. At 1 GB/s for both together
# it takes 0.73 hours (fall11) on any number of cores. Memory: about 1 GB for each rank's listing, a few MiB and one
# image for each core.
#SBATCH --job-name=pack_21k
#SBATCH --partition=cpu
#SBATCH --account=my_project
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --output=pack_21k-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
source slurm/requeue.sh
source slurm/pack.sh
archive=${ARCHIVE:?fall11_whole.tar, winter21_whole.tar, a folder of tars, or winter21_whole.tar.gz}
# shellcheck disable=SC2317  # called by run_and_requeue
pack_both() {
  pack imagenet-21k:"$archive" "$packs/imagenet_21k_train" --split train "$@" &&
    pack imagenet-21k:"$archive" "$packs/imagenet_21k_val" --split val "$@"
}
mkdir -p "$packs"
run_and_requeue "$packs" pack_both "$@"
