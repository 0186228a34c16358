#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart: shows what it promises, notices when it does not hold, leaves nothing."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

import support
from support import SCRIPTS, run

LABS = pathlib.Path("/run/headgate-lab")


def quickstart(*arguments, programs=None):
    return [str(SCRIPTS / "quickstart"), "--bin", str(programs or os.environ["HEADGATE_BIN"]),
            *arguments]


def names_of(lab):
    """Everything on this machine that carries the name of the lab."""
    found = [str(LABS / lab)] if (LABS / lab).exists() else []
    namespaces = pathlib.Path("/run/netns")
    if namespaces.exists():
        found += [str(path) for path in namespaces.iterdir() if path.name.startswith(lab + "-")]
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    return found + [line for line in mounts.splitlines() if lab in line]


class QuickstartTest(unittest.TestCase):
    def start(self, command):
        process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        limit = threading.Timer(60, os.killpg, (process.pid, signal.SIGTERM))
        limit.start()
        self.addCleanup(limit.cancel)
        return process

    def end(self, process):
        """What a failing test left: the script's own clean-up is the only one that knows it all."""
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        if (LABS / f"hg{process.pid}").exists():
            run(SCRIPTS / "lab", "stop", f"hg{process.pid}")
        support.end_orphans()

    def finish(self, process):
        output = process.stdout.read()
        return process.wait(30), output

    def assert_nothing_left(self, process):
        self.assertEqual(names_of(f"hg{process.pid}"), [])
        self.assertEqual(support.orphans(), {})

    def test_shows_the_limit_at_work_and_cleans_up(self):
        process = self.start(quickstart())
        status, output = self.finish(process)
        self.assertEqual(status, 0, output)
        for line in ("198.18.0.11, connected: 10", "198.18.0.11, refused (ECONNREFUSED): 5",
                     "198.18.0.12, connected: 5", "$ headgatectl status", "$ headgatectl clients",
                     'headgate_connections{rule="web"} 15'):
            self.assertIn(line, output)
        self.assertNotIn("\x1b", output, "colours belong on a terminal only")
        self.assert_nothing_left(process)

    def test_two_at_once_do_not_meet(self):
        both = [self.start(quickstart()) for _ in range(2)]
        for process in both:
            status, output = self.finish(process)
            self.assertEqual(status, 0, output)
        for process in both:
            self.assert_nothing_left(process)

    def test_cleans_up_when_interrupted_at_any_stage(self):
        for stage in ("Making a lab", "Starting nginx", "Opening 15", "$ headgatectl status"):
            with self.subTest(stage=stage), self.slow_programs() as programs:
                process = self.start(quickstart(programs=programs))
                self.read_until(process, stage)
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
                status, output = self.finish(process)
                self.assertEqual(status, 130, output)
                self.assert_nothing_left(process)

    def test_cleans_up_when_terminated(self):
        with self.slow_programs() as programs:
            process = self.start(quickstart(programs=programs))
            self.read_until(process, "Opening 15")
            process.terminate()
            status, output = self.finish(process)
        self.assertEqual(status, 143, output)
        self.assert_nothing_left(process)

    def slow_programs(self):
        """The real headgated after a while, and a headgatectl that is in no hurry: whoever reads
        the script's output has the time to interrupt it where the output says it is."""
        return self.programs(headgated=f'sleep 1; exec {support.program("headgated")} "$@"',
                             headgatectl="sleep 5")

    def read_until(self, process, text):
        for line in process.stdout:
            if text in line:
                return
        self.fail(f"the script ended before it said {text!r}")

    def test_fails_when_the_limit_does_not_hold(self):
        unlimited = f"""
            config=$(dirname "$2")/unlimited.yaml
            sed 's/per_client: 10 /per_client: 1000 /' "$2" >"$config"
            exec {support.program("headgated")} --config "$config"
            """
        with self.programs(headgated=unlimited) as programs:
            process = self.start(quickstart(programs=programs))
            status, output = self.finish(process)
        self.assertEqual(status, 1, output)
        self.assertIn("198.18.0.11, connected: 15, should be 10", output)
        self.assert_nothing_left(process)

    def test_fails_when_the_daemon_does_and_shows_what_it_said(self):
        with self.programs(headgated="echo this kernel is too old >&2; exit 1") as programs:
            process = self.start(quickstart(programs=programs))
            status, output = self.finish(process)
        self.assertEqual(status, 1, output)
        self.assertIn("this kernel is too old", output)
        self.assert_nothing_left(process)

    @contextlib.contextmanager
    def programs(self, **scripts):
        """A directory with the real programs, but for those given as shell scripts."""
        with tempfile.TemporaryDirectory() as directory:
            for name in ("headgated", "headgatectl"):
                path = pathlib.Path(directory) / name
                if name in scripts:
                    path.write_text("#!/bin/sh\n" + scripts[name])
                    path.chmod(0o755)
                else:
                    path.symlink_to(support.program(name))
            yield directory

    def test_keep_leaves_a_lab_that_can_be_entered_and_ended(self):
        process = self.start(quickstart("--keep"))
        status, output = self.finish(process)
        lab = f"hg{process.pid}"
        self.assertEqual(status, 0, output)
        self.assertIn(f"lab stop {lab}", output)
        self.assertIn(lab, run(SCRIPTS / "lab", "list").stdout.split())
        served = self.enter(lab, "client-b")
        self.assertIn("hello from nginx", served.stdout, served.stderr)
        refused = self.enter(lab, "client-a")
        self.assertEqual(refused.returncode, 7, refused.stderr)  # curl: could not connect
        stopped = run(SCRIPTS / "lab", "stop", lab)
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assert_nothing_left(process)

    def enter(self, lab, role):
        return run(SCRIPTS / "lab", "enter", lab, role, "curl", "-sS", "--noproxy", "*",
                   "--max-time", "5", "http://198.18.0.1/")


class UsageTest(unittest.TestCase):
    def test_help_is_on_stdout(self):
        for script in ("quickstart", "test", "bench", "lab", "package"):
            with self.subTest(script=script):
                done = run(SCRIPTS / script, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"scripts/{script}", done.stdout)

    def test_wrong_usage_is_2(self):
        for command in (["quickstart", "--nonsense"], ["quickstart", "--bin"], ["test", "--label"],
                        ["bench"], ["bench", "nonsense"], ["package", "--out"],
                        ["package", "--version", "new/er"],
                        ["lab"], ["lab", "stop"], ["lab", "stop", "../x"]):
            with self.subTest(command=command):
                done = run(SCRIPTS / command[0], *command[1:])
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("--help", done.stderr)

    def test_says_that_root_is_needed(self):
        with tempfile.TemporaryDirectory() as directory:
            # A copy, because others than root may not be able to read the checkout.
            os.chmod(directory, 0o755)
            scripts = shutil.copytree(SCRIPTS, pathlib.Path(directory) / "scripts")
            for command in (["quickstart"], ["test"], ["bench", "connections"], ["bench", "packets"],
                            ["package"]):
                with self.subTest(command=command):
                    done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
                               scripts / command[0], *command[1:])
                    self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                    self.assertIn("root is needed", done.stderr)


if __name__ == "__main__":
    support.main()
