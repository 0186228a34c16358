# SPDX-License-Identifier: Apache-2.0
"""Guests whose files are copies of this machine's."""
import pathlib

import image
from common import Failure, step
from kernel import Kernel
from machine import Guest


def guest(kernel_name, trees, command):
    """A guest with these directories of the host: ["DIR" or "DIR:AS"]."""
    pairs = []
    for word in trees:
        here, _, there = word.partition(":")
        here = pathlib.Path(here).resolve()
        if not here.is_dir():
            raise Failure(f"there is no directory {here}")
        pairs.append((here, there or str(here)))
    programs = [path for here, _ in pairs for path in here.iterdir() if image.is_program(path)]
    kernel = Kernel(kernel_name)
    kernel.prepare()
    step(f"Booting Linux {kernel.version} ({kernel.image})")
    return Guest(kernel, image.userland(programs), [(image.tree(here), there) for here, there in pairs],
                 command)
