#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, built by scripts/package from the programs under test: what is in them, what they
depend on, and whether the daemon's unit, manual pages and configuration are as they should be, and
programs can be built with the library's. What the daemon's does when it is installed is seen in a
virtual machine (label vm)."""
import io
import os
import pathlib
import re
import subprocess
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
# Without the architecture's part of the path.
LIBRARY_FILES = {
    "/usr/lib/libheadgate-client.so.0": None,  # a link
    "/usr/lib/libheadgate-client.so.VERSION": 0o644,
    "/usr/share/doc/libheadgate-client0/changelog.gz": 0o644,
    "/usr/share/doc/libheadgate-client0/copyright": 0o644,
}
DEVELOPMENT_FILES = {
    "/usr/include/headgate/adaptive_limit.h": 0o644,
    "/usr/include/headgate/backoff.h": 0o644,
    "/usr/include/headgate/circuit_breaker.h": 0o644,
    "/usr/include/headgate/client.h": 0o644,
    "/usr/include/headgate/client_c.h": 0o644,
    "/usr/lib/cmake/headgate-client/headgate-client-config-BUILD.cmake": 0o644,
    "/usr/lib/cmake/headgate-client/headgate-client-config-version.cmake": 0o644,
    "/usr/lib/cmake/headgate-client/headgate-client-config.cmake": 0o644,
    "/usr/lib/libheadgate-client.so": None,
    "/usr/lib/pkgconfig/headgate-client.pc": 0o644,
    "/usr/share/doc/libheadgate-client-dev/changelog.gz": 0o644,
    "/usr/share/doc/libheadgate-client-dev/client.md.gz": 0o644,
    "/usr/share/doc/libheadgate-client-dev/copyright": 0o644,
    "/usr/share/doc/libheadgate-client-dev/examples/CMakeLists.txt": 0o644,
    "/usr/share/doc/libheadgate-client-dev/examples/hello.cpp": 0o644,
    "/usr/share/doc/libheadgate-client-dev/examples/limited_server.c": 0o644,
    "/usr/share/man/man3/libheadgate-client.3.gz": 0o644,
}
UNIT = re.compile(r"(/usr)?/lib/systemd/system/headgate\.service")  # depends on the release


def build_packages(directory):
    """Name -> path of what scripts/package says that it has made."""
    done = run(SCRIPTS / "package", "--no-install", "--build", os.environ["HEADGATE_BUILD"],
               "--out", directory, "--version", "1.2.3~test", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    paths = [pathlib.Path(line) for line in done.stdout.splitlines()[-3:]]
    return {path.name.split("_")[0]: path for path in paths}


def unpack(package, root, control):
    for option, target in (("-x", root), ("-e", control)):
        unpacked = run("dpkg-deb", option, package, target)
        assert unpacked.returncode == 0, unpacked.stderr


def files_in(package):
    """Path -> mode of what is no directory, None for a link; all of it belongs to root."""
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as archive:
        members = [member for member in archive if not member.isdir()]
    assert {(member.uname, member.gname) for member in members} == {("root", "root")}, package
    return {member.name.lstrip("."): None if member.issym() else member.mode for member in members}


class PackageTestCase(unittest.TestCase):
    packages = {}
    directory = None

    def assert_good(self, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def field(self, name, package="headgate"):
        return self.assert_good("dpkg-deb", "-f", self.packages[package], name).strip()


def setUpModule():  # pylint: disable=invalid-name
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    PackageTestCase.directory = pathlib.Path(temporary.name)
    PackageTestCase.packages = build_packages(PackageTestCase.directory)


class PackageTest(PackageTestCase):
    @classmethod
    def setUpClass(cls):
        cls.package = cls.packages["headgate"]
        cls.root = cls.directory / "root"
        cls.control = cls.directory / "control"
        unpack(cls.package, cls.root, cls.control)

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
        found = files_in(self.package)
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
        found = self.assert_good("lintian", "--allow-root", "--fail-on", "error,warning",
                                 *self.packages.values())
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


class LibraryPackageTest(PackageTestCase):
    """Both packages of the library, unpacked into one directory, which is not the root of this machine."""

    @classmethod
    def setUpClass(cls):
        cls.root = cls.directory / "library"
        for name in ("libheadgate-client0", "libheadgate-client-dev"):
            unpack(cls.packages[name], cls.root, cls.directory / f"control-{name}")
        triplet = run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").stdout.strip()
        cls.multiarch = f"/usr/lib/{triplet}"
        cls.libraries = cls.root / cls.multiarch.lstrip("/")
        cls.examples = cls.root / "usr/share/doc/libheadgate-client-dev/examples"

    def files(self, package):
        return {re.sub(r"(\.so|-config)[.-](\d+\.\d+\.\d+|relwithdebinfo|none|debug|release)",
                       lambda found: found[1] + (".VERSION" if found[1] == ".so" else "-BUILD"),
                       name.replace(self.multiarch, "/usr/lib")): mode
                for name, mode in files_in(self.packages[package]).items()}

    def test_the_files_are_where_their_architecture_has_them(self):
        self.assertEqual(self.files("libheadgate-client0"), LIBRARY_FILES)
        self.assertEqual(self.files("libheadgate-client-dev"), DEVELOPMENT_FILES)
        for package in ("libheadgate-client0", "libheadgate-client-dev"):
            self.assertEqual(self.field("Multi-Arch", package), "same")
            self.assertIn(f"{self.multiarch}/", str(files_in(self.packages[package])))

    def test_they_fit_together_and_need_nothing_of_the_daemons(self):
        self.assertEqual(self.field("Depends", "libheadgate-client-dev"),
                         "libheadgate-client0 (= 1.2.3~test)")
        depends = re.sub(r" \([^)]*\)", "", self.field("Depends", "libheadgate-client0")).split(", ")
        self.assertEqual({name.removesuffix("t64") for name in depends},
                         {"libc6", "libgcc-s1", "libstdc++6", "liburcu8"})
        shlibs = (self.directory / "control-libheadgate-client0/shlibs").read_text()
        self.assertRegex(shlibs, r"^libheadgate-client 0 libheadgate-client0\b")

    def test_nothing_is_exported_but_what_the_headers_declare(self):
        listed = self.assert_good("nm", "--dynamic", "--defined-only", "--demangle",
                                  self.libraries / "libheadgate-client.so.0")
        names = {re.match(r"\S+ \S (.*?)(\(|@|$)", line)[1] for line in listed.splitlines()}
        foreign = {name for name in names
                   if not re.match(r"headgate::client::|headgate_|HEADGATE_CLIENT_0$", name)}
        self.assertEqual(foreign, set())
        self.assertFalse([name for name in names if "State::" in name or "Impl::" in name], names)
        header = (self.root / "usr/include/headgate/client_c.h").read_text()
        declared = set(re.findall(r"^\w[\w ]*\*? ?\*?(headgate_\w+)\(", header, re.M))
        self.assertIn("headgate_try_acquire", declared)
        self.assertEqual({name for name in names if name.startswith("headgate_")}, declared)

    def test_programs_are_built_with_pkg_config(self):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(self.libraries / "pkgconfig")}
        flags = run("pkg-config", "--cflags", "--libs", "headgate-client", env=environment)
        self.assertEqual(flags.returncode, 0, flags.stderr)
        self.assertIn(str(self.root), flags.stdout, "those of this machine are another matter")
        for source, compiler in (("hello.cpp", ["c++", "-std=c++20"]), ("limited_server.c", ["cc"])):
            made = self.directory / f"pkg-config-{source}.out"
            self.assert_good(*compiler, "-Wall", "-Wextra", "-Werror", self.examples / source,
                             *flags.stdout.split(), "-pthread", "-o", made)
            self.assert_it_runs(made)

    def test_programs_are_built_with_cmake(self):
        build = self.directory / "examples"
        self.assert_good("cmake", "-S", self.examples, "-B", build,
                         f"-DCMAKE_PREFIX_PATH={self.root}/usr", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        self.assertIn(str(self.root), (build / "CMakeCache.txt").read_text())
        self.assert_good("cmake", "--build", build)
        for name in ("hello", "limited_server"):
            self.assert_it_runs(build / name)

    def assert_it_runs(self, path):
        """With the library: it says how it is used."""
        done = run(path, env={**os.environ, "LD_LIBRARY_PATH": str(self.libraries)})
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("usage: ", done.stderr)

    def test_cmake_knows_which_versions_are_alike(self):
        for wanted, status in (("0.1", 0), ("0.2", 1), ("1.0", 1)):
            with self.subTest(wanted=wanted), tempfile.TemporaryDirectory() as directory:
                (pathlib.Path(directory) / "CMakeLists.txt").write_text(
                    "cmake_minimum_required(VERSION 3.25)\nproject(asks LANGUAGES C)\n"
                    f"find_package(headgate-client {wanted} REQUIRED)\n")
                done = run("cmake", "-S", directory, "-B", f"{directory}/build",
                           f"-DCMAKE_PREFIX_PATH={self.root}/usr")
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    def test_the_manual_page_renders_without_a_warning(self):
        page = self.root / "usr/share/man/man3/libheadgate-client.3.gz"
        done = run("man", "--warnings", "-l", page,
                   env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("SEE ALSO", done.stdout)


if __name__ == "__main__":
    support.main()
