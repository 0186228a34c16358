# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: found, downloaded, and made ready to boot."""
import lzma
import re
import shutil
import tempfile
import pathlib

import cpio
from common import CACHE, Failure, locked, run, under_construction, used
from debian import Suite

# The kernels that the tests run on, by the names that the user gives them.
RELEASES = {"6.1": "bookworm", "6.12": "trixie", "sid": "sid"}
META_PACKAGE = "linux-image-amd64"

# What the guest needs beyond what Debian builds into the kernel. Those with a question mark exist
# in some kernels only.
MODULES = ("virtio_pci virtio_blk virtio_rng? virtio_console? crc32c_generic? crc32c_intel? ext4 overlay "
           "veth dummy 8021q inet_diag tcp_diag nf_tables? sch_fq_codel? autofs4? unix_diag?").split()


class Kernel:
    """A kernel in the cache: `name`, `version` (of its package), `vmlinuz`, `initramfs`."""

    def __init__(self, name):
        if name not in RELEASES:
            raise Failure(f"there is no kernel '{name}'; there are: {', '.join(RELEASES)}")
        self.name, self.suite = name, RELEASES[name]
        apt = Suite(self.suite)
        with locked(f"apt-{self.suite}"):
            apt.refresh()
            self._packages = _packages(apt)
        self.image, self.version = next(iter(self._packages.items()))
        # The modules that are unpacked belong to what is kept.
        self._dir = CACHE / "kernels" / f"{self.image}_{self.version}_{abs_hash(MODULES)}"
        self.vmlinuz, self.initramfs = self._dir / "vmlinuz", self._dir / "initramfs"

    @property
    def is_cached(self):
        return self._dir.exists()

    def prepare(self):
        with locked(f"kernel-{self.name}"):
            if not self.is_cached:
                self._make()
            used(self._dir)

    def _make(self):
        apt = Suite(self.suite)
        with under_construction(self._dir) as made, tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            scratch = pathlib.Path(scratch)
            files = scratch / "files"
            for package, version in self._packages.items():
                deb = apt.download(package, version, scratch)
                run("dpkg-deb", "-x", deb, files)
                deb.unlink()
            shutil.copy(_only_one(files, "boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"), made / "vmlinuz")
            modules = _only_one(files, "lib/modules/*/", "usr/lib/modules/*/")
            (made / "initramfs").write_bytes(_initramfs(files, modules))
            (made / "release").write_text(modules.name + "\n")


def abs_hash(words):
    """A short name for a list of words."""
    import hashlib
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]


def _packages(apt):
    """The packages that make up the newest kernel: {name: version}, the image first. Newer releases
    have the kernel and its modules in packages of their own."""
    found, waiting = {}, [META_PACKAGE]
    while waiting:
        fields = apt.show(waiting.pop(0))
        if fields["Package"] != META_PACKAGE:
            found[fields["Package"]] = fields["Version"]
        for depends in re.split(r"[,|]", fields.get("Depends", "")):
            name = depends.split("(")[0].strip()
            if re.match(r"linux-(image|binary|modules)-[0-9]", name) and name not in found:
                waiting.append(name)
    if not found:
        raise Failure(f"{META_PACKAGE} names no kernel")
    return found


def _only_one(files, *patterns):
    found = {path.resolve() for pattern in patterns for path in files.glob(pattern)}
    if len(found) != 1:
        raise Failure(f"expected one of {patterns} in the kernel's packages, found {found}")
    return found.pop()


def _initramfs(files, modules):
    """busybox, the modules in the order of loading, and what the guest does first (guest/)."""
    run("depmod", "-b", modules.parents[2], modules.name)
    entries = {"bin/": None, "dev/": None, "proc/": None, "sys/": None, "modules/": None,
               "bin/busybox": pathlib.Path("/bin/busybox").read_bytes()}
    order = _load_order(modules)
    for path in order:
        data = (modules / path).read_bytes()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        elif not path.endswith(".ko"):
            raise Failure(f"do not know how {path} is compressed")
        entries["modules/" + _module_name(path) + ".ko"] = data
    entries["modules/order"] = "".join(_module_name(path) + "\n" for path in order).encode()
    return cpio.archive(entries)


def _load_order(modules):
    """Paths of the modules, each after those that it needs."""
    needs, by_name, order = {}, {}, []
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path], by_name[_module_name(path)] = rest.split(), path
    # Newer packages do not tell what is built in: a disk that is missing will.
    listed = modules / "modules.builtin"
    builtin = {_module_name(line) for line in listed.read_text().splitlines()} if listed.exists() else None

    for word in MODULES:
        name = word.rstrip("?")
        if name in by_name:
            # modules.dep lists the nearest first.
            for path in [*reversed(needs[by_name[name]]), by_name[name]]:
                if path not in order:
                    order.append(path)
        elif builtin is not None and name not in builtin and not word.endswith("?"):
            raise Failure(f"the kernel {modules.name} has no module {name}, which the guest needs")
    return order


def _module_name(path):
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")
