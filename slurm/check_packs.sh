#!/usr/bin/env bash
# Reads packs in full and checks every byte, one after another. From the repository's root:
#
#   sbatch slurm/check_packs.sh PACK [PACK ...]
#
# Adapt the lines below to your site; paths are in slurm/site.sh.
#SBATCH --job-name=check_packs
#SBATCH --partition=cpu
#SBATCH --account=my_project
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=4:00:00
#SBATCH --output=%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
source slurm/requeue.sh
# shellcheck disable=SC2317  # called by run_and_requeue
check_all() {
  local pack
  (($#)) || { echo "which packs? sbatch slurm/check_packs.sh PACK [PACK ...]" >&2; return 2; }
  for pack in "$@"; do
    # shellcheck disable=SC2154  # slurm/site.sh
    "$vitrail" verify "$pack" --threads "$SLURM_CPUS_PER_TASK" || return
  done
}
run_and_requeue "$(dirname "$1")" check_all "$@"
