# shellcheck shell=bash
# Sourced by the job scripts that train: a run of configs/NAME.cfg in the folder NAME of runs, across requeues.
# VITRAIL_CONFIG and VITRAIL_RUN_DIR name another config, another folder; --run.name and --run.dir among the script's words
# win over both, run.name and run.dir in the config over its file's name.

scripts=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=slurm/site.sh
source "$scripts/site.sh"
# shellcheck source=slurm/requeue.sh
source "$scripts/requeue.sh"

# The folder that words name, if any does; as in the program, run.dir wins over run.name.
named_folder() {  # WORDS...
  local dir='' name='' word
  while (($#)); do
    word=$1
    case $word in
      --run.dir=*) dir=${word#*=} ;;
      --run.name=*) name=${word#*=} ;;
      --run.dir) dir=${2:-} ;;
      --run.name) name=${2:-} ;;
    esac
    shift
  done
  echo "${dir:-${name:+$runs/$name}}"
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

# A job stays with the run that its first attempt began, whatever its config says by now or whether it is still there.
run_of_job() {  # CONFIG WORDS...
  local kept=$runs/.jobs/$SLURM_JOB_ID folder=''
  if ((${SLURM_RESTART_COUNT:-0} > 0)); then folder=$(cat "$kept" 2>/dev/null); fi
  if [[ ! $folder ]]; then
    folder=$(named_folder "${@:2}")
    folder=${folder:-${VITRAIL_RUN_DIR:-$(folder_of_config "$@")}}
    { mkdir -p "$runs/.jobs" && echo "$folder" >"$kept"; } 2>/dev/null || true
  fi
  echo "$folder"
}

# The queue shows the run's name, which Slurm gives the logs of later attempts, too: it finds the first one's under it.
name_job() {  # NAME
  local log named
  log=$(log_of_job)
  scontrol update "jobid=$SLURM_JOB_ID" "jobname=$1" 2>/dev/null || return 0
  named=$(log_of_job)
  if [[ $log && $named && $log != "$named" && ! -e $named ]]; then ln -sr "$log" "$named" 2>/dev/null || true; fi
}

log_of_job() { scontrol show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/^ *StdOut=//p'; }

# What resume.sh needs to submit the run again on other nodes. A job of this run that is still in the queue keeps its place:
# this one may be a second one by mistake, and will be refused.
remember_job() {  # RUN_FOLDER CONFIG WORDS...
  local script before name
  before=$(sed -n 's/^job=//p' "$1/job.sh" 2>/dev/null)
  if [[ $before && $before != "$SLURM_JOB_ID" && $(squeue --noheader --job "$before" 2>/dev/null) ]]; then return; fi
  script=$(scontrol show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/^ *Command=\([^ ]*\).*/\1/p')
  [[ $script ]] && mkdir -p "$1" 2>/dev/null && {
    echo "# the job of this run, for slurm/resume.sh"
    printf 'job=%q\nscript=%q\nconfig=%q\n' "$SLURM_JOB_ID" "$script" "$2"
    printf 'words=('
    printf '%q ' "${@:3}"
    echo ')'
    printf 'on_a_node=(%s)\n' "${SLURM_NTASKS_PER_NODE:+--ntasks-per-node=$SLURM_NTASKS_PER_NODE }${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK }${SLURM_GPUS_PER_NODE:+--gpus-per-node=$SLURM_GPUS_PER_NODE}"
    for name in $(compgen -e VITRAIL); do
      if [[ $name != VITRAIL_@(CONFIG|RUN_DIR) ]]; then printf '[[ -v %s ]] || export %s=%q\n' "$name" "$name" "${!name}"; fi
    done
  } >"$1/job.sh.new" 2>/dev/null && mv "$1/job.sh.new" "$1/job.sh"
}

# The first attempt looks at all that can be known before ranks are started; what fails there would fail again.
checked() {  # WORDS OF vitrail launch...
  local lead
  lead=$(lead_of_warning)
  # shellcheck disable=SC2154  # slurm/requeue.sh
  ((attempt > 0)) || "$vitrail" launch --check ${lead:+--signal-lead "$lead"} "$@" || return
  # shellcheck disable=SC2154  # slurm/site.sh
  staged "$stage_dir" "$vitrail" launch "$@"
}

# train NAME [WORDS OF vitrail launch...]: does not return.
train() {
  local config=${VITRAIL_CONFIG:-configs/$1.cfg} run_dir
  run_dir=$(run_of_job "$config" "${@:2}")
  name_job "$(basename "$run_dir")"
  remember_job "$run_dir" "$config" "${@:2}" || true
  if [[ ! -e $config && -e $run_dir/config.cfg ]]; then config=$run_dir/config.cfg; fi
  require_finished "${VITRAIL_AFTER:-}"
  run_and_requeue "$run_dir" \
    checked -n "$SLURM_NTASKS" --launch.mpi "$mpi" --run.device "$device" --config "$config" "${@:2}" --run.dir "$run_dir"
}
