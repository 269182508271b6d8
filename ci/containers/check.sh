#!/usr/bin/env bash
# Whether the recipes of this folder lead to a program that trains: by Docker where its engine runs; else the Dockerfile's steps
# one by one as root, each image a root folder made by debootstrap. Packages come from where this machine's apt takes them,
# LibTorch from $VITRAIL_DEPS where it is there.
#
#   ci/containers/check.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
recipe=ci/containers/Dockerfile
# shellcheck disable=SC2054  # a source's own commas
training=(launch -n 2 --run.name tiny --run.steps 4 --run.epochs 0 --run.lanes 2 --data.train synthetic:64,4,28
  --data.global_batch_size 16 --data.workers 1 --model.name vit_xxs4 --model.image_size 28 --model.classes 4 --model.width 32
  --model.depth 2 --model.heads 2)

# Both recipes do the same: the steps of one are those of the other.
same_steps() {
  # shellcheck disable=SC2016  # Docker's own variable
  diff <(sed -nE 's/^RUN //p' "$recipe" | sed 's/\$PRESET/{{ PRESET }}/') \
    <(sed -nE '/^%post/,/^$/ s/^    //p' ci/containers/vitrail.def) || die "vitrail.def and the Dockerfile do not run the same"
}

by_engine() {
  docker build -q -f "$recipe" -t vitrail-check . >/dev/null
  docker run --rm vitrail-check --version
  docker run --rm --user 65534:65534 --tmpfs /work:mode=1777 vitrail-check "${training[@]}"
}

# The mirror of this machine's distribution.
mirror() {
  # shellcheck disable=SC2016  # apt's own
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' "Codename: $1" |
    awk '$2 == "main" { print $1; exit }'
}

# make_base FOLDER: a minimal system with this machine's ways to packages.
make_base() {
  local codename from file
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  from=$(mirror "$codename")
  [[ $from ]] || die "apt knows no packages of $codename: apt-get update"
  say "a minimal $codename in $1"
  debootstrap --variant=minbase "$codename" "$1" "$from" >"$1.log" 2>&1 || die "debootstrap failed: $1.log"
  apt-config dump Acquire | grep -v '""' >"$1/etc/apt/apt.conf.d/90acquire"
  echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/90unsafe"  # a root that is thrown away
  for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt /etc/resolv.conf /etc/hosts; do
    [[ ! -e $file ]] || install -D -m 644 "$file" "$1$file"
  done
}

# inside ROOT COMMAND...: in namespaces of its own, so that nothing stays mounted; with $deps where it is.
inside() {
  # shellcheck disable=SC2016  # for the inner shell
  unshare --mount --pid --fork bash -c '
    root=$1 deps=$2
    shift 2
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind /sys "$root/sys" || exit
    if [[ $deps ]]; then mkdir -p "$root$deps" && mount --bind "$deps" "$root$deps" || exit; fi
    exec chroot "$root" "$@"' inside "$1" "$bound" "${@:2}"
}

# One line of the Dockerfile. `root` is that of the image it is about.
step() {
  local words from
  read -ra words <<<"$1"
  case ${words[0]:-} in
    FROM)
      images=$((images + 1))
      root=$folder/image$images
      bound=''
      if ((images == 1)); then bound=$deps; fi
      cp -a "$folder/base" "$root"
      ;;
    COPY)
      from=.
      if [[ ${words[1]} == --from=build ]]; then from=$folder/image1 words=(COPY "${words[@]:2}"); fi
      mkdir -p "$root$(dirname "${words[2]}")"
      if [[ ${words[1]} == . ]]; then
        mkdir "$root${words[2]}"
        git ls-files -z --cached --others --exclude-standard | tar --null -T - -c .git | tar -x --no-same-owner -C "$root${words[2]}"
      else
        cp -a "$from/${words[1]}" "$root${words[2]}"
      fi
      ;;
    RUN) inside "$root" env -i "${environment[@]}" sh -c "${1#RUN }" ;;
    WORKDIR) install -d -m 1777 "$root${words[1]}" ;;
    '' | '#'* | ARG | ENV | ENTRYPOINT) ;;
    *) die "$recipe: $1: not a step that is known here" ;;
  esac
}

by_steps() {
  local folder images=0 root='' bound='' line environment
  ((EUID == 0)) || die "no Docker engine runs, and this user is not root"
  command -v debootstrap >/dev/null || die "no Docker engine runs, and there is no debootstrap"
  folder=$(mktemp -d "${TMPDIR:-/tmp}/vitrail-containers.XXXXXX")
  # shellcheck disable=SC2064  # this folder
  trap "rm -rf --one-file-system '$folder'" EXIT
  environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PRESET=release VITRAIL_DEPS="$deps")
  mapfile -t -O "${#environment[@]}" environment < <(env | grep -E '^(PIP_|[a-zA-Z]+_proxy=)' || true)
  make_base "$folder/base"
  while IFS= read -r line; do
    [[ ! $line =~ ^[A-Z] ]] || say "$line"
    step "$line"
  done <"$recipe"
  say "the final image: $(du -sh "$root" | cut -f 1), packages beyond the minimal system: $(($(dpkg-query --admindir "$root/var/lib/dpkg" -W | wc -l) - $(dpkg-query --admindir "$folder/base/var/lib/dpkg" -W | wc -l)))"
  local as_nobody=(env -i "$(sed -n 's/^ENV //p' "$recipe")" setpriv --reuid=65534 --regid=65534 --clear-groups)
  inside "$root" "${as_nobody[@]}" vitrail --version
  inside "$root" "${as_nobody[@]}" sh -c 'cd /work && exec vitrail "$@"' run "${training[@]}"
  [[ -f $root/work/runs/tiny/finished.json ]] || die "the training left no finished.json"
}

same_steps
if docker info >/dev/null 2>&1; then by_engine; else by_steps; fi
say "the recipes' steps lead to a program that trains"
