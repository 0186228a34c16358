# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share. Set by ctest: HEADGATE_BIN, the directory of the programs, and
HEADGATE_VERSION."""
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
PR_SET_CHILD_SUBREAPER = 36


def main():
    for name in ("HEADGATE_BIN", "HEADGATE_VERSION"):
        if name not in os.environ:
            sys.exit(f"{name} is not set: run this with ctest -L e2e, or scripts/test --label e2e")
    if os.geteuid() != 0:
        sys.exit("root is needed: the tests make network namespaces and load BPF programs")
    # Whatever a test leaves running becomes a child of this process and is seen by orphans().
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("cannot become a subreaper: " + os.strerror(ctypes.get_errno()))
    unittest.main(verbosity=2)


def program(name):
    return pathlib.Path(os.environ["HEADGATE_BIN"]) / name


def run(*command, **options):
    """Runs to the end; returns the process with its output as text. Not longer than a minute."""
    options.setdefault("timeout", 60)
    return subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, **options)


def orphans():
    """Processes that outlived the command that a test ran: {pid: command line}."""
    found = {}
    for children in pathlib.Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            try:
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if command:  # a zombie has none
                found[int(pid)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def end_orphans():
    """Kills them, and the children that they leave in turn."""
    for _ in range(100):
        left = orphans()
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


class Daemon:
    """A headgated of the test's own, in force while the `with` block lasts.

    Its configuration has `pin_dir: DIRECTORY/bpf`: it mounts a bpffs there, with which its pins go.
    """

    def __init__(self, config, directory, inside=()):
        """`inside`: the words before the command, such as those of nsenter."""
        self._inside = inside
        self._config, self._log = config, pathlib.Path(directory) / "headgated.log"
        self._pins = pathlib.Path(directory) / "bpf"
        self._process = None

    def __enter__(self):
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*self._inside, program("headgated"), "--config", self._config], stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT)
        for _ in range(400):
            if "ready:" in self._log.read_text():
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError("headgated did not come up:\n" + self._log.read_text())

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self._process.pid

    def stop(self, how=signal.SIGTERM):
        """Ends the daemon and returns its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError("headgated did not end in 20 s") from None
        finally:
            if self._pins.is_mount():
                subprocess.run(["umount", self._pins], check=True)
