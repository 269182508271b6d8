#!/usr/bin/env bash
# From a fresh clone to a trained model: installs what is missing, builds, packs Fashion-MNIST, trains a small ViT on
# two ranks, evaluates it and writes a report with what it saw and where it looks; and shows beside it that a run killed with -9 and started again ends in the same bits as
# one that nobody disturbed. What is done already is not done again; --fresh starts over.
#
#   ci/quickstart.sh [--fresh]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

vitrail=build/release/vitrail
config=configs/quickstart.cfg
train_pack=packs/fashion-mnist-train
test_pack=packs/fashion-mnist-test
steps=60     # of the two runs that are compared
launched=''  # process id of a run in the background

launch() { exec "$vitrail" launch -n 2 --config "$config" "$@"; }
launch_short() {  # NAME
  launch --run.name "$1" --run.steps $steps --checkpoint.every 10st
}

# A process and all that it started, whatever sessions and groups they are in now.
tree_of() {
  local child
  echo "$1"
  for child in $(pgrep -P "$1"); do tree_of "$child"; done
}

# Nothing gets a chance to clean up; returns when the last process is gone.
kill_launched() {
  local pids pid
  [[ -n $launched ]] || return 0
  mapfile -t pids < <(tree_of "$launched")
  kill -9 "${pids[@]}" 2>/dev/null || true
  wait "$launched" 2>/dev/null || true
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  done
  launched=''
}

steps_done() {  # NAME
  local count
  count=$(grep -cs '"grad_norm"' "runs/$1/metrics.jsonl" || true)
  echo "${count:-0}"
}

run_killed_on_the_way() {  # NAME
  local at=$((31 + RANDOM % 8))
  if (($(steps_done "$1") >= steps)) && [[ -e runs/$1/checkpoints/latest ]]; then
    say "runs/$1 was killed, resumed and finished before"
    return
  fi
  rm -rf "runs/$1"
  say "training $1 for $steps steps, to be killed with -9 at step $at"
  launch_short "$1" &
  launched=$!
  while (($(steps_done "$1") < at)); do
    kill -0 $launched 2>/dev/null || die "$1 ended before step $at, at which it was to be killed"
    sleep 0.05
  done
  kill_launched
  say "killed after step $(steps_done "$1"); the same command again"
  (launch_short "$1")
}

hash_of() { "$vitrail" checkpoint hash "runs/$1/checkpoints/latest" --part all; }

value_of() {  # KEY FILE
  python3 -c 'import json, sys; print(json.load(open(sys.argv[2]))[sys.argv[1]])' "$@"
}

median_rate() {  # METRICS FILE
  python3 -c 'import json, statistics, sys
steps = [json.loads(line) for line in open(sys.argv[1])]
print(round(statistics.median(step["images_per_s"] for step in steps if "images_per_s" in step)))' "$1"
}

evaluate() {
  "$vitrail" eval --checkpoint runs/quickstart/checkpoints/latest --data "$test_pack" --evaluate.per_class true --format json \
    >runs/quickstart/evaluation.json
}

report() {
  "$vitrail" report runs/quickstart --output runs/quickstart/report.html --attention "$test_pack" --preview "$train_pack"
}

print_results() {
  local result=runs/quickstart/evaluation.json undisturbed killed
  undisturbed=$(hash_of quickstart-undisturbed)
  killed=$(hash_of quickstart-killed)
  cat <<TABLE

top-1                          $(value_of top1 $result) % of $(value_of images $result) test images
training                       $(median_rate runs/quickstart/metrics.jsonl) images/s on 2 ranks
state after $steps steps
  undisturbed                  $undisturbed
  killed with -9, resumed      $killed
report, to open in a browser   runs/quickstart/report.html
files                          $train_pack  $test_pack  runs/quickstart  runs/quickstart-{undisturbed,killed}
this took                      $((SECONDS / 60)) min $((SECONDS % 60)) s
TABLE
  [[ $undisturbed == "$killed" ]] || die "the killed run did not end in the same state"
}

case ${1:-} in
  '') ;;
  --fresh) rm -rf "$train_pack" "$test_pack" runs/quickstart runs/quickstart-undisturbed runs/quickstart-killed ;;
  *) die "unknown argument '$1'; known: --fresh" ;;
esac
trap kill_launched EXIT

ci/install.sh run
say "building $vitrail"
build release build/release
ensure_fashion_pack "$vitrail" train "$train_pack"
ensure_fashion_pack "$vitrail" t10k "$test_pack"
say "training runs/quickstart ($config)"
(launch)
say "evaluating"
evaluate
report
say "training quickstart-undisturbed for $steps steps"
(launch_short quickstart-undisturbed)
run_killed_on_the_way quickstart-killed
print_results
