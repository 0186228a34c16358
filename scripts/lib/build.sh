# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# build_targets TESTS [TARGET...]: configures the release preset and builds it, into build/bin.
# TESTS is ON, OFF, or KEEP (as configured before; OFF the first time).
# The caller's EXIT trap must call stop_build.

build_pid= # leader of the process group that builds

build_targets() {
  local tests=$1 configure=(cmake --preset release) build=(cmake --build --preset release)
  shift
  if [[ $tests == KEEP && ! -e $root/build/CMakeCache.txt ]]; then tests=OFF; fi
  if [[ $tests != KEEP ]]; then configure+=("-DHEADGATE_TESTS=$tests"); fi
  if (($#)); then build+=(--target "$@"); fi

  step "Building${*:+ $*} (the first time takes some minutes)"
  as_owner_of_the_tree
  run_build_step "${configure[@]}"
  run_build_step "${build[@]}"
}

# In a process group of its own and in the background: a signal is then answered at once, not when
# the compiler is done.
run_build_step() {
  local log status=0
  log=$(mktemp)
  setsid env -C "$root" "${run_as[@]}" "$@" >"$log" 2>&1 </dev/null &
  build_pid=$!
  wait "$build_pid" || status=$?
  build_pid=
  if ((status != 0)); then cat "$log" >&2; fi
  rm -f "$log"
  if ((status != 0)); then die "the build failed ($*): its whole output is above"; fi
}

stop_build() {
  if [[ -n $build_pid ]]; then kill -TERM -- "-$build_pid" 2>/dev/null || true; fi
}

# Under sudo, files that root made in the user's checkout would be in the user's way later.
as_owner_of_the_tree() {
  local owner group switch
  run_as=()
  read -r owner group < <(stat -c '%u %g' "$root")
  if ((owner == 0)); then return 0; fi
  switch=(setpriv "--reuid=$owner" "--regid=$group" --clear-groups --)
  if "${switch[@]}" test -w "$root" 2>/dev/null; then
    run_as=("${switch[@]}")
    if [[ -d $root/build ]]; then chown -R "$owner:$group" "$root/build"; fi
  fi
}
