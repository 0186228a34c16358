#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The contract of the two programs on the command line: exit codes, messages, JSON."""
import json
import os
import pathlib
import tempfile
import unittest

import support
from support import program, run

GOOD = """\
rules:
  - name: web
    listen: ["8080"]
    connections: {{ per_client: 7, total: 70 }}
metrics: {{ listen: off }}
control: {{ socket: {directory}/control.sock }}
pin_dir: {directory}/bpf
netns: {netns}
"""
QUOTAS = """\
quotas:
  socket: {directory}/quota.sock
  domains:
    - domain: api
      max_keys: 64
      descriptors:
        - key: user
          rate_limit: {{ requests: 3, per: 1d, burst: 3, name: by-user }}
          descriptors:
            - key: action
              value: export
              rate_limit: {{ requests: 1, per: 1d, burst: 1 }}
        - key: backend
          concurrency: {{ algorithm: auto, floor: 9, ceiling: 500 }}
      clients:
        - {{ user: "<default>", time_percent: 50 }}
    - domain: batch
"""
BAD = """\
rules:
  - name: web
    listen: ["70000"]
"""


class CliTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.good = self.write("good.yaml", GOOD.format(directory=temporary.name, netns="self"))
        self.bad = self.write("bad.yaml", BAD)

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def assert_exit(self, code, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, code, f"{command}\n{done.stdout}{done.stderr}")
        return done


class HeadgatedTest(CliTest):
    def check(self, code, path):
        return self.assert_exit(code, program("headgated"), "--config", path, "--check")

    def test_check_accepts_a_good_file(self):
        self.check(0, self.good)

    def test_check_says_where_a_bad_file_is_wrong(self):
        self.assertIn(f"{self.bad}:3:", self.check(1, self.bad).stderr)

    def test_check_needs_a_file_that_can_be_read(self):
        self.assertIn("missing.yaml", self.check(1, self.directory / "missing.yaml").stderr)
        self.assertIn("directory", self.check(1, self.directory).stderr)

    def test_a_bad_file_is_refused_without_check_too(self):
        self.assert_exit(1, program("headgated"), "--config", self.bad)

    def test_usage(self):
        self.assertIn("--config", self.assert_exit(0, program("headgated"), "--help").stdout)
        self.assert_exit(2, program("headgated"), "--nonsense")
        self.assert_exit(2, program("headgated"), "--config")
        self.assert_exit(2, program("headgated"), "--config", self.good, "--log-level", "shouting")


