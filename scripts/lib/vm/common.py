# SPDX-License-Identifier: Apache-2.0
"""What the modules of scripts/vm share: where things are, and how to talk to the user."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "headgate/vm"
KEEP_SECONDS = 30 * 24 * 3600  # what nobody has used for so long is removed from the cache


class Failure(Exception):
    """What went wrong, for the user; further lines say what to do."""


def step(text):
    print(f"==> {text}", flush=True)


def note(text):
    print(f"    {text}", flush=True)


def heading(text):
    print(f"\n{text}", flush=True)


def run(*command, **options):
    """Runs a program to its end; its output belongs to the message when it fails."""
    words = [str(word) for word in command]
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(words, text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(words[:4])} … exited with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def locked(name):
    """One process at a time makes what is called `name` in the cache; others wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def under_construction(target):
    """A directory beside `target`, renamed to `target` at the end if nothing failed: what is in the
    cache is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        yield made
        made.chmod(0o755)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def used(path, keep_seconds=KEEP_SECONDS):
    """Notes that a thing in the cache is in use, and removes its neighbours that are not."""
    os.utime(path)
    for other in path.parent.iterdir():
        if time.time() - other.stat().st_mtime > keep_seconds:
            shutil.rmtree(other, ignore_errors=True)


def packages_of(*sections):
    """The names that scripts/packages has in these sections."""
    section, names = None, []
    for line in (ROOT / "scripts/packages").read_text().splitlines():
        word = line.split("#")[0].strip()
        if word.startswith("["):
            section = word.strip("[]")
        elif word and section in sections:
            names.append(word)
    return names


def main_guard(function):
    """Runs function(); a Failure becomes a message and exit status 125."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # what is temporary is removed
    try:
        sys.exit(function())
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        sys.exit(125)
    except KeyboardInterrupt:
        sys.exit(130)
