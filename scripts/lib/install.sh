# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# install_packages SECTION...: makes sure that those sections of scripts/packages are installed.
# Nothing is asked of apt when they all are. Services that come with a package are neither started
# nor left enabled: only their programs are wanted.

policy_file=/usr/sbin/policy-rc.d
policy_mark='made by headgate for the length of one installation'

# list_packages SECTION...: the names, one per line.
list_packages() {
  local wanted=" $* " section=
  while read -r word _; do
    case $word in
      '' | '#'*) ;;
      '['*']') section=${word:1:-1} ;;
      *) if [[ $wanted == *" $section "* ]]; then echo "$word"; fi ;;
    esac
  done <"$root/scripts/packages" | sort -u
}

# The packages among "$@" that are neither installed nor provided by one that is: another vendor's
# nodejs, say, which brings npm, conflicts with Debian's npm.
missing_packages() {
  local name installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
    sed -n 's/^installed //p' | tr ',' '\n' | sed 's/(.*//; s/ //g')
  for name; do
    grep -qxF -- "$name" <<<"$installed" || echo "$name"
  done
}

install_packages() {
  local packages missing
  command -v apt-get >/dev/null || die "apt-get is not here: the scripts install on Debian 12 and 13" \
    "elsewhere, install what scripts/packages names and build by hand (README.md)"
  mapfile -t packages < <(list_packages "$@")
  mapfile -t missing < <(missing_packages "${packages[@]}")
  if ((${#missing[@]} == 0)); then
    step "Packages: all ${#packages[@]} are installed already"
    return 0
  fi
  step "Installing ${#missing[@]} packages with apt (and what they depend on)"
  note "${missing[*]}"
  # A subshell so that the lock and the trap end with the installation.
  (install_missing "${missing[@]}")
}

install_missing() {
  local status=0
  exec 9>/run/headgate-install.lock
  flock 9
  install_log=$(mktemp)
  trap 'allow_services; rm -f "$install_log"' EXIT
  trap 'exit 130' INT TERM HUP
  forbid_services
  {
    apt_get update || echo "going on with the package lists at hand"
    apt_get install -y --no-install-recommends "$@" || status=$?
  } </dev/null >"$install_log" 2>&1
  if ((status != 0)); then
    cat "$install_log" >&2
    die "apt-get failed: its whole output is above"
  fi
  disable_services "$@"
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# While a policy-rc.d says 101, package scripts start no service. One that is there already is the
# administrator's and stays as it is.
forbid_services() {
  if [[ -e $policy_file || -L $policy_file ]] && ! grep -qF "$policy_mark" "$policy_file" 2>/dev/null; then
    return 0
  fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >"$policy_file"
  chmod 755 "$policy_file"
}

allow_services() {
  if grep -qF "$policy_mark" "$policy_file" 2>/dev/null; then rm -f "$policy_file"; fi
}

# Without this, a server that was just installed would start at the next boot.
disable_services() {
  local name
  command -v systemctl >/dev/null || return 0
  for name; do
    case $name in
      nginx | redis-server) systemctl disable --quiet "$name.service" >/dev/null 2>&1 || true ;;
    esac
  done
}
