#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""headgate as an operator lives with it, on a Debian with systemd: installed, upgraded, purged.

Runs in a guest of its own (scripts/vm systemd), as root, from a directory with first.deb and
second.deb, two builds of the package. One step after the other; the first that is not as it should
be ends the story with exit status 1. nginx is Debian's, as it starts after its installation.
"""
import contextlib
import errno
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = pathlib.Path("/etc/headgate/headgate.yaml")
PINS = pathlib.Path("/sys/fs/bpf/headgate")
SERVER, CLIENT, OTHER, DENIED = "198.18.0.1", "198.18.0.2", "198.18.0.3", "198.18.0.4"
PATIENCE_SECONDS = 60  # an emulated processor
SHOWN_REFUSALS = 3
TAKEN_OVER = "took over what was in force, with its counts"

RULES = """\
rules:
  - name: web
    listen: ["80"]
    connections: {{ per_client: {per_client} }}
xdp: {{ interfaces: ["front*"] }}
quotas:
  domains:
    - domain: api
      descriptors: [{{ key: user, concurrency: {{ limit: 2 }} }}]
"""
MEMORY_SOCKET = "/run/headgate/quota-memory.sock"


class NotAsItShouldBe(Exception):
    pass


def check(condition, text):
    if not condition:
        raise NotAsItShouldBe(text)
    print(f"  ok: {text}", flush=True)


def sh(command, may_fail=False):
    """Runs a line of shell and shows it with its output."""
    print(f"  $ {command}", flush=True)
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    for line in done.stdout.splitlines():
        print(f"    {line}", flush=True)
    if done.returncode != 0 and not may_fail:
        raise NotAsItShouldBe(f"exit status {done.returncode}: {command}")
    return done


def eventually(condition, text):
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        is_so = condition()
        if is_so or time.monotonic() >= end:
            break
        time.sleep(0.1)
    check(is_so, text)


# Traffic ------------------------------------------------------------------------------------------

def connect(client):
    """A connection to nginx; None if it is refused."""
    connection = socket.socket()
    connection.settimeout(PATIENCE_SECONDS)
    connection.bind((client, 0))
    try:
        connection.connect((SERVER, 80))
    except OSError as error:
        connection.close()
        if error.errno == errno.ECONNREFUSED:
            return None
        raise
    return connection


def is_served(connection):
    """nginx answers on this connection, and keeps it."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.settimeout(PATIENCE_SECONDS)
    return b" 200 OK" in connection.recv(65536)


def hold(client, number):
    held = [connect(client) for _ in range(number)]
    check(None not in held, f"{client} opens {number} connections")
    return held


def is_refused(client):
    connection = connect(client)
    if connection is None:
        return True
    connection.close()
    return False


class Assault:
    """Tries without pause, from a client that holds all it may: not one connection may succeed, at no
    instant, whatever happens to the daemon meanwhile."""

    def __init__(self, what):
        self._what, self._is_over, self._tried, self._admitted, self._fault = what, False, 0, [], None
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        began = time.monotonic()
        try:
            while not self._is_over:
                if not is_refused(CLIENT):
                    self._admitted.append(round(time.monotonic() - began, 3))
                self._tried += 1
                time.sleep(0.005)
        except OSError as error:
            self._fault = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._is_over = True
        self._thread.join()
        if kind is None:
            check(self._fault is None and self._tried > 0,
                  f"{self._tried} connections were tried meanwhile{self._fault or ''}")
            check(not self._admitted, f"none beyond the limit was let in {self._what}"
                                      f"{', but after seconds ' if self._admitted else ''}"
                                      f"{self._admitted or ''}")


# What headgate says -------------------------------------------------------------------------------

def counted():
    status = subprocess.run(["headgatectl", "-o", "json", "status"], check=True, stdout=subprocess.PIPE)
    return next(rule["connections"] for rule in json.loads(status.stdout)["rules"] if rule["name"] == "web")


def live():
    sockets = subprocess.run(["ss", "-Htn", "state", "established", "sport", "=", ":80"], check=True,
                             stdout=subprocess.PIPE).stdout
    return len(sockets.splitlines())


def counts_are(number):
    check(live() == number, f"{number} connections live")
    eventually(lambda: counted() == number, f"{number} connections counted")


def main_pid():
    return int(subprocess.run(["systemctl", "show", "--property", "MainPID", "--value", "headgate"],
                              check=True, stdout=subprocess.PIPE).stdout)


def is_active():
    return subprocess.run(["systemctl", "is-active", "--quiet", "headgate"], check=False).returncode == 0


