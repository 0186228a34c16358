# SPDX-License-Identifier: Apache-2.0
"""scripts/vm: see there."""
import argparse
import os
import pathlib
import shlex
import sys

from common import CACHE, ROOT, Failure, main_guard, step
from kernel import RELEASES, Kernel
from likeness import guest


def main():
    parser = argparse.ArgumentParser(prog="scripts/vm", add_help=False, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("kernels", add_help=False)
    verbs.add_parser("fetch", add_help=False)
    verb = verbs.add_parser("systemd", add_help=False)
    verb.add_argument("--build", default=str(ROOT / "build"))
    verb.add_argument("--kernel", choices=RELEASES)
    verb.add_argument("packages", nargs="*")
    for name in ("test", "run", "shell"):
        verb = verbs.add_parser(name, add_help=False)
        verb.add_argument("--kernel", required=True, choices=RELEASES)
        verb.add_argument("--timeout", type=int)
        if name == "test":
            verb.add_argument("--all", action="store_true",
                              default=os.environ.get("HEADGATE_VM_TESTS") == "all")
            verb.add_argument("--bin", default=None)
            verb.add_argument("--only", default="")
        else:
            verb.add_argument("--with", dest="trees", action="append", default=[])
        if name == "run":
            verb.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    return globals()[arguments.verb](arguments)


def kernels(_):
    for name in RELEASES:
        kernel = Kernel(name)
        print(f"{name:6} {kernel.version:14} {kernel.image} (Debian {kernel.suite})"
              f"{', cached' if kernel.is_cached else ''}")
    return 0


def fetch(_):
    for name in RELEASES:
        Kernel(name).prepare()
    step(f"Kernels: {', '.join(RELEASES)} are in {CACHE}")
    return 0


def run(arguments):
    command = "#!/bin/bash\n" + shlex.join(arguments.command) + "\n"
    result = guest(arguments.kernel, arguments.trees, command).run(arguments.timeout or 600, 600)
    result.require_no_faults()
    return result.status


def shell(arguments):
    guest(arguments.kernel, arguments.trees, "").run(0, 0, is_shell=True)
    return 0


def test(arguments):
    import tests
    return tests.run(arguments)


def systemd(arguments):
    import story
    if len(arguments.packages) not in (0, 2):
        raise Failure("two packages are needed, or none: then scripts/package makes them")
    return story.run([pathlib.Path(package).resolve() for package in arguments.packages], arguments.build,
                     arguments.kernel)


main_guard(main)
