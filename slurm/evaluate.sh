#!/usr/bin/env bash
# Evaluates a run's last checkpoint on a pack, every image once: prints the hash of its weights and the accuracy, which
# is kept in RUN/evaluation.json. From the repository's root:
#
#   sbatch slurm/evaluate.sh RUN PACK [--section.key VALUE ...]
#
# Words after the pack go to `vitrail eval`. Adapt the lines below to your site; paths are in slurm/site.sh.
#SBATCH --job-name=evaluate
#SBATCH --partition=gpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=2:00:00
#SBATCH --output=%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
(($# >= 2)) || { echo "usage: sbatch slurm/evaluate.sh RUN PACK [--section.key VALUE ...]" >&2; exit 2; }
source slurm/site.sh
source slurm/requeue.sh
# shellcheck disable=SC2154,SC2317  # slurm/site.sh; called by run_and_requeue
evaluate() {
  local run=$1 pack=$2 kept=$1/evaluation.json
  shift 2
  "$vitrail" checkpoint hash "$run/checkpoints/latest" --part weights &&
    srun --export=ALL ${mpi:+"--mpi=$mpi"} --cpus-per-task="$SLURM_CPUS_PER_TASK" "$vitrail" eval --checkpoint "$run" --data "$pack" \
      --run.device "$device" --format json "$@" >"$kept.new" && mv "$kept.new" "$kept" && cat "$kept" && return
  local status=$?
  rm -f "$kept.new"
  return "$status"
}
require_finished "${VITRAIL_AFTER:-}"
run_and_requeue "$1" evaluate "$@"
