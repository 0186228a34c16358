# SPDX-License-Identifier: Apache-2.0
"""One run of a guest: QEMU in pure software, its console, and what it hands back."""
import ctypes
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

import cpio
from common import CACHE, Failure

GUEST = pathlib.Path(__file__).parent / "guest"
RESULT_BYTES = 64 << 20
PROCESSORS, MEGABYTES = 2, 3072

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1

# What the kernel says when it has found a fault in itself.
FAULTS = re.compile(r"cut here|\bBUG:|\bOops\b|\bWARNING:|general protection fault|Kernel panic|UBSAN|"
                    r"refcount_t|blocked for more than|detected stall")


class Guest:
    """What a guest is made of. `trees`: [(image, path in the guest)]. With `has_init` the root file
    system is a whole Debian, which runs the file `command` of the first tree."""

    def __init__(self, kernel, root, trees=(), command="", has_init=False):
        self.kernel, self.root, self.trees, self.command = kernel, root, trees, command
        self.has_init = has_init

    def run(self, timeout, silence, is_shell=False):
        """Boots, runs the command, and returns a Result. A guest that takes longer than `timeout`
        seconds, or says nothing for `silence` seconds, is ended: Failure."""
        with tempfile.TemporaryDirectory(prefix="run-", dir=CACHE) as scratch:
            scratch = pathlib.Path(scratch)
            command = self._qemu(scratch, is_shell)
            if is_shell:
                subprocess.run(command, check=False)
                return Result(scratch / "result", "")
            console = _watch(command, timeout, silence)
            return Result(scratch / "result", console)

    def _qemu(self, scratch, is_shell):
        qemu = shutil.which("qemu-system-x86_64")
        if not qemu:
            raise Failure("qemu-system-x86_64 is not here\nrun without --no-install")
        with open(scratch / "result", "wb") as result:
            result.truncate(RESULT_BYTES)
        (scratch / "initramfs").write_bytes(self.kernel.initramfs.read_bytes() + self._settings(is_shell))
        read_only = "read-only=on"
        # What a whole Debian writes goes into a file of this run, on top of the image.
        disks = [("root", self.root, "snapshot=on" if self.has_init else read_only),
                 ("result", scratch / "result", "read-only=off")]
        disks += [(f"tree{number}", image, read_only) for number, (image, _) in enumerate(self.trees)]
        words = [
            qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", str(PROCESSORS),
            "-m", str(MEGABYTES), "-serial", "mon:stdio" if is_shell else "stdio",
            "-device", "virtio-rng-pci", "-kernel", self.kernel.vmlinuz, "-initrd", scratch / "initramfs",
            # A panic ends QEMU (-no-reboot). The watchdogs would bark at a busy host.
            "-append", "console=ttyS0 panic=-1 oops=panic loglevel=5 nowatchdog mitigations=off "
                       "systemd.show_status=no"]
        for name, image, option in disks:
            words += ["-drive", f"if=none,id={name},format=raw,file={image},{option}",
                      "-device", f"virtio-blk-pci,drive={name},serial={name}"]
        return [str(word) for word in words]

    def _settings(self, is_shell):
        """What differs from run to run: an archive that follows the first in the initramfs."""
        trees = "".join(f"tree{number} {path}\n" for number, (_, path) in enumerate(self.trees))
        settings = (f"root_kind={'disk' if self.has_init else 'copy'}\n"
                    f"is_shell={'yes' if is_shell else 'no'}\n")
        entries = {"guest/": None, "guest/trees": trees.encode(), "guest/settings": settings.encode(),
                   "guest/command": self.command.encode()}
        entries["guest/main"] = (GUEST / "main").read_bytes()
        entries["init"] = (GUEST / "init").read_bytes()
        return b"\0" * 512 + cpio.archive(entries)


class Result:
    """`status` of the command, `files` that it left in /run/guest/results, `faults` of the kernel."""

    def __init__(self, disk, console):
        self.files = {}
        try:
            with tarfile.open(disk) as archive:
                for member in archive:
                    if member.isfile():
                        self.files[member.name.removeprefix("./")] = archive.extractfile(member).read()
        except tarfile.TarError:
            pass
        if "status" not in self.files:
            panic = "the kernel panicked" if "Kernel panic" in console else "it ended without a result"
            raise Failure(f"the guest failed: {panic}; its console is above")
        self.status = int(self.files["status"])
        self.dmesg = self.files["dmesg"].decode(errors="replace")
        self.faults = [line for line in self.dmesg.splitlines() if FAULTS.search(line)]

    def require_no_faults(self):
        if self.faults:
            raise Failure("the guest's kernel reports faults:\n" + self.dmesg)


def _die_with_parent():
    """In QEMU's process: however scripts/vm ends, the guest does not go on alone."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(command, timeout, silence):
    """Runs QEMU, passes on what the console says, and returns it."""
    began = heard = time.monotonic()
    said = bytearray()
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent)
    try:
        while True:
            if select.select([qemu.stdout], [], [], 1)[0]:
                piece = os.read(qemu.stdout.fileno(), 65536)
                if not piece:
                    break
                heard = time.monotonic()
                said += piece
                sys.stdout.buffer.write(piece.replace(b"\r", b""))
                sys.stdout.flush()
            now = time.monotonic()
            if now - began > timeout:
                raise Failure(f"the guest was not done after {timeout} s; its console is above")
            if now - heard > silence:
                raise Failure(f"the guest said nothing for {silence} s; its console is above")
        status = qemu.wait()
        if status != 0:
            raise Failure(f"qemu exited with {status}; what it said is above")
        return said.decode(errors="replace")
    finally:
        if qemu.poll() is None:
            qemu.send_signal(signal.SIGKILL)
        qemu.wait()
