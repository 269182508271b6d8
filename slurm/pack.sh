# shellcheck shell=bash
# Sourced by the job scripts that pack: one rank on each node with a thread for each of its cores, then a full check of
# what came out. A pack that is complete is left alone, so a requeued job goes on where it stopped.

# How far the packs in a folder are: what requeue.sh takes for a new checkpoint.
newest() { echo "$(find -L "$1" -name 'shard-*.h5' 2>/dev/null | wc -l)-shards"; }

# pack SOURCE FOLDER [WORDS OF vitrail pack...]
pack() {
  local source=$1 folder=$2
  shift 2
  # shellcheck disable=SC2154  # the job script names the program
  srun --export=ALL ${mpi:+"--mpi=$mpi"} --cpus-per-task="$SLURM_CPUS_PER_TASK" "$vitrail" pack --source "$source" --output "$folder" \
    --threads "$SLURM_CPUS_PER_TASK" "$@" &&
    "$vitrail" verify "$folder" --threads "$SLURM_CPUS_PER_TASK" &&
    "$vitrail" info "$folder"
}
