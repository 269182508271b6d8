# shellcheck shell=bash
# Sourced by the job scripts: keeps a job going over time limits, preemption and failures. Only `vitrail launch` calls
# srun, only this file gives a job back to the queue, and the exit status decides:
#
#   0         done
#   85        state saved, please requeue
#   2 65 78   a human is needed: options, data
#   others    requeued, unless three attempts in a row failed without a new checkpoint

say() { printf '%s job %s attempt %s: %s\n' "$(date '+%F %T')" "$job" "${SLURM_RESTART_COUNT:-0}" "$*"; }

# Passes a signal on. bash runs traps only between commands, so the command is in the background and we wait for it.
pass_on() {
  say "got $1: asking for a checkpoint"
  asked=yes
  kill -"$1" "$command" 2>/dev/null || true
}

# run_and_requeue RUN_FOLDER COMMAND...: does not return.
run_and_requeue() {
  local run_dir=$1 status=0
  asked=''
  shift
  # The id of an array names all of its tasks.
  job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
  job=${job:-$SLURM_JOB_ID}
  say "on $SLURM_JOB_NODELIST: $*"
  "$@" &
  command=$!
  trap 'pass_on USR1' USR1
  trap 'pass_on TERM' TERM
  while kill -0 "$command" 2>/dev/null; do wait "$command" || true; done
  wait "$command" || status=$?
  case $status in
    0) say "done" ;;
    2 | 65 | 78) say "exit status $status: not requeued, please see above" ;;
    85) requeue ;;
    138 | 143) if [[ $asked ]] || may_try_again "$run_dir" "$status"; then requeue; fi ;;  # died of it while starting
    *) if may_try_again "$run_dir" "$status"; then requeue; fi ;;
  esac
  exit "$status"
}

# Counts failed attempts since the newest checkpoint. A killed or preempted attempt never comes here.
may_try_again() {
  local ledger=$1/failed_attempts newest failed=0 before=''
  newest=$(readlink "$1/checkpoints/latest" || echo none)
  if [[ -r $ledger ]]; then read -r before failed <"$ledger"; fi
  if [[ $before != "$newest" ]]; then failed=0; fi
  failed=$((failed + 1))
  echo "$newest $failed" >"$ledger" || return 1  # what is not counted might go on for ever
  say "exit status $2: failed attempt $failed of 3 since checkpoint $newest"
  ((failed < 3))
}

requeue() {
  # In any other state Slurm is ending the job already: it requeues by itself after preemption, and a cancelled
  # job shall not come back.
  [[ $(squeue --noheader --job "$job" --format %T) == RUNNING ]] || return 0
  say "back to the queue"
  scontrol requeue "$job" || return 0
  exec sleep 300  # Slurm ends us; a script that ended first would count as a failed job
}
