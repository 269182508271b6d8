#!/usr/bin/env bash
# Looks at nodes before a run does: one table of machines, GPUs, network, Slurm and, with a run's config, its data and folder.
# From the repository's root:
#
#   sbatch --nodes=4 slurm/doctor.sh [--config FILE ...] [--links FILE] [--section.key VALUE ...]
#
# Words go to `vitrail launch --doctor`. Adapt the lines below to your site; paths are in slurm/site.sh.
#SBATCH --job-name=doctor
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=0:15:00
#SBATCH --output=%x-%j.log

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
# shellcheck disable=SC2154  # slurm/site.sh
exec "$vitrail" launch -n "$SLURM_NTASKS" --launch.mpi "$mpi" --doctor "$@"
