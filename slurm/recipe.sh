#!/usr/bin/env bash
# Trains any run of configs/ on one node. Runs that begin with another's weights or have a teacher say in their config's header
# what has to be there. From the repository's root:
#
#   sbatch slurm/recipe.sh RUN [--section.key VALUE ...]      RUN: levit_256 xcit_s12_p16_1k convit_b resnet50_rsb_a1 ...
#
# Words after the name go to `vitrail launch` and win over the file. Adapt the lines below to your site, or give sbatch's own
# options on its command line, where they win over these; paths are in slurm/site.sh.
#SBATCH --job-name=recipe
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
if (($# < 1)) || [[ ! -f configs/$1.cfg ]]; then
  echo "recipe.sh: no configs/${1:-RUN}.cfg; configs/README.md lists the runs" >&2
  exit 2
fi
source slurm/train.sh
train "$@"