class HeadgatectlTest(CliTest):
    def ctl(self, code, *arguments, **options):
        return self.assert_exit(code, program("headgatectl"), *arguments, **options)

    def test_check_is_the_daemons_own(self):
        self.ctl(0, "check", self.good)
        self.assertIn(f"{self.bad}:3:", self.ctl(1, "check", self.bad).stderr)
        self.ctl(1, "check", self.directory / "missing.yaml")

    def test_version(self):
        self.assertIn(os.environ["HEADGATE_VERSION"], self.ctl(0, "version").stdout)

    def test_doctor_finds_nothing_wrong_where_the_tests_run(self):
        self.assertTrue(self.ctl(0, "doctor").stdout.strip())

    def test_doctor_as_json_tells_required_from_optional(self):
        answer = json.loads(self.ctl(0, "doctor", "-o", "json").stdout)
        self.assertTrue(answer["is_met"])
        levels = {one["name"]: one["level"] for one in answer["requirements"]}
        for name in ("kernel", "BTF", "cgroup2", "bpffs", "capabilities", "lockdown", "memlock",
                     "sk_lookup", "sock_ops", "tp_btf", "inet_diag_destroy"):
            self.assertEqual(levels[name], "required")
        for name in ("iter", "sock_destroy", "XDP", "XDP dispatcher"):
            self.assertEqual(levels[name], "optional")

    # Who may load nothing is told so, and not that his kernel is too old.
    def test_doctor_without_rights_says_what_to_do(self):
        nobody = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        answer = json.loads(self.assert_exit(1, *nobody, program("headgatectl"), "doctor", "-o",
                                             "json").stdout)
        self.assertFalse(answer["is_met"])
        remedies = {one["name"]: one["remedy"] for one in answer["requirements"]}
        for name in ("capabilities", "sk_lookup", "sock_ops", "tp_btf", "memlock", "XDP"):
            self.assertEqual(remedies[name], "run as root", name)

    def test_detach_says_that_there_is_nothing_to_detach(self):
        missing = self.directory / "pins"
        self.assertIn(f"nothing is pinned in {missing}",
                      self.ctl(0, "detach", "--pin-dir", missing).stdout)
        self.assertEqual(
            json.loads(self.ctl(0, "detach", "--pin-dir", missing, "-o", "json").stdout),
            {"pin_dir": str(missing), "was_there": False, "hooks": 0})
        self.assertIn(f"{self.bad}:3:", self.ctl(1, "detach", "--config", self.bad).stderr)

    # In a mount namespace of its own, with what a daemon would leave behind: see pin_directory.h.
    def detach_pins(self, code, detach):
        pins = self.directory / "bpffs" / "pins"
        done = self.assert_exit(code, "unshare", "--mount", "sh", "-euc", f"""
            mkdir {pins.parent}
            mount -t bpf bpf {pins.parent}
            mkdir -p {pins}/state-1
            bpftool map create {pins}/state-1/map_one type array key 4 value 4 entries 1 name one
            ln -s state-1 {pins}/current
            code=0
            {detach} {program("headgatectl")} detach --pin-dir {pins} || code=$?
            if test -e {pins}; then echo still there; else echo gone; fi
            exit $code""")
        return pins, done

    def test_detach_removes_what_is_pinned(self):
        pins, done = self.detach_pins(0, "")
        self.assertEqual(done.stdout,
                         f"removed what was left in {pins}; nothing was attached\ngone\n")
        self.assertEqual(done.stderr, "")

    def test_detach_leaves_alone_what_a_daemon_holds(self):
        pins, done = self.detach_pins(1, f"flock {self.directory}/bpffs/pins")
        self.assertEqual(done.stdout, "still there\n")
        self.assertIn("systemctl stop headgate", done.stderr)
        self.assertRegex(done.stderr, rf"{pins} .*pid [0-9]+")

    # To whom the directory is closed, it is not an empty one.
    def test_detach_without_rights_does_not_say_that_there_is_nothing(self):
        pins, done = self.detach_pins(
            1, f"chown 65534 {self.directory}/bpffs; chmod 700 {self.directory}/bpffs; "
               "setpriv --bounding-set=-all --inh-caps=-all")
        self.assertEqual(done.stdout, "still there\n")
        self.assertIn(f"{pins}: Permission denied", done.stderr)

    # What every command has is in the script that completes command lines.
    def test_completion_knows_every_command(self):
        script = self.write("completion", self.ctl(0, "completion", "bash").stdout)
        for command in self.COMMANDS:
            with self.subTest(command=command):
                words = " ".join(command)
                done = self.assert_exit(
                    0, "bash", "-c",
                    f"source {script}; COMP_WORDS=(headgatectl {words}); "
                    f"COMP_CWORD={len(command)}; _headgatectl; echo " + "${COMPREPLY[@]}")
                self.assertIn(command[-1], done.stdout.split())

    def test_check_as_json(self):
        self.assertEqual(json.loads(self.ctl(0, "check", self.good, "-o", "json").stdout),
                         {"is_good": True, "rules": 1, "warnings": []})
        bad = json.loads(self.ctl(1, "check", self.bad, "-o", "json").stdout)
        self.assertFalse(bad["is_good"])
        self.assertIn(f"{self.bad}:3:", bad["error"])

    def test_check_warns_of_what_has_no_effect(self):
        path = self.directory / "quic.yaml"
        path.write_text("rules: [{ name: web, listen: 443/udp }]\n")
        warning = f"{path}:1:30: rule 'web' covers '443/udp', but only the front line sees UDP"
        daemon = self.assert_exit(0, program("headgated"), "--config", path, "--check").stdout
        self.assertIn(f"{path}: good, 1 rules\nwarning: {warning}", daemon)
        self.assertEqual(self.ctl(0, "check", path).stdout, daemon)
        told = json.loads(self.ctl(0, "check", path, "-o", "json").stdout)
        self.assertTrue(told["warnings"][0].startswith(warning), told)

    def test_check_says_the_same_as_the_daemon(self):
        for path in (self.good, self.bad, self.directory, self.directory / "missing.yaml"):
            with self.subTest(path=path):
                ours = run(program("headgatectl"), "check", path)
                daemons = run(program("headgated"), "--config", path, "--check")
                self.assertEqual(ours.returncode, daemons.returncode)
                self.assertEqual(ours.stdout, daemons.stdout)
                self.assertEqual(ours.stderr.removeprefix("headgatectl: "),
                                 daemons.stderr.removeprefix("headgated: "))

    def test_every_command_has_help_with_an_example(self):
        help_text = self.ctl(0, "--help").stdout
        for command in self.COMMANDS:
            with self.subTest(command=command):
                self.assertIn(command[0], help_text)
                self.assertIn(f"Example: headgatectl {' '.join(command)}",
                              self.ctl(0, *command, "--help").stdout)

    COMMANDS = [("status",), ("clients",), ("explain",), ("events",), ("reload",), ("set",),
                ("unset",), ("diff",), ("deny",), ("deny", "add"), ("deny", "del"),
                ("deny", "list"), ("quota",), ("quota", "list"), ("quota", "show"),
                ("quota", "check"), ("quota", "top"), ("evict",), ("verify",), ("detach",), ("check",), ("doctor",),
                ("version",), ("completion",)]

    def test_usage(self):
        for arguments in (
                [], ["nonsense"], ["check"], ["-o", "xml", "status"],
                ["clients", "--limit", "many"], ["clients", "--limit", "0"],
                ["clients", "--sort", "name"], ["clients", "--min", "-1"],
                ["set"], ["set", "web"], ["set", "web", "mode"], ["set", "web", "=1"],
                ["set", "web", "mode="], ["unset", "web"],
                ["deny"], ["deny", "add"], ["deny", "del"], ["deny", "add", "10.0.0.1/8"],
                ["deny", "add", "host.example"], ["deny", "add", "::1", "--for", "0s"],
                ["deny", "add", "::1", "--for", "soon"],
                ["deny", "add", "::1", "--until", "2000-01-01T00:00:00Z"],
                ["deny", "add", "::1", "--for", "1m", "--until", "2100-01-01T00:00:00Z"],
                ["evict"], ["evict", "all"], ["explain"], ["explain", "10.0.0.0/8"],
                ["explain", "::1", "--port", "0"], ["explain", "::1", "--port", "65536"],
                ["explain", "::1", "--port", "1", "--rule", "web"],
                ["explain", "::1", "--rule", "web", "--server", "::1"], ["events"],
                ["quota"], ["quota", "check"], ["quota", "check", "api"],
                ["quota", "check", "api", "user"], ["quota", "check", "api", "user=a,b"],
                ["quota", "check", "api", "user=a", "--cost", "0"],
                ["quota", "top", "--limit", "0"], ["quota", "list", "api"],
                ["verify", "web"], ["completion"], ["completion", "zsh"],
                ["detach", "--pin-dir", "/p", "--config", "/c"]):
            with self.subTest(arguments=arguments):
                done = self.ctl(2, *arguments)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.strip())

    CALLS = [["status"], ["clients"], ["reload"], ["set", "web", "mode=monitor"],
             ["unset", "web", "mode"], ["diff"], ["deny", "add", "::1"], ["deny", "del", "::1"],
             ["deny", "list"], ["evict", "::1"], ["explain", "::1"],
             ["explain", "::1", "--port", "80"], ["events", "--follow"],
             ["quota", "list"], ["quota", "show", "api"], ["quota", "check", "api", "user=a"],
             ["quota", "top"], ["verify"], ["verify", "--repair"]]

    def test_without_a_daemon_it_says_where_it_looked(self):
        missing = self.directory / "nobody.sock"
        for call in self.CALLS:
            with self.subTest(call=call):
                self.assertIn(str(missing), self.ctl(1, "--socket", missing, *call).stderr)
                named = dict(os.environ, HEADGATE_SOCKET=str(missing))
                done = self.ctl(1, *call, "-o", "json", env=named)
                self.assertIn(str(missing), json.loads(done.stderr)["error"])
                self.assertEqual(done.stdout, "")

    def test_a_bad_file_of_clients_is_refused_with_the_line(self):
        path = self.write("list", "10.0.0.0/8\n# a comment\n10.0.0.1/8 why\n")
        for verb in ("add", "del"):
            with self.subTest(verb=verb):
                self.assertIn(f"{path}:3: '10.0.0.1/8'",
                              self.ctl(1, "deny", verb, "--file", path).stderr)
        empty = self.write("empty", "# nobody\n")
        self.assertIn("no CIDR", self.ctl(1, "deny", "add", "--file", empty).stderr)
        self.assertIn("missing", self.ctl(1, "deny", "add", "--file", "missing").stderr)


