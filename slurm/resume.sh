#!/usr/bin/env bash
# Submits a run's job once more on other nodes. A job that went back to the queue keeps its number of nodes for ever: where
# some are down, it would wait until they are mended. The run goes on from its newest checkpoint with the same bits, on any
# number of ranks up to run.lanes. Not a job itself; on the login node, from the repository's root:
#
#   slurm/resume.sh RUN_FOLDER --nodes=K [WORDS OF sbatch...]
#
# Partition, account, QOS, time limit, and tasks, cores and GPUs of a node are those of the job, unless words say otherwise. The waiting job is cancelled once
# Slurm has taken the new one; one that runs is left alone.
# shellcheck disable=SC2154  # job, script, config, words and on_a_node come from the run's job.sh
set -euo pipefail
run=${1:-}
# Jobs of `vitrail submit` need no clone: their script and settings lie in the run's folder.
[[ -f slurm/site.sh ]] || compgen -G "$run/submitted-*.sh" >/dev/null || { echo "run this from the repository's root" >&2; exit 2; }
[[ -f $run/job.sh && $# -ge 2 ]] || { echo "usage: slurm/resume.sh RUN_FOLDER --nodes=K [words of sbatch]; the folder has no job.sh if no job of slurm/ has begun it" >&2; exit 2; }
shift
[[ " $* " =~ \ (--nodes[=\ ]|-N) && $1 == -* ]] || { echo "say on how many nodes: slurm/resume.sh $run --nodes=K [words of sbatch]" >&2; exit 2; }
# shellcheck source=/dev/null
source "$run/job.sh"
shown=$(scontrol show job "$job" 2>/dev/null || true)
state=$(sed -n 's/.*JobState=\([A-Z]*\).*/\1/p' <<<"$shown")
if [[ $state == @(RUNNING|COMPLETING) ]]; then
  echo "job $job of $run is $state: it needs no help" >&2
  exit 78
fi
same=()
[[ -v on_a_node ]] || on_a_node=()  # of an earlier job.sh
for field in Partition Account QOS TimeLimit; do
  value=$(sed -n "s/.*\b$field=\([^ ]*\).*/\1/p" <<<"$shown" | head -n 1)
  option=${field,,}
  if [[ $value && $value != "(null)" ]]; then same+=("--${option/timelimit/time}=$value"); fi
done
# The folder wins over any name among the words. The new job is the run's from now on: resumed once more, it is replaced.
new=$(VITRAIL_CONFIG=$config sbatch --parsable "${same[@]}" "${on_a_node[@]}" "$@" "$script" "${words[@]}" --run.dir "$(realpath "$run")")
new=${new%%;*}
echo "Submitted batch job $new"
sed -i "s/^job=.*/job=$new/" "$run/job.sh" || echo "cannot write $run/job.sh: it names job $job still" >&2
if [[ $state == PENDING ]]; then
  scancel "$job"
  echo "cancelled job $job, which was waiting"
fi
