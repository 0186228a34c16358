# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the scripts: where the tree is, and how to talk to the user.

# A minimal root shell may lack sbin, where ip, nft and bpftool live.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' green='' red='' dim='' plain=''
fi

step() { printf '%s==>%s %s\n' "$green" "$plain" "$*"; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain"; }
heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# error MESSAGE...: one line each, on stderr.
error() { printf '%s%s%s\n' "$red" "error: $1" "$plain" >&2; shift; if (($#)); then printf '       %s\n' "$@" >&2; fi; }

# die MESSAGE...: the check failed. usage_error MESSAGE: the command line is wrong.
die() { error "$@"; exit 1; }
usage_error() { error "$1" "see: $0 --help"; exit 2; }

# require_root WHY
require_root() {
  ((EUID == 0)) || die "root is needed: $1" "try: sudo $0"
}

# Is a cgroup2 hierarchy mounted anywhere?
has_cgroup2() { grep -q ' - cgroup2 ' /proc/self/mountinfo; }

# print_usage: prints the comment block that follows "# Usage" in the calling script.
print_usage() {
  sed -n '/^# Usage/,/^$/ { /^#/!q; s/^# \{0,1\}//; p }' "$0"
}
