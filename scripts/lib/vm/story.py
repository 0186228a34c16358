# SPDX-License-Identifier: Apache-2.0
"""tests/vm/systemd: the package on a whole Debian with systemd."""
import pathlib
import shutil
import tempfile

import image
from common import CACHE, ROOT, Failure, step
from common import run as execute
from debian_root import debian_root, release
from kernel import RELEASES, Kernel
from machine import Guest

SECONDS, SILENCE_SECONDS = 1800, 300
COMMAND = "#!/bin/sh\nexec python3 /mnt/tree/story.py\n"


def run(packages, build, kernel_name):
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        packages = packages or _make(build, pathlib.Path(scratch))
        return _tell(packages, kernel_name)


def _make(build, out):
    """Two packages of one build: the second has a later version."""
    version = execute("dpkg-parsechangelog", "-l", ROOT / "debian/changelog", "-S", "Version").strip()
    made = []
    for number in ("", "+second"):
        step(f"Building the package {version}{number}")
        text = execute(ROOT / "scripts/package", "--no-install", "--build", build, "--out", out,
                       "--version", version + number)
        made.append(pathlib.Path(text.splitlines()[-1]))
    return made


def _tell(packages, kernel_name):
    for package in packages:
        if not package.is_file():
            raise Failure(f"there is no package {package}\nrun: scripts/package")
    kernel = Kernel(kernel_name or next(name for name, suite in RELEASES.items() if suite == release()))
    kernel.prepare()
    root = debian_root(packages)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        scratch = pathlib.Path(scratch)
        shutil.copy(ROOT / "tests/vm/systemd/story.py", scratch / "story.py")
        for name, package in zip(("first.deb", "second.deb"), packages):
            shutil.copy(package, scratch / name)
        (scratch / "command").write_text(COMMAND)
        (scratch / "command").chmod(0o755)
        tree = image.tree(scratch)
    step(f"Booting Debian {release()} with Linux {kernel.version}")
    result = Guest(kernel, root, [(tree, "")], has_init=True).run(SECONDS, SILENCE_SECONDS)
    result.require_no_faults()
    return result.status
