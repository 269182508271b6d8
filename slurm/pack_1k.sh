#!/usr/bin/env bash
# Packs ImageNet-1k, training and validation images, from the official archives in $ARCHIVES, which are read where they
# lie and never unpacked. From the repository's root:
#
#   ARCHIVES=/path/to/archives sbatch slurm/pack_1k.sh [--reencode 256,90 ...]
#
# needs ILSVRC2012_img_train.tar (148 GB), ILSVRC2012_img_val.tar (6.7 GB), ILSVRC2012_devkit_t12.tar.gz, and as much
# room again in $PACKS. Interrupted or submitted again, the job completes what it began: finished shards (1 GiB) are kept.
# Estimates, not measurements: every image is decoded once at 600 images/s a core (libjpeg-turbo 2.1, one core of
# an AMD EPYC 9004, images of 119 KB), and the file system gives and takes what that asks for:
#
#   nodes x cores        1 x 16          1 x 64          4 x 64
#   hours                0.04            0.01            0.003
#   reads and writes     1.1 GB/s each   4.4 GB/s each   18 GB/s each
#
# for 1,331,167 images and 155 GB in packs. So the file system decides: at 1 GB/s for both together it takes 0.09 hours.
#SBATCH --job-name=pack_1k
#SBATCH --partition=cpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=4:00:00
#SBATCH --output=pack_1k-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
source slurm/requeue.sh
source slurm/pack.sh
archives=${ARCHIVES:?the folder of the archives}
# shellcheck disable=SC2317  # called by run_and_requeue
pack_both() {
  local devkit=$archives/ILSVRC2012_devkit_t12.tar.gz
  pack imagenet-train:"$archives/ILSVRC2012_img_train.tar" "$packs/imagenet_1k_train" --split train --devkit "$devkit" "$@" &&
    pack imagenet-val:"$archives/ILSVRC2012_img_val.tar" "$packs/imagenet_1k_val" --split val --devkit "$devkit" "$@"
}
mkdir -p "$packs"
run_and_requeue "$packs" pack_both "$@"
