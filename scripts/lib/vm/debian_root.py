# SPDX-License-Identifier: Apache-2.0
"""A whole Debian with systemd, of this machine's release, to install packages in."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import tempfile

from common import CACHE, Failure, locked, run, step, under_construction, used
from debian import KEYRING, mirror
from image import file_system, installed

HERE = pathlib.Path(__file__).parent / "guest"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "nginx", "curl", "iproute2", "procps", "python3", "kmod", "bpftool")
UNIT, SCRIPT = "headgate-vm.service", "boot-command"


def release():
    """The release that this machine runs: the packages that it builds need its libraries."""
    text = pathlib.Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    if not found:
        raise Failure("/etc/os-release does not tell which Debian this is")
    return found[1]


def debian_root(packages):
    """The image of a root file system with what these .deb files depend on, but not themselves."""
    wanted = sorted({*PACKAGES, *_dependencies(packages)})
    parts = [release(), *wanted, *((HERE / name).read_text() for name in (UNIT, SCRIPT))]
    target = CACHE / "debian" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    with locked("debian"):
        if not target.exists():
            step(f"A Debian {release()} with systemd (debootstrap: some minutes, once)")
            with under_construction(target) as made, tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                root = pathlib.Path(scratch) / "root"
                _debootstrap(root, wanted)
                _prepare(root)
                file_system(made / "image", root, spare_bytes=1 << 30)
        used(target)
    return target / "image"


def _dependencies(packages):
    """Names of packages; of alternatives the first, and for a virtual one what provides it here."""
    depends, providers = installed()
    own = {run("dpkg-deb", "-f", file, "Package").strip() for file in packages}
    found = set()
    for file in packages:
        for field in ("Depends", "Pre-Depends"):
            for word in run("dpkg-deb", "-f", file, field).split(","):
                name = re.split(r"[ (:|]", word.strip())[0]
                if name and name not in own:
                    found.add(name if name in depends else min(providers.get(name, {name})))
    return found


def _debootstrap(root, packages):
    if not shutil.which("debootstrap"):
        raise Failure("debootstrap is not here\nrun without --no-install")
    done = subprocess.run(["debootstrap", "--variant=minbase", f"--keyring={KEYRING}",
                           f"--include={','.join(packages)}", release(), root, mirror()],
                          text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        log = root / "debootstrap/debootstrap.log"
        more = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        raise Failure(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr}{more}")


def _prepare(root):
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    shutil.copy(HERE / UNIT, root / "etc/systemd/system" / UNIT)
    shutil.copy(HERE / SCRIPT, root / "usr/local/sbin" / SCRIPT)
    (root / "usr/local/sbin" / SCRIPT).chmod(0o755)
    (root / "etc/hostname").write_text("headgate-vm\n")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / UNIT).symlink_to(f"../{UNIT}")
    # Nothing that wakes up on its own, and no login on the console: it belongs to the test.
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
                 "fstrim.timer", "systemd-timesyncd.service", "serial-getty@ttyS0.service",
                 "getty@tty1.service"):
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