class WithDaemon(CliTest):
    CONFIG = GOOD

    def setUp(self):
        super().setUp()
        namespace = f"hge2e{os.getpid()}"
        self.assert_exit(0, "ip", "netns", "add", namespace)
        self.addCleanup(self.assert_exit, 0, "ip", "netns", "delete", namespace)
        self.socket = self.directory / "control.sock"
        config = self.write("headgate.yaml", self.CONFIG.format(
            directory=self.directory, netns=f"/run/netns/{namespace}"))
        self.daemon = support.Daemon(config, self.directory)
        self.daemon.__enter__()
        self.addCleanup(self.daemon.stop)

    def ctl(self, *arguments, code=0):
        command = [program("headgatectl"), "--socket", self.socket, *arguments]
        return self.assert_exit(code, *command).stdout


class WithDaemonTest(WithDaemon):
    def test_status_as_json(self):
        status = json.loads(self.ctl("-o", "json", "status"))
        self.assertEqual(status["version"], os.environ["HEADGATE_VERSION"])
        (rule,) = status["rules"]
        self.assertEqual((rule["name"], rule["listen"]), ("web", ["8080"]))
        self.assertEqual((rule["per_client_limit"], rule["total_limit"]), (7, 70))
        for count in ("connections", "half_open", "clients", "admitted", "overshoot_closed",
                      "untracked", "adopted"):
            self.assertIs(rule[count].__class__, int, count)
            self.assertEqual(rule[count], 0, count)

    def test_clients_as_json(self):
        clients = json.loads(self.ctl("-o", "json", "clients", "--rule", "web", "--limit", "5"))
        self.assertEqual((clients["clients"], clients["total"]), ([], 0))

    def test_tables_are_for_people(self):
        self.assertIn("web", self.ctl("status"))
        self.ctl("clients")

    def test_sigterm_ends_the_daemon_in_order(self):
        self.assertEqual(self.daemon.stop(), 0)
        gone = run(program("headgatectl"), "--socket", self.socket, "status")
        self.assertEqual(gone.returncode, 1, gone.stdout)

    def test_without_quotas_it_says_so(self):
        self.assertEqual(self.ctl("quota", "list"), "no quota domains: no requests are limited\n")
        done = self.assert_exit(1, program("headgatectl"), "--socket", self.socket, "quota", "check",
                                "api", "user=alice")
        self.assertIn("no quota domain 'api'; the configuration has none", done.stderr)


