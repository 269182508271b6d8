# shellcheck shell=bash
# Sourced by the job scripts: keeps a job going over time limits, preemption and failures. Only `vitrail launch` calls
# srun for ranks, only this file gives a job back to the queue, and the exit status decides:
#
#   0            done
#   85           state saved, please requeue; without a new checkpoint it counts as a failed attempt, and so does what
#                the time limit ended before it could save
#   2 65 78 87   a human is needed: options, data, training that diverged
#   others       requeued, unless three attempts in a row failed without a new checkpoint
#
# Beside the run lie two ledgers: failed_attempts, and suspect_nodes with a line each time a node was blamed. What becomes
# of the job is settled before anything is cleaned up, and cleaning waits for nobody.

say() { printf '%s job %s attempt %s: %s\n' "$(date '+%F %T')" "$job" "$attempt" "$*"; }

# A signal before there is a command to pass it on to.
asked=''
for signal in USR1 TERM HUP; do
  # shellcheck disable=SC2064  # this signal's name
  trap "asked=$signal" "$signal"
done

# Passes a signal on. bash runs traps only between commands, so the command is in the background and we wait for it.
pass_on() {
  local left
  asked=$1
  kill -"$1" "$command" 2>/dev/null || true
  left=$(squeue --noheader --job "$job" --format %L 2>/dev/null) || true
  say "got $1${left:+ ($left before the time limit)}: asked for a checkpoint"
}

# run_and_requeue RUN_FOLDER COMMAND...: does not return.
run_and_requeue() {
  local run_dir=$1 status=0 report blamed before
  shift
  # The id of an array names all of its tasks.
  job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
  job=${job:-$SLURM_JOB_ID}
  attempt=${SLURM_RESTART_COUNT:-0}
  refuse_short_limit
  before=$(newest "$run_dir")
  report=$(mktemp)
  say "on $SLURM_JOB_NODELIST: $*"
  # Asked already: nothing is begun. A command that is only just starting would miss the signal.
  # shellcheck disable=SC2016  # for the inner shell
  if [[ $asked ]]; then set -- bash -c 'kill -"$0" $$' "$asked"; fi
  "$@" 2> >(trap '' TERM USR1 HUP; exec tee "$report" >&2) &
  command=$!
  for signal in USR1 TERM HUP; do
    # shellcheck disable=SC2064  # this signal's name
    trap "pass_on $signal" "$signal"
  done
  if [[ $asked ]]; then pass_on "$asked"; fi
  while kill -0 "$command" 2>/dev/null; do wait "$command" || true; done
  wait "$command" || status=$?
  sleep 0.2  # for tee's last line
  blamed=$(suspects "$report")
  rm -f "$report"
  if [[ $blamed ]]; then note "$run_dir" suspect_nodes "$blamed"; fi
  case $status in
    0) say "done" ;;
    2 | 65 | 78) say "exit status $status: not requeued, please see above" ;;
    87) say "exit status 87: training diverged; not requeued, the same settings would end the same way" ;;
    85)
      if [[ $(newest "$run_dir") != "$before" ]]; then
        requeue "$run_dir" "saved after $(newest "$run_dir"), as is normal before a time limit or preemption"
      elif may_try_again "$run_dir" "85 without a new checkpoint"; then
        requeue "$run_dir" "stopped before a new checkpoint"
      fi
      ;;
    138 | 143 | 129)  # died of a signal: while starting, or of a command that saves nothing
      if [[ $asked ]] && ! at_the_limit; then
        requeue "$run_dir" "stopped before it could save"
      elif may_try_again "$run_dir" "$status${asked:+ at the time limit}"; then
        requeue "$run_dir" "stopped before it could save"
      fi
      ;;
    *) if may_try_again "$run_dir" "$status"; then requeue "$run_dir" "failed"; fi ;;
  esac
  unstage "${stage_dir:-}"
  exit "$status"
}

# A run that others build on has to have reached its planned end.
require_finished() {  # RUN_FOLDER, or nothing
  local end
  end=$(sed -nE 's/.*"step": *([0-9]+).*/\1/p' "$1/finished.json" 2>/dev/null)
  [[ $1 && ${VITRAIL_UNFINISHED:-} != allow ]] || return 0
  if [[ $end && $(newest "$1") == step-$(printf %08d "$end") ]]; then return; fi
  # shellcheck disable=SC2154  # slurm/site.sh
  echo "$1 has not finished: $("$vitrail" checkpoint list "$1" 2>&1 | tail -n 1)" >&2
  echo "let it finish first, or submit with VITRAIL_UNFINISHED=allow" >&2
  exit 78
}

# The newest checkpoint, "step-00000203" or "none".
newest() { basename "$(readlink "$1/checkpoints/latest" 2>/dev/null || echo none)"; }

# note FOLDER FILE TEXT: adds lines to a ledger; a folder that cannot be written does not change what becomes of the job.
note() {
  { mkdir -p "$1" && echo "$3" >>"$1/$2"; } 2>/dev/null || say "cannot write $1/$2"
}

# How many seconds before the time limit the warning comes.
lead_of_warning() {
  echo "${VITRAIL_SIGNAL_LEAD:-$(sed -nE 's/^#SBATCH.*--signal=B:USR1@([0-9]+).*/\1/p' "$0" 2>/dev/null | head -n 1)}"
}

