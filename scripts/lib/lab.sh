# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A lab: three network namespaces that exist for one demonstration, nginx in one of them, and a
# headgated outside that limits it.
#
#   NAME-server    198.18.0.1   nginx on port 80      ┐ one veth pair to each client,
#   NAME-client-a  198.18.0.11                        │ no link in the host's own
#   NAME-client-b  198.18.0.12                        ┘ namespace
#
# Everything a lab has is under its directory, its namespaces, and its processes: lab_stop needs
# nothing but the name. Names carry the pid of their maker, so labs do not meet.

labs=/run/headgate-lab
server_address=198.18.0.1
client_a_address=198.18.0.11
client_b_address=198.18.0.12

# lab_start LIMIT BIN: makes the namespaces and starts nginx and headgated from BIN.
# Sets `lab` (the name) and `lab_dir` first, so that a trap can stop what is half made.
lab_start() {
  local limit=$1 bin=$2
  lab=hg$$
  lab_dir=$labs/$lab
  mkdir -p "$labs"
  mkdir "$lab_dir"
  echo "$bin" >"$lab_dir/bin"
  lab_network
  lab_nginx
  lab_headgated "$limit" "$bin"
}

lab_network() {
  ip netns add "$lab-server"
  lab_ip server link set lo up
  lab_client client-a "$client_a_address"
  lab_client client-b "$client_b_address"
}

lab_client() {
  local name=$1 address=$2
  ip netns add "$lab-$name"
  lab_ip "$name" link set lo up
  lab_ip "$name" link add eth0 type veth peer name "$name" netns "$lab-server"
  lab_ip "$name" address add "$address" peer "$server_address" dev eth0
  lab_ip server address add "$server_address" peer "$address" dev "$name"
  lab_ip "$name" link set eth0 up
  lab_ip server link set "$name" up
}

# Not `ip -n`: that remounts things, and fails where / is not a mount point (a chroot).
lab_ip() { (in_namespace "$1" ip "${@:2}"); }

# in_namespace ROLE COMMAND...: replaces the shell.
in_namespace() {
  local role=$1
  shift
  exec nsenter "--net=/run/netns/$lab-$role" -- "$@"
}

lab_nginx() {
  cat >"$lab_dir/nginx.conf" <<CONF
pid $lab_dir/nginx.pid;
user root;
worker_processes 1;
daemon off;
error_log $lab_dir/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  default_type text/plain;
  keepalive_timeout 1d;
  client_body_temp_path $lab_dir/nginx-tmp;
  proxy_temp_path $lab_dir/nginx-tmp;
  fastcgi_temp_path $lab_dir/nginx-tmp;
  uwsgi_temp_path $lab_dir/nginx-tmp;
  scgi_temp_path $lab_dir/nginx-tmp;
  server {
    listen 80;
    location / { return 200 "hello from nginx behind headgate\n"; }
  }
}
CONF
  # shellcheck disable=SC2094
  # setsid, here and below: Ctrl-C is for the script, which then ends the lab in order.
  in_namespace server setsid nginx -e "$lab_dir/nginx.log" -p "$lab_dir" -c "$lab_dir/nginx.conf" \
    </dev/null >>"$lab_dir/nginx.log" 2>&1 &
  lab_wait_for "nginx" $! "$lab_dir/nginx.log" test -s "$lab_dir/nginx.pid"
}

lab_headgated() {
  local limit=$1 bin=$2 log=$lab_dir/headgated.log
  # A loopback address of this lab's own, so that the usual metrics port is free.
  local metrics="127.$((64 + (($$ >> 16) & 63))).$((($$ >> 8) & 255)).$(($$ & 255)):9469"
  local cgroup=auto
  if ! has_cgroup2; then
    cgroup=$lab_dir/cgroup
    mkdir "$cgroup"
    mount -t cgroup2 headgate-lab "$cgroup"
  fi
  echo "$metrics" >"$lab_dir/metrics"
  cat >"$lab_dir/headgate.yaml" <<YAML
rules:
  - name: web
    listen: ["80"]
    connections: { per_client: $limit }
metrics: { listen: "$metrics" }
control: { socket: $lab_dir/control.sock }
pin_dir: $lab_dir/bpf
cgroup: $cgroup
netns: /run/netns/$lab-server
YAML
  setsid "$bin/headgated" --config "$lab_dir/headgate.yaml" </dev/null >"$log" 2>&1 &
  lab_record headgated $!
  lab_wait_for "headgated" $! "$log" grep -q 'ready:' "$log"
}

# lab_wait_for WHAT PID LOG CONDITION...: until the condition holds, at most 20 s.
lab_wait_for() {
  local what=$1 pid=$2 log=$3 turn
  shift 3
  for ((turn = 0; turn < 400; turn++)); do
    if "$@"; then return 0; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.05
  done
  cat "$log" >&2
  die "$what did not come up: its output is above"
}

# A process is its pid and its start time: a pid alone may belong to someone else by now.
lab_record() { echo "$2 $(process_start "$2")" >"$labs/$lab/$1.process"; }
process_start() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# lab_stop NAME: ends the processes, then removes namespaces (their links go with them), mount
# and directory. May be called at any stage of lab_start, and again.
lab_stop() {
  local name=$1 pid start role pids=()
  for role in server client-a client-b; do
    if [[ -e /run/netns/$name-$role ]]; then
      mapfile -t -O "${#pids[@]}" pids < <(ip netns pids "$name-$role")
    fi
  done
  if read -r pid start 2>/dev/null <"$labs/$name/headgated.process"; then
    if [[ $(process_start "$pid") == "$start" ]]; then pids+=("$pid"); fi
  fi
  lab_end_processes "${pids[@]}"
  for role in server client-a client-b; do
    if [[ -e /run/netns/$name-$role ]]; then ip netns delete "$name-$role"; fi
  done
  if mountpoint -q "$labs/$name/cgroup"; then umount "$labs/$name/cgroup"; fi
  # headgated has mounted a bpffs there: what is pinned in it goes with it.
  if mountpoint -q "$labs/$name/bpf"; then umount "$labs/$name/bpf"; fi
  rm -rf "${labs:?}/$name"
  rmdir "$labs" 2>/dev/null || true
}

# SIGTERM, five seconds of patience, SIGKILL.
lab_end_processes() {
  local turn alive=("$@")
  if ((${#alive[@]} == 0)); then return 0; fi
  kill -TERM "${alive[@]}" 2>/dev/null || true
  for ((turn = 0; turn < 100; turn++)); do
    mapfile -t alive < <(lab_alive "${alive[@]}")
    if ((${#alive[@]} == 0)); then return 0; fi
    sleep 0.05
  done
  kill -KILL "${alive[@]}" 2>/dev/null || true
}

# Those of the pids that run still; a zombie does not.
lab_alive() {
  local pid state
  for pid; do
    state=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1) || continue
    if [[ -n $state && $state != Z ]]; then echo "$pid"; fi
  done
}