class Journal:
    """What the unit has said since the last time that it was asked."""

    def __init__(self):
        self._cursor = None

    def read(self):
        time.sleep(1)
        after = f"--after-cursor '{self._cursor}'" if self._cursor else ""
        command = f"journalctl --no-pager --unit headgate {after}"
        lines = subprocess.run(["sh", "-c", f"{command} --show-cursor --output short"], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.splitlines()
        refusals = 0
        for line in lines:
            refusals += ": refused " in line
            if line.startswith("-- cursor: "):
                self._cursor = line.removeprefix("-- cursor: ")
            elif ": refused " not in line or refusals <= SHOWN_REFUSALS:
                print(f"    | {line}", flush=True)
        if refusals > SHOWN_REFUSALS:
            print(f"    | ({refusals - SHOWN_REFUSALS} more refusals)", flush=True)
        return "\n".join(lines)

    def says(self, *patterns, but_not=r" (error|critical) "):
        text = self.read()
        for pattern in patterns:
            check(re.search(pattern, text), f"the journal says {pattern!r}")
        if but_not:
            check(not re.search(but_not, text), f"the journal does not say {but_not!r}")


# The story ----------------------------------------------------------------------------------------

def write_config(per_client):
    CONFIG.write_text(RULES.format(per_client=per_client))
    sh(f"headgatectl check {CONFIG}")


def install(package):
    sh(f"DEBIAN_FRONTEND=noninteractive dpkg --install {HERE}/{package}.deb")


def front_line():
    """How the front line is on front0, inside the unit's sandbox: the one entry of the status."""
    status = json.loads(subprocess.run(["headgatectl", "-o", "json", "status"], check=True,
                                       stdout=subprocess.PIPE).stdout)
    check(len(status["xdp"]) == 1, f"one interface has a front line: {status['xdp']}")
    return status["xdp"][0]


def xdp_programs():
    """Those that the kernel has on front0."""
    link = json.loads(subprocess.run(["ip", "-json", "-details", "link", "show", "dev", "front0"],
                                     check=True, stdout=subprocess.PIPE).stdout)[0]
    return link.get("xdp")


def attach():
    """A connection to the door for the memory of quotas, as libheadgate-client says hello there."""
    service = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    service.settimeout(PATIENCE_SECONDS)
    service.connect(MEMORY_SOCKET)
    service.send(struct.pack("=BIII", 1, 1, 1, 3) + b"api")
    message, files, _, _ = socket.recv_fds(service, 4096, 2)
    kind, _, status = struct.unpack_from("=BII", message)
    check((kind, status, len(files)) == (16, 0, 2), "a service gets the memory of its domain")
    for file in files:
        os.close(file)
    return service


def version():
    return sh("dpkg-query -W -f '${Version}' headgate").stdout.strip()


class Story:
    def __init__(self):
        self._journal, self._held, self._others = Journal(), [], []

    def tell(self):
        steps = ("prepare", "install", "configure_and_start", "limit", "reload", "refuse_a_bad_reload",
                 "set_the_clock_back", "kill",
                 "restart", "upgrade", "stop", "start_again", "purge")
        for number, name in enumerate(steps, start=1):
            print(f"\n==> {number}/{len(steps)} {name.replace('_', ' ')}", flush=True)
            getattr(self, name)()

    def prepare(self):
        for address in (SERVER, CLIENT, OTHER, DENIED):
            sh(f"ip address add {address}/32 dev lo")
        sh("ip link add front0 type veth peer name behind0")
        sh("ip link set front0 up && ip link set behind0 up")
        # nginx closes silent connections after a minute; these tests are slower than that.
        pathlib.Path("/etc/nginx/conf.d/patient.conf").write_text(
            "client_header_timeout 1d;\nkeepalive_timeout 1d;\n")
        sh("systemctl restart nginx && systemctl is-active nginx")
        check(pathlib.Path("/proc/1/comm").read_text() == "systemd\n", "process 1 is systemd")
        check(not PINS.exists(), "nothing of headgate is there")

    def install(self):
        self._old = hold(OTHER, 2)
        install("first")
        sh("systemctl --no-pager status headgate", may_fail=True)
        sh(f"cat {CONFIG}")
        with contextlib.ExitStack() as many:
            connections = [many.enter_context(connection) for connection in hold(CLIENT, 30)]
            check(is_served(connections[-1]), "the package as installed limits nothing")
        self._journal.says()

    def configure_and_start(self):
        write_config(per_client=5)
        sh("systemctl restart headgate")
        check(is_active(), "the unit is active")
        self._journal.says("ready", r"Started .*headgate")
        counts_are(len(self._old))
        sh("headgatectl doctor")
        front = front_line()
        check(front["mode"] == "generic" and not front["is_alone"], "the front line is in the dispatcher")
        sh("headgatectl quota check api user=alice --take")
        attach().close()

    def limit(self):
        self._held += hold(CLIENT, 5)
        check(is_refused(CLIENT), "the sixth is refused")
        self._others += hold(OTHER, 1)
        check(is_served(self._others[-1]), "another client is served")
        counts_are(5 + 1 + len(self._old))

    def reload(self):
        write_config(per_client=7)
        sh("systemctl reload headgate")
        self._held += hold(CLIENT, 2)
        check(is_refused(CLIENT), "the eighth is refused")
        self._counts()
        self._journal.says(r"generation \d+ (is )?in force", "Reloaded")

    def refuse_a_bad_reload(self):
        CONFIG.write_text(RULES.format(per_client="many"))
        done = sh("systemctl reload headgate", may_fail=True)
        check(done.returncode != 0, "systemctl reload fails")
        check(is_active() and is_refused(CLIENT), "what was in force still is")
        self._journal.says(r"headgate\.yaml:4:\d+:", but_not=None)
        write_config(per_client=7)
        sh("systemctl reload headgate")
        self._journal.read()

    def set_the_clock_back(self):
        sh(f"headgatectl deny add {DENIED} --for 30m --reason 'for half an hour'")
        for step in ("-1 hour", "+1 hour"):
            sh(f"date --set \"$(date --date '{step}')\"")
            time.sleep(3)  # the daemon looks at the clock each second
            check(is_refused(CLIENT), f"{step}: who is at the limit is refused")
            check(is_refused(DENIED), f"{step}: who is denied is refused")
            connection = connect(OTHER)
            check(connection is not None and is_served(connection), f"{step}: another client is served")
            connection.close()
            until = self._denied_until()
            left = until - time.time()
            check(20 * 60 < left <= 30 * 60, f"{step}: the denial ends in half an hour, not later")
        sh(f"headgatectl deny del {DENIED}")
        self._counts()
        self._journal.says()

    def _denied_until(self):
        listed = subprocess.run(["headgatectl", "-o", "json", "deny", "list"], check=True,
                                stdout=subprocess.PIPE).stdout
        entry = next(one for one in json.loads(listed)["entries"] if one["cidr"] == DENIED)
        return entry["until_unix_ms"] / 1000

    def kill(self):
        pid = main_pid()
        with Assault("while the daemon was killed and came back"):
            sh(f"kill -KILL {pid}")
            eventually(lambda: main_pid() not in (0, pid) and is_active(), "systemd has started it again")
        self._counts()
        self._journal.says("status=9/KILL", TAKEN_OVER, "ready")

    def restart(self):
        with Assault("during systemctl restart"):
            sh("systemctl restart headgate")
        self._counts()
        self._journal.says("Stopped", TAKEN_OVER, "ready", "Started")

    def upgrade(self):
        before, pid = version(), main_pid()
        with Assault("during the upgrade"):
            install("second")
        check(version() != before, f"from {before} to {version()}")
        check(is_active() and main_pid() != pid, "the new daemon runs")
        check(CONFIG.read_text() == RULES.format(per_client=7), "the configuration is as the operator left it")
        front = front_line()
        check(front["mode"] == "generic" and front["others"] == 0, "the new front line has replaced the old")
        self._counts()
        self._journal.says(TAKEN_OVER, "ready")

    def stop(self):
        with Assault("while the daemon stopped"):
            sh("systemctl stop headgate")
            check(not is_active(), "the unit is inactive")
            time.sleep(2)
        check(PINS.exists() and xdp_programs(), "the limits stay pinned, and the front line attached")
        # The kernel goes on counting.
        self._held.pop().close()
        eventually(self._holds_one_more, "where one ends there is room for one")
        check(is_refused(CLIENT), "and for no more")
        self._journal.says("Stopped", "the limits stay in force without the daemon")

    def start_again(self):
        with Assault("while the daemon started"):
            sh("systemctl start headgate")
        self._counts()
        self._journal.says(TAKEN_OVER, "ready")

    def purge(self):
        sh("DEBIAN_FRONTEND=noninteractive dpkg --purge headgate")
        check(not PINS.exists() and not xdp_programs(), "nothing is pinned, or on the interface")
        left = [path for path in (str(CONFIG.parent), "/run/headgate", "/usr/sbin/headgated",
                                  "/usr/bin/headgatectl") if pathlib.Path(path).exists()]
        check(not left, f"no file is left {left or ''}")
        check(sh("systemctl cat headgate.service", may_fail=True).returncode != 0, "no unit is left")
        loaded = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], check=True,
                                           stdout=subprocess.PIPE).stdout)
        ours = [one.get("name") for one in loaded if one["type"] in ("sk_lookup", "sock_ops", "tracing", "xdp", "ext")]
        check(not ours, f"no program of ours is loaded {ours or ''}")
        check(not is_refused(CLIENT), "nobody is refused")
        self._held += hold(CLIENT, 20)
        check(all(is_served(connection) for connection in self._old + self._others + self._held),
              "every connection that was ever held is alive")
        self._journal.says("Stopped")

    def _holds_one_more(self):
        connection = connect(CLIENT)
        if connection:
            self._held.append(connection)
        return connection is not None

    def _counts(self):
        counts_are(len(self._held) + len(self._others) + len(self._old))


def main():
    try:
        Story().tell()
    except (NotAsItShouldBe, OSError, subprocess.SubprocessError) as fault:
        print(f"\nNOT AS IT SHOULD BE: {fault}", flush=True)
        sh("journalctl --no-pager --boot --unit headgate | tail -60; systemctl --no-pager status headgate; "
           "ls -R /sys/fs/bpf | head -60", may_fail=True)
        return 1
    print("\nall is as it should be", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