# A time limit below the lead of the warning would end every attempt before its first step.
refuse_short_limit() {
  local lead limit starting=30
  lead=$(lead_of_warning)
  limit=$(seconds "$(squeue --noheader --job "$job" --format %l 2>/dev/null)")
  [[ $lead && $limit ]] || return 0
  ((limit <= lead + starting)) || return 0
  say "the time limit of $limit s is too short: the warning comes $lead s before its end, and a run takes about" \
    "$starting s to start. Submit with --time=$(((lead + starting) / 60 + 5)) or more (minutes), or with a later warning:" \
    "VITRAIL_SIGNAL_LEAD=20 sbatch --signal=B:USR1@20 ..."
  exit 78
}

# It was the time limit that asked, and would ask the next attempt after as many minutes; Slurm may be a minute early. A
# signal of sbatch's own command line may come earlier than the script's: as soon as the job begins, and each time again.
at_the_limit() {
  local lead left
  if [[ $asked == USR1 ]] && ((SECONDS < 60)); then return; fi
  lead=$(lead_of_warning)
  left=$(seconds "$(squeue --noheader --job "$job" --format %L 2>/dev/null)")
  [[ $lead && $left ]] && ((left <= lead + 60))
}

# seconds [D-]HH:MM:SS | MM:SS: nothing for what is no time, as UNLIMITED.
seconds() {
  [[ $1 =~ ^(([0-9]+)-)?(([0-9]+):)?([0-9]+):([0-9]+)$ ]] || return 0
  local -a part=("${BASH_REMATCH[@]}")
  echo $((10#${part[2]:-0} * 86400 + 10#${part[4]:-0} * 3600 + 10#${part[5]} * 60 + 10#${part[6]}))
}

# The nodes that a report blames: of ranks that stopped responding, that the watchdog ended, whose weights are not the
# others', or that could not be started (of these srun tells the rank alone; ranks lie in blocks).
suspects() {
  local rank
  {
    sed -nE 's/^srun: error: task ([0-9]+) launch failed.*/\1/p' "$1" | while read -r rank; do
      scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n "$((rank * SLURM_NNODES / ${SLURM_NTASKS:-SLURM_NNODES} + 1))p"
    done
    sed -nE 's/^ *ranks? [0-9, ]+ on (.+) stopped responding .*/\1/p; s/^vitrail: rank [0-9]+ on (.+): watchdog: .*/\1/p; s/.*the weights \(hash\) is \w+ on rank [0-9]+ \(([^)]+)\).*/\1/p' \
      "$1" | tr -d ' ' | tr ',' '\n'
  } | sort -u
}

# In any other state Slurm is ending the job already: it requeues by itself after preemption and when a node failed, and a
# cancelled job shall not come back.
is_ours() {  # RUN_FOLDER
  local state
  state=$(persist squeue --noheader --job "$job" --format %T)
  [[ $state != RUNNING ]] || return 0
  say "Slurm is ending this attempt itself (${state:-unknown}): after preemption or a node's failure the job continues as" \
    "attempt $((attempt + 1)), after scancel it does not; newest checkpoint: $(newest "$1")"
  return 1
}

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
may_try_again() {  # RUN_FOLDER WHAT
  is_ours "$1" || return 1
  local ledger=$1/failed_attempts newest failed=0 before=''
  newest=$(newest "$1")
  if [[ -r $ledger ]]; then read -r before failed <"$ledger"; fi
  if [[ $before != "$newest" ]]; then failed=0; fi
  failed=$((failed + 1))
  if ! { mkdir -p "$1" && echo "$newest $failed" >"$ledger"; } 2>/dev/null; then
    say "exit status $2: not tried again, for $ledger cannot be written"  # what is not counted might go on for ever
    return 1
  fi
  say "exit status $2: failed attempt $failed of 3 since checkpoint $newest"
  if ((failed < 3)); then return; fi
  say "not tried again: mend the cause, delete $ledger and submit again"
  return 1
}

requeue() {  # RUN_FOLDER WHY
  local bad
  is_ours "$1" || return 0
  say "$2; back to the queue, continues as attempt $((attempt + 1))"
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
    remove_leftovers "$folder"
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

# When the job is over for good. A rank that cannot be ended holds its cores, and its node may not answer any more.
unstage() {  # FOLDER
  [[ -z $1 ]] || within 20 rm -rf "$(place_of_stage "$1")" 2>/dev/null || say "left on the nodes: $(place_of_stage "$1")"
}

# What jobs left below FOLDER that were cancelled, lost their node or were requeued onto other nodes, and earlier attempts of
# this one.
remove_leftovers() {  # FOLDER
  local mine
  mine=$(squeue --user="$(id -un)" --noheader --format=%A 2>/dev/null) || return 0
  # shellcheck disable=SC2016  # for the nodes' shells
  within 30 bash -c '
    for place in "$1"/vitrail-*; do
      [[ -O $place ]] || continue
      if [[ ${place##*-} == "$3" ]] || ! grep -qx "${place##*-}" <<<"$2"; then rm -rf "$place"; fi
    done' cleaner "$1" "$mine" "$SLURM_JOB_ID" 2>/dev/null || true
}

# within SECONDS COMMAND...: on every node, beside whatever holds its cores.
within() {
  timeout --kill-after=5 "$1" srun --export=ALL --overlap --immediate="$1" --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" \
    --ntasks-per-node=1 "${@:2}"
}

# Of this attempt: a copy that was under way when another one was asked to stop may still be written.
place_of_stage() { echo "$1/vitrail-$attempt-$SLURM_JOB_ID"; }

# The environment of the job is the script's, also where sbatch was told to --export less.
on_every_node() { srun --export=ALL --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --ntasks-per-node=1 "$@"; }
