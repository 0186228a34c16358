# SPDX-License-Identifier: Apache-2.0
"""The kernel tests (tests/kernel) in a guest."""
import fnmatch
import json
import pathlib
import shlex

from common import ROOT, Failure, heading, note
from likeness import guest

LISTS = ROOT / "tests/vm"
# An emulated processor is five to fifteen times slower than the one it runs on: tests/lab/slowness.h.
SLOWNESS = 10
PROGRAM_SECONDS = 1800
SILENCE_SECONDS = 300
CORE_SECONDS, ALL_SECONDS = 1800, 3 * 3600


def run(arguments):
    here, _, there = (arguments.bin or str(ROOT / "build/bin")).partition(":")
    bin_dir = pathlib.Path(here).resolve()
    if not (bin_dir / "headgated").exists():
        raise Failure(f"there is no headgated in {bin_dir}\n"
                      "run: scripts/test --label vm, which builds it, or name --bin DIR")
    plan = _plan(bin_dir, arguments)
    machine = guest(arguments.kernel, [f"{bin_dir}:{there or bin_dir}"], _command(plan, there or bin_dir))
    result = machine.run(arguments.timeout or (ALL_SECONDS if arguments.all else CORE_SECONDS),
                         SILENCE_SECONDS)
    failed = _report(arguments.kernel, plan, result)
    result.require_no_faults()
    return 1 if failed else 0


def read_list(name):
    """Lines of "PROGRAM FILTER" in tests/vm: {program: filter}."""
    found = {}
    for line in (LISTS / name).read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            program, pattern = words
            found[program] = f"{found[program]}:{pattern}" if program in found else pattern
    return found


def _plan(bin_dir, arguments):
    """{program: filter of GoogleTest}"""
    excluded, core = read_list("excluded.txt"), read_list("core.txt")
    there = sorted(path.name for path in bin_dir.glob("kernel_*"))
    unknown = (set(excluded) | set(core)) - set(there)
    if unknown:
        raise Failure(f"tests/vm names {', '.join(sorted(unknown))}, which {bin_dir} does not have\n"
                      "build the tests, and mind renamed ones")
    if arguments.only:
        plan = {name: "*" for name in there if arguments.only in name}
    elif arguments.all:
        plan = {name: f"*-{excluded[name]}" if name in excluded else "*" for name in there
                if excluded.get(name) != "*"}
    else:
        plan = core
    if not plan:
        raise Failure(f"no test program has '{arguments.only}' in its name")
    return plan


def _command(plan, directory):
    lines = ["#!/bin/bash", f"cd {shlex.quote(str(directory))}", "number=0",
             f"export HEADGATE_LAB_SLOWNESS={SLOWNESS}"]
    for number, (program, pattern) in enumerate(plan.items(), start=1):
        lines += [f"echo '==> {number}/{len(plan)} {program}'",
                  f"timeout -k 5 {PROGRAM_SECONDS} ./{program} --gtest_filter={shlex.quote(pattern)} "
                  f"--gtest_output=json:/run/guest/results/{program}.json",
                  f"echo $? >/run/guest/results/{program}.status"]
    return "\n".join(lines) + "\n"


def _report(kernel_name, plan, result):
    """Prints one line a program; returns the names of what failed."""
    failed, passed = [], 0
    heading(f"Linux {kernel_name}: seconds, tests, program")
    for program in plan:
        status = int(result.files[f"{program}.status"])
        text = result.files.get(f"{program}.json")
        if text is None:
            note(f"it crashed or took too long (exit status {status}): {program}")
            failed.append(program)
            continue
        found = json.loads(text)
        tests = [test for suite in found["testsuites"] for test in suite["testsuite"]]
        bad = [f"{test['classname']}.{test['name']}" for test in tests
               if test.get("failures") or test["result"] != "COMPLETED"]
        passed += len(tests) - len(bad)
        note(f"{float(found['time'].rstrip('s')):6.1f} {len(tests):4} {program}")
        names = [f"{test['classname']}.{test['name']}" for test in tests]
        bad += [f"{program}: no test is called {pattern}" for pattern in plan[program].split("-")[0].split(":")
                if not fnmatch.filter(names, pattern)]
        if status != 0 and not bad:
            bad.append(f"{program} (exit status {status})")
        failed += bad
    note(f"{passed} passed, {len(failed)} failed")
    for name in failed:
        note(f"failed on {kernel_name}: {name}")
    return failed
