# shellcheck shell=bash
# Sourced by the job scripts that train: a run of configs/NAME.cfg in the folder NAME of runs, across requeues.
# VITRAIL_CONFIG and VITRAIL_RUN_DIR name another config, another folder; --run.name and --run.dir among the script's words
# win over both, run.name and run.dir in the config over its file's name.

source slurm/site.sh
source slurm/requeue.sh

# The folder that words name, if any does.
named_folder() {  # WORDS...
  local folder='' word
  while (($#)); do
    word=$1
    case $word in
      --run.dir=*) folder=${word#*=} ;;
      --run.name=*) folder=$runs/${word#*=} ;;
      --run.dir) folder=${2:-} ;;
      --run.name) folder=$runs/${2:-} ;;
    esac
    shift
  done
  echo "$folder"
}

# The folder that a config names, as the program reads it with these words; else that of the config's name.
folder_of_config() {  # CONFIG WORDS...
  local dir name
  # shellcheck disable=SC2154  # slurm/site.sh
  { read -r name && read -r dir; } < <("$vitrail" launch --print-config --config "$1" "${@:2}" 2>/dev/null |
    sed -nE 's/^(name|dir) = ?//p' | head -n 2) || true
  if [[ ! $dir ]]; then
    dir=$runs/$(basename "$1" .cfg)
    if [[ ${name:-default} != default ]]; then dir=$runs/$name; fi
  fi
  echo "$dir"
}

# What resume.sh needs to submit the run again on other nodes. A job of this run that is still in the queue keeps its place:
# this one may be a second one by mistake, and will be refused.
remember_job() {  # RUN_FOLDER CONFIG WORDS...
  local script before
  before=$(sed -n 's/^job=//p' "$1/job.sh" 2>/dev/null)
  if [[ $before && $before != "$SLURM_JOB_ID" && $(squeue --noheader --job "$before" 2>/dev/null) ]]; then return; fi
  script=$(scontrol show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/^ *Command=\([^ ]*\).*/\1/p')
  [[ $script ]] && mkdir -p "$1" 2>/dev/null && {
    echo "# the job of this run, for slurm/resume.sh"
    printf 'job=%q\nscript=%q\nconfig=%q\n' "$SLURM_JOB_ID" "$script" "$2"
    printf 'words=('
    printf '%q ' "${@:3}"
    echo ')'
  } >"$1/job.sh.new" 2>/dev/null && mv "$1/job.sh.new" "$1/job.sh"
}

# train NAME [WORDS OF vitrail launch...]: does not return.
train() {
  local config=${VITRAIL_CONFIG:-configs/$1.cfg} run_dir
  run_dir=$(named_folder "${@:2}")
  run_dir=${run_dir:-${VITRAIL_RUN_DIR:-$(folder_of_config "$config" "${@:2}")}}
  # The queue shows the run, and the run leads to the job's log.
  scontrol update "jobid=$SLURM_JOB_ID" "jobname=$(basename "$run_dir")" 2>/dev/null || true
  remember_job "$run_dir" "$config" "${@:2}" || true
  require_finished "${VITRAIL_AFTER:-}"
  run_and_requeue "$run_dir" \
    staged "$stage_dir" "$vitrail" launch -n "$SLURM_NTASKS" --launch.mpi "$mpi" --run.device "$device" \
    --config "$config" "${@:2}" --run.dir "$run_dir"
}
