#!/usr/bin/env bash
# Everything that is checked without running the program. Files that include torch take half a minute each to
# parse, so tidy and header builds leave them to --all; tidy leaves tests to it, too.
#
#   ci/lint.sh [--all] [--stage NAME]   only that one: format, shell, layers, style, headers, tidy
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
flags=(build/lint) torch=OFF
if [[ ${1:-} == --all ]]; then
  flags=(build/lint-all --torch) torch=ON
  shift
fi
source ci/stages.sh

# Two versions of the formatter agree on little: the one that counts is Debian 12's.
clang_tool() {
  local tool
  for tool in "$1-14" "$1"; do
    if "$tool" --version 2>/dev/null | grep -q 'version 14\.'; then
      echo "$tool"
      return
    fi
  done
  die "$1 14 is not in PATH (Debian 12: package $1; elsewhere: pip install $1==14.0.6)"
}

format() {
  local tool bad
  tool=$(clang_tool clang-format)
  bad=$(git ls-files -z --cached --others --exclude-standard '*.cpp' '*.hpp' '*.cu' |
    xargs -0 "$tool" --dry-run 2>&1 | sed -n 's/:[0-9]*:[0-9]*: warning:.*//p' | sort -u | tr '\n' ' ')
  [[ -z $bad ]] || die "please run: $tool -i $bad"
}

shell() {
  git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 shellcheck -x -P SCRIPTDIR
}

# Each check of ours first shows on small examples that it can fail.
check() {
  python3 "ci/check_$1.py" --self-test
  python3 "ci/check_$1.py" "${@:2}"
}

# Source by source, with what each includes itself.
configure_sources() { configure dev "${flags[0]}" -DVITRAIL_TORCH=$torch -DCMAKE_UNITY_BUILD=OFF; }

headers() {
  configure_sources
  check headers "${flags[@]}"
}

tidy() {
  configure_sources
  CLANG_TIDY=$(clang_tool clang-tidy) check tidy "${flags[@]}"
}

stage format format
stage shell shell
stage layers check layers
stage style check style
stage headers headers
stage tidy tidy
finish
