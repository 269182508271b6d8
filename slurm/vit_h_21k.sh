#!/usr/bin/env bash
# Pre-trains ViT-H on ImageNet-21k (configs/vit_h_21k.cfg), in as many stretches as it takes. From the repository's root:
#
#   sbatch slurm/vit_h_21k.sh [--section.key VALUE ...]
#
# Words after the script's name go to `vitrail launch` and win over the file. Adapt the lines below to your site, or
# give sbatch's own options on its command line, where they win over these.
#SBATCH --job-name=vit_h_21k
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=vit_h_21k-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

vitrail=${VITRAIL:-build/release/vitrail}
config=${VITRAIL_CONFIG:-configs/vit_h_21k.cfg}
run_dir=${VITRAIL_RUN_DIR:-runs/vit_h_21k}
stage_dir=${VITRAIL_STAGE-/tmp}  # on each node's own disk, for the program and its libraries; empty: not copied
# module load openmpi hdf5 boost

source slurm/requeue.sh
run_and_requeue "$run_dir" staged "$stage_dir" "$vitrail" launch -n "$SLURM_NTASKS" --config "$config" --run.dir "$run_dir" "$@"
