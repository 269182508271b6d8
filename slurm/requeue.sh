# shellcheck shell=bash
# Sourced by the job scripts: keeps a job going over time limits, preemption and failures. Only `vitrail launch` calls
# srun for ranks, only this file gives a job back to the queue, and the exit status decides:
#
#   0         done
#   85        state saved, please requeue
#   2 65 78   a human is needed: options, data
#   others    requeued, unless three attempts in a row failed without a new checkpoint
#
# Beside the run lie two ledgers: failed_attempts, and suspect_nodes with a line each time a node was blamed.

say() { printf '%s job %s attempt %s: %s\n' "$(date '+%F %T')" "$job" "${SLURM_RESTART_COUNT:-0}" "$*"; }

# A signal before there is a command to pass it on to.
asked=''
trap 'asked=USR1' USR1
trap 'asked=TERM' TERM

# Passes a signal on. bash runs traps only between commands, so the command is in the background and we wait for it.
pass_on() {
  say "got $1: asking for a checkpoint"
  asked=$1
  kill -"$1" "$command" 2>/dev/null || true
}

# run_and_requeue RUN_FOLDER COMMAND...: does not return.
run_and_requeue() {
  local run_dir=$1 status=0 report blamed
  shift
  # The id of an array names all of its tasks.
  job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
  job=${job:-$SLURM_JOB_ID}
  report=$(mktemp)
  say "on $SLURM_JOB_NODELIST: $*"
  "$@" 2> >(trap '' TERM USR1; exec tee "$report" >&2) &
  command=$!
  trap 'pass_on USR1' USR1
  trap 'pass_on TERM' TERM
  if [[ $asked ]]; then pass_on "$asked"; fi
  while kill -0 "$command" 2>/dev/null; do wait "$command" || true; done
  wait "$command" || status=$?
  unstage "${stage_dir:-}"
  sleep 0.2  # for tee's last line
  blamed=$(suspects "$report")
  rm -f "$report"
  if [[ $blamed ]]; then mkdir -p "$run_dir" && echo "$blamed" >>"$run_dir/suspect_nodes"; fi
  case $status in
    0) say "done" ;;
    2 | 65 | 78) say "exit status $status: not requeued, please see above" ;;
    85) requeue "$run_dir" ;;
    138 | 143) if [[ $asked ]] || may_try_again "$run_dir" "$status"; then requeue "$run_dir"; fi ;;  # died of it while starting
    *) if may_try_again "$run_dir" "$status"; then requeue "$run_dir"; fi ;;
  esac
  exit "$status"
}

# The nodes that a report blames: of ranks that did not answer, that the watchdog ended, or whose weights are not the others'.
suspects() {
  sed -nE 's/.* did not answer on (.+), to be ended by .*/\1/p; s/^vitrail: rank [0-9]+ on (.+): watchdog: .*/\1/p; s/.*the weights \(hash\) is \w+ on rank [0-9]+ \(([^)]+)\).*/\1/p' \
    "$1" | tr -d ' ' | tr ',' '\n' | sort -u
}

# In any other state Slurm is ending the job already: it requeues by itself after preemption and when a node failed, and a
# cancelled job shall not come back.
is_ours() { [[ $(persist squeue --noheader --job "$job" --format %T) == RUNNING ]]; }

# A controller that is just being restarted does not answer.
persist() {  # COMMAND...
  for _ in {1..24}; do
    if "$@"; then return; fi
    sleep 5
  done
  say "Slurm refused two minutes long: $*" >&2
  return 1
}

# Counts failed attempts since the newest checkpoint; what Slurm ended is none.
may_try_again() {
  is_ours || return 1
  mkdir -p "$1"  # the command may have failed before it made the folder
  local ledger=$1/failed_attempts newest failed=0 before=''
  newest=$(readlink "$1/checkpoints/latest" || echo none)
  if [[ -r $ledger ]]; then read -r before failed <"$ledger"; fi
  if [[ $before != "$newest" ]]; then failed=0; fi
  failed=$((failed + 1))
  echo "$newest $failed" >"$ledger" || return 1  # what is not counted might go on for ever
  say "exit status $2: failed attempt $failed of 3 since checkpoint $newest"
  ((failed < 3))
}

requeue() {  # RUN_FOLDER
  local bad
  is_ours || return 0
  say "back to the queue"
  trap '' TERM  # Slurm ends us now, and there may be something left to say
  persist scontrol requeue "$job" || return 0
  bad=$(sort "$1/suspect_nodes" 2>/dev/null | uniq --repeated | paste -sd ,)
  if [[ $bad ]]; then exclude "$bad"; fi
  exec sleep 300  # a script that ended first would count as a failed job
}

# Nodes that were blamed twice. Slurm takes this of a job that waits, which a requeued one soon does.
exclude() {
  for _ in {1..20}; do
    if scontrol update "jobid=$job" "excnodelist=$1" 2>/dev/null; then
      say "blamed twice, so without: $1"
      return
    fi
    sleep 0.1
  done
  say "blamed twice, but Slurm does not exclude: $1"
}

# The program and the libraries that it brings along go once over the network to each node's own disk, instead of from
# the shared file system to every rank at the same time.

# staged FOLDER PROGRAM WORDS...: becomes the program, copied into a folder of this job below FOLDER; where that is empty,
# the program where it lies.
staged() {
  local folder=$1 program=$2 place library
  shift 2
  if [[ $folder ]]; then
    place=$(place_of_stage "$folder")
    on_every_node mkdir -p "$place/lib" || return
    for library in $(ldd "$program" | awk '$3 ~ /^\// && $3 !~ /^\/(usr\/)?lib/ { print $3 }'); do
      sbcast --force "$library" "$place/lib/$(basename "$library")" || return
    done
    sbcast --force "$program" "$place/vitrail" || return
    program=$place/vitrail
    say "staged in $place on $SLURM_NNODES nodes: $(du -shL "$place" | cut -f 1) each"
  fi
  exec "$program" "$@"
}

unstage() {  # FOLDER
  [[ -z $1 ]] || on_every_node rm -rf "$(place_of_stage "$1")" 2>/dev/null || true
}

place_of_stage() { echo "$1/vitrail-$SLURM_JOB_ID"; }

on_every_node() { srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --ntasks-per-node=1 "$@"; }
