# SPDX-License-Identifier: Apache-2.0
"""A headgated for the server's namespace of a lab."""
import json
import subprocess
import time

from bench_lab import check_output


class Headgated:
    """`configuration`: what comes beside the places of this lab. `side`: in whose namespace the daemon
    itself listens, if not in this process's."""

    def __init__(self, lab, programs, cgroup, configuration, side=None):
        self._lab, self._programs, self._daemon, self._side = lab, programs, None, side
        self._configuration = f"""{configuration}
control: {{ socket: {lab.directory}/control.sock }}
pin_dir: {lab.directory}/bpf
cgroup: {cgroup}
netns: {lab.namespace("server")}
"""

    def start(self):
        """Returns when the limits are in force."""
        config, log = self._lab.directory / "headgate.yaml", self._lab.directory / "headgated.log"
        config.write_text(self._configuration)
        self._daemon = self._lab.start_outside([self._programs / "headgated", "--config", config], log,
                                               self._side)
        try:
            self._await_ready(log)
        except BaseException:  # also a signal's: nobody calls stop() then
            self.stop()
            raise

    def stop(self):
        self._lab.stop(self._daemon)
        # With its bpffs the pins go, and the limits with them.
        pins = self._lab.directory / "bpf"
        if pins.is_mount():
            subprocess.run(["umount", pins], check=True)

    def _await_ready(self, log):
        for _ in range(400):
            if "ready:" in log.read_text():
                return
            if self._daemon.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("headgated did not come up:\n" + log.read_text())

    def ctl(self, *arguments):
        """What headgatectl prints."""
        return check_output([self._programs / "headgatectl", "--socket",
                             self._lab.directory / "control.sock", *arguments])

    def status(self):
        return json.loads(self.ctl("--output", "json", "status"))

    @property
    def pid(self):
        return self._daemon.pid
