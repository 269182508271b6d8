#!/usr/bin/env bash
# From packs to an accuracy, as jobs of which each waits for the one before: all packs are checked, ViT-H is trained on
# ImageNet-21k, fine-tuned on ImageNet-1k, evaluated. Not a job itself; on the login node, from the repository's root:
#
#   slurm/chain_21k_to_1k.sh [--section.key VALUE ...]
#
# Words go to both trainings; their data.val is what is evaluated on. Each stage has the #SBATCH lines of its own script;
# SBATCH_PARTITION, SBATCH_ACCOUNT and the other variables that sbatch reads win over them, and so does $SBATCH_WORDS for
# whatever has no variable. A stage whose run has not reached its planned end is not built on (VITRAIL_UNFINISHED=allow).
# PRETRAIN and FINETUNE name other configs. A stage that fails for good takes those after it out
# of the queue; with its cause mended, the whole chain may be submitted again: what is done is found done.
set -euo pipefail
[[ -f slurm/site.sh ]] || { echo "submit this from the repository's root" >&2; exit 2; }
source slurm/site.sh
pretrain=${PRETRAIN:-configs/vit_h_21k.cfg}
finetune=${FINETUNE:-configs/vit_h_21k_to_1k.cfg}
read -ra sbatch_words <<<"${SBATCH_WORDS:-}"
words=("$@")
case " $* " in
  *" --run.name"* | *" --run.dir"*)
    echo "every stage of a chain has a folder of its own, in VITRAIL_RUNS: leave out --run.name and --run.dir" >&2
    exit 2
    ;;
esac

# set_in CONFIG KEY: its value where it is set, of [data]. Settings that no training would take end the chain here.
set_in() {
  "$vitrail" launch --config "$1" "${words[@]}" --print-config | sed -n '/^\[data\]/,/^\[/ s/^'"$2"' = \(.\+\)/\1/p'
}

submit() {  # JOB BEFORE IT, SCRIPT, ITS WORDS...
  local after=()
  if [[ $1 ]]; then after=("--dependency=afterok:$1" --kill-on-invalid-dep=yes); fi
  sbatch --parsable "${after[@]}" "${sbatch_words[@]}" "${@:2}"
}

# stage JOB BEFORE IT, RUN THAT HAS TO BE FINISHED, CONFIG, SCRIPT, ITS WORDS...: a training, in the folder that its config
# is called by.
stage() {
  local name
  name=$(basename "$3" .cfg)
  VITRAIL_AFTER=$2 VITRAIL_CONFIG=$3 VITRAIL_RUN_DIR=$runs/$name submit "$1" --job-name="$name" "${@:4}"
}

pretrained_on=$(set_in "$pretrain" train)
finetuned_on=$(set_in "$finetune" train)
judged_on=$(set_in "$finetune" val)
[[ $judged_on ]] || { echo "$finetune sets no data.val to evaluate on" >&2; exit 2; }
mapfile -t checked < <(printf '%s\n' "$pretrained_on" "$finetuned_on" "$judged_on" | sort -u)
first=$runs/$(basename "$pretrain" .cfg)
last=$runs/$(basename "$finetune" .cfg)

job=$(submit "" slurm/check_packs.sh "${checked[@]}")
echo "$job checks ${checked[*]}"
job=$(stage "$job" "" "$pretrain" slurm/vit_h_21k.sh "${words[@]}")
echo "$job trains $first"
job=$(stage "$job" "$first" "$finetune" slurm/vit_h_21k_to_1k.sh "${words[@]}" --model.weights "$first")
echo "$job fine-tunes it in $last"
job=$(VITRAIL_AFTER=$last submit "$job" slurm/evaluate.sh "$last" "$judged_on")
echo "$job evaluates that on $judged_on"
