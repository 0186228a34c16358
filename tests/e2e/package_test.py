#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package, built by scripts/package from the programs under test: what is in it, what it
depends on, and whether its unit, its manual pages and its configuration are as they should be. What it
does when it is installed is seen in a virtual machine (label vm)."""
import os
import pathlib
import re
import tarfile
import tempfile
import unittest

import support
from support import ROOT, SCRIPTS, program, run

FILES = {
    "/etc/headgate/headgate.yaml": 0o644,
    "/usr/bin/headgatectl": 0o755,
    "/usr/lib/sysusers.d/headgate.conf": 0o644,
    "/usr/share/bash-completion/completions/headgatectl": 0o644,
    "/usr/lib/tmpfiles.d/headgate.conf": 0o644,
    "/usr/sbin/headgated": 0o755,
    "/usr/share/doc/headgate/README.md.gz": 0o644,
    "/usr/share/doc/headgate/changelog.gz": 0o644,
    "/usr/share/doc/headgate/configuration.md.gz": 0o644,
    "/usr/share/doc/headgate/copyright": 0o644,
    "/usr/share/doc/headgate/examples/headgate.yaml": 0o644,
    "/usr/share/doc/headgate/examples/quota_service.py": 0o755,
    "/usr/share/doc/headgate/examples/quotas.yaml": 0o644,
    "/usr/share/doc/headgate/metrics.md.gz": 0o644,
    "/usr/share/doc/headgate/operations.md.gz": 0o644,
    "/usr/share/headgate/headgate.schema.json": 0o644,
    "/usr/share/man/man5/headgate.yaml.5.gz": 0o644,
    "/usr/share/man/man8/headgatectl.8.gz": 0o644,
    "/usr/share/man/man8/headgated.8.gz": 0o644,
}
UNIT = re.compile(r"(/usr)?/lib/systemd/system/headgate\.service")  # depends on the release


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        directory = pathlib.Path(temporary.name)
        done = run(SCRIPTS / "package", "--no-install", "--build", os.environ["HEADGATE_BUILD"],
                   "--out", directory, "--version", "1.2.3~test", timeout=170)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.output = done.stdout
        cls.package = pathlib.Path(done.stdout.splitlines()[-1])
        cls.root = directory / "root"
        cls.control = directory / "control"
        for option, target in (("-x", cls.root), ("-e", cls.control)):
            unpacked = run("dpkg-deb", option, cls.package, target)
            assert unpacked.returncode == 0, unpacked.stderr

    def assert_good(self, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def field(self, name):
        return self.assert_good("dpkg-deb", "-f", self.package, name).strip()

    def unit(self):
        found = list(self.root.glob("**/headgate.service"))
        self.assertEqual(len(found), 1)
        return found[0]

    def test_the_name_and_the_path_of_what_was_built(self):
        architecture = self.assert_good("dpkg", "--print-architecture").strip()
        self.assertEqual(self.package.name, f"headgate_1.2.3~test_{architecture}.deb")
        self.assertEqual(self.field("Version"), "1.2.3~test")
        self.assertEqual(self.field("Architecture"), architecture)

    def test_the_files_belong_to_root_and_nothing_else_is_there(self):
        listing = self.root.parent / "data.tar"
        with open(listing, "wb") as file:
            tar = support.subprocess.run(["dpkg-deb", "--fsys-tarfile", self.package], stdout=file,
                                         check=False)
        self.assertEqual(tar.returncode, 0)
        with tarfile.open(listing) as archive:
            members = [member for member in archive if not member.isdir()]
        self.assertEqual({(member.uname, member.gname) for member in members}, {("root", "root")})
        found = {member.name.lstrip("."): member.mode for member in members}
        units = [name for name in found if UNIT.fullmatch(name)]
        self.assertEqual(len(units), 1, found)
        self.assertEqual(found.pop(units[0]), 0o644)
        self.assertEqual(found, FILES)

    def test_only_the_configuration_is_the_administrators(self):
        self.assertEqual((self.control / "conffiles").read_text().split(),
                         ["/etc/headgate/headgate.yaml"])

    def test_it_depends_on_the_libraries_that_the_programs_use(self):
        depends = self.field("Depends")
        for library in ("libbpf1", "libc6", "libcap2", "libgrpc++", "libprometheus-cpp-pull",
                        "libspdlog", "libstdc++6", "libsystemd0", "libyaml-cpp"):
            self.assertRegex(depends, rf"(^|, ){re.escape(library)}")
        self.assertIn("sysusers", depends)

    def test_the_build_depends_are_those_of_the_scripts(self):
        sections, section = {}, ""
        for line in (ROOT / "scripts" / "packages").read_text().splitlines():
            words = line.split("#")[0].split()
            if words and words[0].startswith("["):
                section = words[0].strip("[]")
            elif words:
                sections.setdefault(section, set()).add(words[0])
        control = (ROOT / "debian" / "control").read_text()
        listed = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.M).group(1)
        declared = {re.sub(r"[ (].*", "", name.strip()) for name in listed.split(",") if name.strip()}
        # What every Debian build has, and the names that packages go by there.
        implied = {"g++"}
        aliases = {"debhelper-compat": "debhelper", "dh-sequence-installsysusers": "debhelper"}
        self.assertEqual({aliases.get(name, name) for name in declared},
                         (sections["build"] | sections["package"]) - implied)

    def test_the_scripts_stop_start_and_detach(self):
        postinst = (self.control / "postinst").read_text()
        self.assertIn("systemd-sysusers", postinst)
        self.assertIn("deb-systemd-helper enable 'headgate.service'", postinst)
        self.assertRegex(postinst, r"deb-systemd-invoke \$_dh_action 'headgate.service'")
        self.assertNotIn("preinst", os.listdir(self.control), "an upgrade does not stop the daemon")
        prerm = (self.control / "prerm").read_text()
        self.assertIn("headgatectl detach", prerm)
        self.assertLess(prerm.index("deb-systemd-invoke stop"), prerm.index("headgatectl detach"))
        self.assertIn("/etc/headgate", (self.control / "postrm").read_text())
        for name in ("postinst", "prerm", "postrm"):
            self.assert_good("sh", "-n", self.control / name)

    def test_lintian_finds_no_error_and_no_warning(self):
        found = self.assert_good("lintian", "--allow-root", "--fail-on", "error,warning", self.package)
        self.assertEqual(found, "")

    def test_nothing_tells_where_it_was_built(self):
        for path in (self.root / "usr/sbin/headgated", self.root / "usr/bin/headgatectl",
                     self.unit()):
            self.assertNotIn(str(ROOT).encode(), path.read_bytes(), path)

    def test_the_programs_are_those_under_test(self):
        for path in ("usr/sbin/headgated", "usr/bin/headgatectl"):
            said = self.assert_good(self.root / path, "--version")
            self.assertEqual(said.split()[-1], os.environ["HEADGATE_VERSION"])

    def test_the_configuration_is_right_and_limits_nothing(self):
        path = self.root / "etc/headgate/headgate.yaml"
        self.assertIn("good, 0 rules", self.assert_good(program("headgatectl"), "check", path))
        self.assertIn("good, 0 rules", self.assert_good(program("headgated"), "--check", "-c", path))

    def test_the_example_in_the_configuration_is_right_and_refuses_nothing(self):
        text = (self.root / "etc/headgate/headgate.yaml").read_text()
        active = text.replace("rules: []\n", "")
        self.assertNotEqual(active, text)
        active = re.sub(r"^#(?! )(?=.)|^#(?=  )(?!   headgatectl|   systemctl)", "", active, flags=re.M)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(active)
            file.flush()
            said = self.assert_good(program("headgatectl"), "check", file.name)
        self.assertIn("good, 2 rules", said)
        self.assertIn("\ndefaults:\n  mode: monitor ", active)
        self.assertNotIn("mode: enforce\n", active)

    def test_the_daemon_starts_with_the_configuration(self):
        text = (self.root / "etc/headgate/headgate.yaml").read_text()
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "headgate.yaml"
            path.write_text(text.replace('"127.0.0.1:9469"', "off") +
                            f"control: {{ socket: {directory}/control.sock }}\n"
                            f"pin_dir: {directory}/bpf\n")
            with support.Daemon(path, directory):
                self.assert_good(program("headgatectl"), "--socket", f"{directory}/control.sock",
                                 "status")

    def test_the_unit_is_one_that_systemd_takes(self):
        # As it is installed: systemd-analyze looks for the programs and the manual pages.
        said = self.assert_good("systemd-analyze", "verify", "--man=no", f"--root={self.root_with_a_target()}",
                                "headgate.service")
        self.assertEqual(said, "")

    def root_with_a_target(self):
        """The package's root with the units of this machine that the service refers to."""
        for name in ("multi-user.target", "network.target", "sysinit.target", "basic.target",
                     "shutdown.target"):
            source = next(path for path in (pathlib.Path("/usr/lib/systemd/system") / name,
                                            pathlib.Path("/lib/systemd/system") / name)
                          if path.exists())
            target = self.root / "usr/lib/systemd/system" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("[Unit]\nDescription=" + source.name + "\nDefaultDependencies=no\n")
        return self.root

    def test_the_unit_leaves_little_to_attack(self):
        self.assert_good("systemd-analyze", "security", "--offline=true", "--threshold=30",
                         self.unit())

    def test_the_unit_starts_what_is_installed(self):
        unit = self.unit().read_text()
        commands = re.findall(r"^Exec\w+=(\S+)", unit, re.M)
        self.assertEqual(len(commands), 3)
        for command in commands:
            self.assertTrue((self.root / command.lstrip("/")).is_file(), command)

    def test_the_manual_pages_render_without_a_warning(self):
        for name in ("man8/headgated.8", "man8/headgatectl.8", "man5/headgate.yaml.5"):
            with self.subTest(page=name):
                done = run("man", "--warnings", "-l", self.root / "usr/share/man" / f"{name}.gz",
                           env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("SEE ALSO", done.stdout)

    def test_the_manual_page_has_every_command(self):
        commands = re.findall(r"^  ([a-z]+) ", self.assert_good(program("headgatectl"), "--help")
                              .split("Subcommands:")[1], re.M)
        self.assertIn("status", commands)
        page = (ROOT / "docs" / "man" / "headgatectl.8.scd").read_text()
        for command in commands:
            self.assertRegex(page, rf"(?m)^\*{command}( [a-z]+)?\*")

    def test_bash_completes_the_commands(self):
        script = self.root / "usr/share/bash-completion/completions/headgatectl"
        said = self.assert_good("bash", "-c", f"""
            . {script}
            COMP_WORDS=(headgatectl st) COMP_CWORD=1 COMP_LINE="headgatectl st" COMP_POINT=14
            "$(complete -p headgatectl | sed 's/.*-F *\\([^ ]*\\).*/\\1/')" headgatectl st headgatectl
            echo "${{COMPREPLY[@]}}" """)
        self.assertEqual(said.split(), ["status"])

    def test_the_manual_page_has_every_option_of_the_daemon(self):
        page = (ROOT / "docs" / "man" / "headgated.8.scd").read_text()
        options = re.findall(r"--[a-z-]+", self.assert_good(program("headgated"), "--help"))
        self.assertIn("--config", options)
        for option in options:
            self.assertIn(f"*{option}*", page)


if __name__ == "__main__":
    support.main()
