#!/usr/bin/env bash
# The worked example of configs/README.md: Fashion-MNIST with 1 % of its labels, a model trained on those, what it thinks of the
# other images, and students that learn from that. Prints every command and, last, what each of them reached. VITRAIL names
# another program than that of build/release; runs that are there already are gone on with, --fresh starts over.
#
#   ci/few_labels.sh [--fresh]
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

vitrail=${VITRAIL:-build/release/vitrail}
train_pack=packs/fashion-mnist-train
test_pack=packs/fashion-mnist-test
config=configs/few_labels.cfg
teacher=runs/few_labels
labels=$teacher/labels.csv

run() {
  printf '\n$ vitrail %s\n' "$*"
  "$vitrail" "$@"
}

train() { run launch -n 2 --config "$config" "$@"; }

top1() {  # RUN
  "$vitrail" eval --checkpoint "$1" --data "$test_pack" --format json 2>/dev/null |
    python3 -c 'import json, sys; print(f"{json.load(sys.stdin)[sys.argv[1]]:.2f}")' top1
}

# How many images of the table there are, and what part of its labels is the publisher's.
table() {
  python3 - "$labels" "$(fashion_mnist train)" <<'PYTHON'
import csv, gzip, sys

truth = gzip.open(sys.argv[2].rpartition(",")[2]).read()[8:]
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
right = sum(truth[int(row["image"])] == int(row["label"]) for row in rows)
print(f"{len(rows)} images, {100 * right / len(rows):.2f} % of the labels right")
PYTHON
}

case ${1:-} in
  '') ;;
  --fresh) rm -rf "$teacher" runs/few_labels_student runs/few_labels_distilled ;;
  *) die "unknown argument '$1'; known: --fresh" ;;
esac
if [[ -z ${VITRAIL:-} ]]; then
  ci/install.sh run
  build release build/release
fi
ensure_fashion_pack "$vitrail" train "$train_pack"
ensure_fashion_pack "$vitrail" t10k "$test_pack"

train --data.subset 1% --data.subset_balanced true
run predict --checkpoint $teacher --data $train_pack --output $labels --min-confidence 0.4
pseudo=(--data.labels "$labels" --run.steps 720)
train --run.name few_labels_student "${pseudo[@]}"
train --run.name few_labels_distilled "${pseudo[@]}" --distillation.type soft --distillation.teacher_weights $teacher

first=$(top1 $teacher)
student=$(top1 runs/few_labels_student)
distilled=$(top1 runs/few_labels_distilled)
cat <<TABLE

600 labels, 60 of each class                  $first % of 10,000 test images
labels.csv                                    $(table)
student of these                              $student %
the same, taught by the first one             $distilled %
this took                                     $((SECONDS / 60)) min $((SECONDS % 60)) s
TABLE
awk -v a="$first" -v b="$student" -v c="$distilled" 'BEGIN { exit !(a > 60 && b > 60 && c > 60) }' ||
  die "one of them has learnt less than 60 %"
