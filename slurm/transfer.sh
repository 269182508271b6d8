#!/usr/bin/env bash
# Fine-tunes a finished run on another collection, with the settings of configs/RUN_DATASET.cfg. From the repository's root:
#
#   sbatch slurm/transfer.sh RUN DATASET [--section.key VALUE ...]
#     RUN: deit_b cait_s36 cait_m36 vit_s vit_b vit_l resmlp_s12 resmlp_s24 patchconvnet_s60 patchconvnet_b120
#     DATASET: cifar10 cifar100 flowers cars inat18 inat19
#
# The file's header says which run's weights it begins with. Packs are made once, from what the publishers give:
#
#   vitrail pack --source cifar10:cifar-10-binary.tar.gz --output packs/cifar10_train     --split train    (test: _test)
#   vitrail pack --source cifar100:cifar-100-binary.tar.gz --output packs/cifar100_train  --split train    (test: _test)
#   vitrail pack --source flowers102:flowers-102 --output packs/flowers_trainval          --split trainval (test: _test)
#   vitrail pack --source cars:stanford_cars --output packs/cars_train                    --split train    (test: _test)
#   vitrail pack --source inaturalist:inat/train2018.json --output packs/inat18_train                      (val: _val)
#   vitrail pack --source inaturalist:inat/train2019.json --output packs/inat19_train                      (val: _val)
#
# Words after the two names go to `vitrail launch` and win over the file. Adapt the lines below to your site, or give sbatch's
# own options on its command line, where they win over these; paths are in slurm/site.sh.
#SBATCH --job-name=transfer
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
if (($# < 2)) || [[ ! -f configs/${1}_$2.cfg ]]; then
  echo "transfer.sh: no configs/${1:-RUN}_${2:-DATASET}.cfg; there are: $(cd configs && echo *_{cifar10,cifar100,flowers,cars,inat18,inat19}.cfg)" >&2
  exit 2
fi
source slurm/train.sh
train "$1_$2" "${@:3}"
