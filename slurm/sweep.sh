#!/usr/bin/env bash
# One task of a sweep, across requeues. Submitted as an array by, from the repository's root:
#
#   build/release/vitrail sweep submit GRID --config FILE [--at-once N] [--sbatch-args "..."] [--section.key VALUE ...]
#
# Adapt the lines below to your site, or give sbatch's own options with --sbatch-args, where they win over these. The logs
# are in the sweep's folder, logs/<array's job>_<task>.log.
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
source slurm/requeue.sh
run_dir=$("$vitrail" sweep folder "$@" --task "$SLURM_ARRAY_TASK_ID") || exit
# What was asked for when the array was submitted stands in its settings' file: only where that names no device, the site's.
on=(--run.device "$device")
for word in "$@"; do
  if [[ -f $word ]] && sed -n '/^\[run\]/,/^\[/p' "$word" | grep -q '^device *='; then on=(); fi
done
run_and_requeue "$run_dir" \
  staged "$stage_dir" "$vitrail" sweep run --launch.mpi "$mpi" "${on[@]}" "$@" \
  --task "$SLURM_ARRAY_TASK_ID" -n "$SLURM_NTASKS"
