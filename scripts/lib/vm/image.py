# SPDX-License-Identifier: Apache-2.0
"""File systems for the guest, as read-only ext4 images: copies of this machine's programs."""
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

from common import CACHE, Failure, locked, packages_of, run, step, under_construction, used

# What no package owns, and programs need all the same.
GENERATED = ("/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/alternatives",
             "/usr/bin/awk")
TREE_KEEP_SECONDS = 24 * 3600  # every build makes another

# What no test reads.
LEFT_OUT = re.compile(r"^/usr/share/(doc|man|info|locale|lintian|bash-completion|mysql|mariadb|perl5/debconf"
                      r"|i18n)/|\.h$|\.a$|^/usr/share/mime/")


def userland(programs):
    """The image of the packages that the tests run, and of the libraries that `programs` need."""
    packages = _closure([name for name in packages_of("demo", "test") if not name.endswith("-dev")])
    libraries = _libraries(programs)
    versions = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages)
    key = hashlib.sha256("\n".join([versions, *map(_state, libraries), _state(__file__)]).encode())
    target = CACHE / "userland" / key.hexdigest()[:16]
    with locked("userland"):
        if not target.exists():
            step(f"The guest's files: {len(packages)} packages of this machine")
            paths = run("dpkg-query", "-L", *packages).splitlines() + [*libraries, *GENERATED]
            with under_construction(target) as made:
                _make(made / "image", [(path, path) for path in sorted(set(paths))
                                       if path.startswith("/") and not LEFT_OUT.search(path)])
        used(target)
    return target / "image"


def tree(directory):
    """The image of one directory of this machine, without debug information."""
    files = sorted(path for path in directory.iterdir() if path.is_file())
    if not files:
        raise Failure(f"there are no files in {directory}")
    key = hashlib.sha256("\n".join(map(_state, files)).encode())
    target = CACHE / "trees" / key.hexdigest()[:16]
    with locked("trees"):
        if not target.exists():
            with under_construction(target) as made, tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                for file in files:
                    copy = pathlib.Path(scratch) / file.name
                    if is_program(file):
                        run("strip", "--strip-debug", "-o", copy, file)
                    else:
                        shutil.copy(file, copy)
                _make(made / "image", [(f"{scratch}/{file.name}", f"/{file.name}") for file in files])
        used(target, TREE_KEEP_SECONDS)
    return target / "image"


def is_program(file):
    if not file.is_file() or not os.access(file, os.X_OK):
        return False
    with open(file, "rb") as opened:
        return opened.read(4) == b"\x7fELF"


def _closure(packages):
    """These packages, those that every Debian has, and what they all depend on."""
    found = set(re.findall(r"^(\S+) yes$", run("dpkg-query", "-W", "-f", "${Package} ${Essential}\n"),
                           re.MULTILINE))
    depends, providers = installed()
    waiting = [*found, *packages]
    found = set()
    while waiting:
        name = waiting.pop()
        for provider in providers.get(name, ()):  # an alternative that is not installed has none
            if provider not in found:
                found.add(provider)
                waiting += depends[provider]
    missing = [name for name in packages if name not in providers]
    if missing:
        raise Failure(f"not installed: {' '.join(missing)}\nrun without --no-install")
    return sorted(found)


def installed():
    """What each package of this machine depends on, and which packages stand for each name, real or
    virtual: ({package: [names]}, {name: {packages}})."""
    fields = "${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\t${db:Status-Status}\n"
    depends, providers = {}, {}
    for line in run("dpkg-query", "-W", "-f", fields).splitlines():
        name, needs, provides, status = line.split("\t")
        if status != "installed":
            continue
        depends[name] = _names(needs)
        for word in [name, *_names(provides)]:
            providers.setdefault(word, set()).add(name)
    return depends, providers


def _names(field):
    return [re.split(r"[ (:]", word.strip())[0] for word in re.split(r"[,|]", field) if word.strip()]


def _libraries(programs):
    found = set()
    for program in programs:
        lines = run("ldd", program)
        if "not found" in lines:
            raise Failure(f"{program} lacks libraries:\n{lines}")
        found.update(re.findall(r"(/\S+) \(0x", lines))
    return sorted(found | {os.path.realpath(path) for path in found})


def _state(path):
    status = os.stat(path)
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _make(image, files):
    """An ext4 image with these files: [(path here, path there)]. Symbolic links stay links."""
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        scratch = pathlib.Path(scratch)
        for directory in ("bin", "sbin", "lib", "lib64"):  # as on every Debian since 12
            if len(files) > 1000:
                (scratch / "usr" / directory).mkdir(parents=True, exist_ok=True)
                (scratch / directory).symlink_to(f"usr/{directory}")
        for source, path in files:
            _copy(pathlib.Path(source), scratch / path.lstrip("/"))
        file_system(image, scratch)


def file_system(image, directory, spare_bytes=32 << 20):
    """An ext4 image of everything in a directory."""
    used_bytes = int(run("du", "-s", "--block-size=1", directory).split()[0])
    with open(image, "wb") as file:
        file.truncate(used_bytes * 5 // 4 + spare_bytes)
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", directory, image)


def _copy(source, target):
    try:
        mode = source.lstat().st_mode
    except FileNotFoundError:
        return  # a file that the administrator has removed
    if stat.S_ISDIR(mode):
        target.mkdir(parents=True, exist_ok=True)
        if str(source) in GENERATED:
            for child in source.iterdir():
                _copy(child, target / child.name)
    elif not target.exists() and not target.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            target.symlink_to(os.readlink(source))
        elif stat.S_ISREG(mode):
            shutil.copy2(source, target)
            owner = source.stat()
            os.chown(target, owner.st_uid, owner.st_gid)
            target.chmod(stat.S_IMODE(mode))
