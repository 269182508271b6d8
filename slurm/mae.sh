#!/usr/bin/env bash
# Trains ViT-L with MAE on ImageNet-1k, without labels (configs/mae_l.cfg); VITRAIL_CONFIG names another of MAE's, mae_l_1k to
# fine-tune it.
# From the repository's root:
#
#   sbatch slurm/mae.sh [--section.key VALUE ...]
#
# Words after the script's name go to `vitrail launch` and win over the file. Adapt the lines below to your site, or
# give sbatch's own options on its command line, where they win over these; paths are in slurm/site.sh.
#SBATCH --job-name=mae
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/train.sh
train mae_l "$@"
