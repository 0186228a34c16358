# SPDX-License-Identifier: Apache-2.0
"""A veth pair between a server's and a client's namespace, each side with a cgroup of its own.

Everything carries this process's pid in its name and is gone when the lab is left. Root only.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SERVER_ADDRESS = "198.18.0.1"
CLIENT_ADDRESS = "198.18.0.2"

# The same for every limiter: queues and port ranges that are not the bottleneck.
SERVER_SYSCTLS = {"net/core/somaxconn": "65535", "net/ipv4/tcp_max_syn_backlog": "65535"}
CLIENT_SYSCTLS = {"net/ipv4/ip_local_port_range": "1024 65000"}


class Lab:
    """Use as a context manager. `cgroup("")` holds both sides: `cgroup("server")`, "client"."""

    def __init__(self):
        self.name = f"hgbench{os.getpid()}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=self.name + "-"))
        self._cgroup = None
        self._running = []
        self._undo = contextlib.ExitStack()  # in reverse order, each step even if another fails
        self._undo.callback(shutil.rmtree, self.directory)

    def __enter__(self):
        try:
            self._make_cgroups()
            self._make_network()
        except BaseException:
            self._undo.close()
            raise
        self._undo.callback(self._end_processes)
        return self

    def __exit__(self, *_):
        self._undo.close()

    def namespace(self, side):
        return f"/run/netns/{self.name}-{side}"

    def cgroup(self, side):
        return self._cgroup / side

    def start(self, side, command):
        """Starts `command` in the side's namespace and cgroup; stdin and stdout are pipes."""
        enter = 'echo $$ >"$1/cgroup.procs"; namespace=$2; shift 2; exec nsenter "--net=$namespace" -- "$@"'
        return self._popen(["sh", "-c", enter, "sh", self.cgroup(side), self.namespace(side), *command])

    def start_secluded(self, command, side=None):
        """Starts `command` with a /run and a bpffs of its own: what it makes there goes with it."""
        mounts = 'mount -t tmpfs bench /run && mount -t bpf bpf /sys/fs/bpf && exec "$@"'
        return self._popen([*self._enter(side), "unshare", "--mount", "sh", "-c", mounts, "sh", *command])

    def start_outside(self, command, log, side=None):
        """Starts `command` outside the cgroups, in this process's namespace or the side's, with its
        output in the file `log`."""
        with open(log, "wb") as output:
            return self._popen([*self._enter(side), *command], stdout=output, stderr=subprocess.STDOUT)

    def stop(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"process {process.args} did not end in 20 s") from None
        finally:
            self._running.remove(process)

    def run(self, side, command, **options):
        """Runs `command` in the side's namespace to its end and returns its output."""
        return check_output([*self._enter(side), *command], **options)

    def _enter(self, side):
        return [] if side is None else ["nsenter", "--net=" + self.namespace(side), "--"]

    def _popen(self, command, stdout=subprocess.PIPE, stderr=None):
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr,
            text=True, start_new_session=True)
        self._running.append(process)
        return process

    def _make_cgroups(self):
        mount = cgroup2_mount()
        if mount is None:
            mount = self.directory / "cgroup"
            mount.mkdir()
            check_output(["mount", "-t", "cgroup2", "headgate-bench", mount])
            self._undo.callback(check_output, ["umount", mount])
        self._cgroup = pathlib.Path(mount) / self.name
        for group in (self._cgroup, self.cgroup("server"), self.cgroup("client")):
            group.mkdir()
            self._undo.callback(remove_cgroup, group)

    def _make_network(self):
        for side in ("server", "client"):
            check_output(["ip", "netns", "add", f"{self.name}-{side}"])
            self._undo.callback(check_output, ["ip", "netns", "delete", f"{self.name}-{side}"])
        # Not `ip -n`: that remounts things, and fails where / is not a mount point (a chroot).
        self.run("server", ["ip", "link", "add", "eth0", "type", "veth",
                            "peer", "name", "eth0", "netns", f"{self.name}-client"])
        for side, address, sysctls in (("server", SERVER_ADDRESS, SERVER_SYSCTLS),
                                       ("client", CLIENT_ADDRESS, CLIENT_SYSCTLS)):
            self.run(side, ["ip", "address", "add", address + "/24", "dev", "eth0"])
            self.run(side, ["ip", "link", "set", "eth0", "up"])
            self.run(side, ["ip", "link", "set", "lo", "up"])
            for key, value in sysctls.items():
                self.run(side, ["sh", "-c", 'echo "$1" >"/proc/sys/$2"', "sh", value, key])

    def _end_processes(self):
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # its children, too: nginx has some
            process.wait()


def check_output(command, **options):
    """The command's output; its own words are in the exception if it fails."""
    command = [str(word) for word in command]
    done = subprocess.run(command, text=True, capture_output=True, timeout=120, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def cgroup2_mount():
    """Where cgroup2 is mounted, or None."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields.split()[4])
    return None


def remove_cgroup(group):
    """The last process may take a moment to leave a cgroup after it was reaped."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"cannot remove the cgroup {group}: is a process in it?")


def read_json_line(process):
    """The next line that a program of tests/bench printed."""
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args} ended with status {process.wait()} and without a result")
    return json.loads(line)


def run(main):
    """Runs a benchmark's main(): what it has made is undone also when a signal ends it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as problem:
        sys.exit(f"bench: {problem}")
