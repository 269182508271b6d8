#!/usr/bin/env bash
# Pre-trains ViT-H on ImageNet-21k (configs/vit_h_21k.cfg), across requeues. From the repository's root:
#
#   sbatch slurm/vit_h_21k.sh [--section.key VALUE ...]
#
# Words after the script's name go to `vitrail launch` and win over the file. Adapt the lines below to your site, or
# give sbatch's own options on its command line, where they win over these; paths are in slurm/site.sh.
#SBATCH --job-name=vit_h_21k
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/train.sh
train vit_h_21k "$@"
