# shellcheck shell=bash
# Sourced by the job scripts: the program and the libraries that it brings along go once over the network to each node's
# own disk, instead of from the shared file system to every rank at the same time.

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
