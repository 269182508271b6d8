# shellcheck shell=bash
# Sourced by scripts that are made of stages: runs named stages one after another, notes minutes and outcome, and closes with a
# table. A failed stage does not stop the others, unless they say that they need it.
names=() outcomes=() minutes=()
only=''
if [[ ${1:-} == --stage ]]; then only=${2:?--stage wants a name}; fi

outcome_of() {
  local i
  for i in "${!names[@]}"; do
    [[ ${names[i]} != "$1" ]] || echo "${outcomes[i]}"
  done
}

# stage NAME [--needs OTHER] COMMAND...
stage() {
  local name=$1 needs='' outcome start=$SECONDS status
  shift
  if [[ $1 == --needs ]]; then
    needs=$2
    shift 2
  fi
  if [[ -n $only && $name != "$only" ]]; then return; fi
  if [[ -n $needs && $(outcome_of "$needs") == @(FAILED|not*) ]]; then
    outcome="not run: needs $needs"
  else
    printf '\n== %s\n' "$name"
    set +e  # not `if (...)`: inside a condition bash would ignore the command's own set -e
    (set -e && "$@") 2>&1
    status=$?
    set -e
    outcome=passed
    ((status == 0)) || outcome=FAILED
  fi
  names+=("$name") outcomes+=("$outcome")
  minutes+=("$(awk -v s=$((SECONDS - start)) 'BEGIN { printf "%.1f", s / 60 }')")
}

# Prints the table; fails if a stage failed or was not run, or if none has the name that was asked for.
finish() {
  local i bad=()
  ((${#names[@]})) || die "no stage is named '$only'"
  printf '\n%-12s %7s  %s\n' stage minutes outcome
  for i in "${!names[@]}"; do
    printf '%-12s %7s  %s\n' "${names[i]}" "${minutes[i]}" "${outcomes[i]}"
    [[ ${outcomes[i]} == passed ]] || bad+=("${names[i]}")
  done
  echo
  ((${#bad[@]} == 0)) || die "failed: ${bad[*]}"
  say "all stages passed"
}
