# shellcheck shell=bash
# Sourced by the job scripts that train: a run of configs/NAME.cfg in the folder NAME of runs, in as many stretches as it
# takes. VITRAIL_CONFIG and VITRAIL_RUN_DIR name another config, another folder.

source slurm/site.sh
source slurm/requeue.sh

# train NAME [WORDS OF vitrail launch...]: does not return.
train() {
  local config=${VITRAIL_CONFIG:-configs/$1.cfg} run_dir
  # shellcheck disable=SC2154  # slurm/site.sh
  run_dir=${VITRAIL_RUN_DIR:-$runs/$(basename "$config" .cfg)}
  run_and_requeue "$run_dir" \
    staged "$stage_dir" "$vitrail" launch -n "$SLURM_NTASKS" --config "$config" --run.dir "$run_dir" "${@:2}"
}
