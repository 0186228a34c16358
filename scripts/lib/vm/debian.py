# SPDX-License-Identifier: Apache-2.0
"""Packages of any Debian release, through apt with a configuration of its own: this machine's
package lists and installed packages are not touched. Mirror and proxies are those that this
machine's apt uses; every Release file is verified with debian-archive-keyring."""
import re
import subprocess
import time

from common import CACHE, Failure, note, run, step

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
REFRESH_SECONDS = 24 * 3600


def mirror():
    """The address of Debian's archive that this machine uses."""
    fields = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    found = {line.split("|")[2] for line in
             run("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines()
             if line.startswith("Debian|Debian|")}
    if not found:
        raise Failure("this machine's apt knows no archive of Debian\n"
                      "run: apt-get update, and see /etc/apt/sources.list.d")
    return sorted(found)[0]


class Suite:
    """One Debian release: "bookworm", "trixie", "sid"."""

    def __init__(self, name):
        self._name, self._dir = name, CACHE / "apt" / name
        empty = self._dir / "empty"
        for directory in (empty, self._dir / "lists/partial", self._dir / "cache/archives/partial"):
            directory.mkdir(parents=True, exist_ok=True)
        (self._dir / "status").touch()
        self._options = [word for option in (
            f"Dir::State={self._dir}", f"Dir::State::status={self._dir}/status",
            f"Dir::State::lists={self._dir}/lists", f"Dir::Cache={self._dir}/cache",
            "Dir::Cache::pkgcache=pkgcache.bin", "Dir::Cache::srcpkgcache=srcpkgcache.bin",
            f"Dir::Etc::sourcelist={self._dir}/debian.sources", f"Dir::Etc::sourceparts={empty}",
            f"Dir::Etc::preferences={empty}/none", f"Dir::Etc::preferencesparts={empty}",
            "APT::Architecture=amd64", "APT::Architectures=amd64", "Acquire::Languages=none",
            "Acquire::Retries=3", "APT::Get::List-Cleanup=false") for word in ("-o", option)]

    def refresh(self):
        """Fetches the package lists unless they are of today. Without a network, those at hand do."""
        stamp = self._dir / "refreshed"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < REFRESH_SECONDS:
            return
        step(f"Package lists of Debian {self._name}")
        (self._dir / "debian.sources").write_text(
            f"Types: deb\nURIs: {mirror()}\nSuites: {self._name}\nComponents: main\n"
            f"Signed-By: {KEYRING}\n")
        try:
            run("apt-get", *self._options, "-q", "--error-on=any", "update")
            stamp.touch()
        except Failure as failure:
            if not stamp.exists():
                raise
            note(f"going on with those of {time.ctime(stamp.stat().st_mtime)}: {failure}")

    def show(self, package):
        """The newest version of a package, as its fields: {"Version": …, "Depends": …}."""
        text = run("apt-cache", *self._options, "show", "--no-all-versions", package)
        return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", text.split("\n\n")[0], re.MULTILINE))

    def download(self, package, version, directory):
        """The .deb file, verified by apt."""
        size = int(self.show(package)["Size"])
        step(f"Downloading {package} {version} ({size / 1e6:.0f} MB)")
        # apt drops its privileges to download, and cannot do so where only root may write.
        command = ["apt-get", *self._options, "-q", "-o", "APT::Sandbox::User=root", "download",
                   f"{package}={version}"]
        done = subprocess.run(command, cwd=directory, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        files = list(directory.glob(f"{package}_*.deb"))
        if done.returncode != 0 or len(files) != 1:
            raise Failure(f"cannot download {package} {version}:\n{done.stdout}{done.stderr}")
        return files[0]