class WithQuotasTest(WithDaemon):
    CONFIG = GOOD + QUOTAS

    def check(self, code, *arguments):
        return json.loads(self.ctl("quota", "check", "api", *arguments, "-o", "json", code=code))

    def test_a_check_looks_and_takes_only_if_told_to(self):
        for _ in range(3):
            seen = self.check(0, "user=alice", "--cost", "3")
            self.assertEqual((seen["is_admitted"], seen["remaining"]), (True, 3))
        self.assertEqual(self.check(0, "user=alice", "--cost", "3", "--take")["remaining"], 0)
        refused = self.check(1, "user=alice")
        self.assertEqual(refused["limit"]["name"], "by-user")
        self.assertGreater(refused["retry_after_ns"], 28_000 * 10**9)
        self.assertIn("WOULD BE REFUSED  the limit is reached",
                      self.ctl("quota", "check", "api", "user=alice", code=1))
        self.assertNotIn("retry_after_ns", self.check(1, "user=bob", "--cost", "4"))

    def test_entries_are_one_descriptor_in_their_order(self):
        for entries in (["user=x,action=export"], ["user=x", "action=export"]):
            self.assertEqual(self.check(0, *entries)["limit"]["path"], "user.action_export")
        self.assertNotIn("limit", self.check(0, "action=export,user=x"))

    def test_show_list_and_top_tell_what_was_done(self):
        for code in (0, 0, 0, 1, 1):
            self.ctl("quota", "check", "api", "user=alice", "--take", code=code)
        self.ctl("quota", "check", "api", "user=bob", "--take")
        shown = self.ctl("quota", "show", "api")
        self.assertRegex(shown, r"by-user \(user\) +3 per 1d, burst 3 +enforce +4 +2 ")
        self.assertRegex(shown, r"backend +auto 9\.\.500 +enforce ")
        self.assertRegex(shown, r"<default> +- +50 %")
        self.assertRegex(self.ctl("quota", "list"), r"\napi +3 +1 +2 +64 .*\nbatch +0 +0 ")
        (api,) = json.loads(self.ctl("quota", "show", "api", "-o", "json"))["domains"]
        self.assertEqual((api["keys"], api["limits"][0]["refused"]), (2, 2))
        alice, bob = json.loads(self.ctl("quota", "top", "-o", "json"))["keys"]
        self.assertEqual((alice["label"], alice["hits"], alice["refused"]), ("alice", 5, 2))
        self.assertEqual((bob["domain"], bob["rule"], bob["hits"]), ("api", "by-user", 1))
        self.assertEqual(len(json.loads(
            self.ctl("quota", "top", "api", "--limit", "1", "-o", "json"))["keys"]), 1)

    def test_an_unknown_domain_is_told_which_there_are(self):
        for call in (["show", "web"], ["top", "web"], ["check", "web", "user=a"]):
            done = self.assert_exit(1, program("headgatectl"), "--socket", self.socket, "quota",
                                    *call)
            self.assertIn("no quota domain 'web'; there are: 'api', 'batch'", done.stderr)


if __name__ == "__main__":
    support.main()
