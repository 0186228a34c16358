#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a connection limit costs: no limiter, headgate, nftables. Run by `scripts/bench connections`;
docs/performance.md says what is measured and why."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import statistics
import sys

import limiters
from bench_lab import CLIENT_ADDRESS, SERVER_ADDRESS, Lab, check_output, read_json_line, run

LOAD_PORT, HOLD_PORT = 8000, 8001  # of one rule: what is held on one counts on the other
NEVER_REACHED = 100_000
WARMUP = 0.2  # seconds of load before each measurement

# name: (connections held, limit, what is counted, whether "none" can take part)
ROWS = {
    "idle table": (0, NEVER_REACHED, "connected", True),
    "10,000 held": (10_000, NEVER_REACHED, "connected", True),
    "refused": (10, 10, "refused", False),
}
PLACEMENTS = {"outside": "client outside the counted cgroup", "inside": "client and server inside"}
STATS_SWITCH = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")


class Bench:
    def __init__(self, lab, options):
        self._lab, self._options = lab, options
        self._program = options.bin / "bench_connections"

    def serve(self, port, *arguments):
        command = [self._program, "serve", "--target", SERVER_ADDRESS, "--port", port, *arguments]
        server = self._lab.start("server", command)
        read_json_line(server)
        return server

    @contextlib.contextmanager
    def held(self, count):
        """`count` connections of the client are open inside the block."""
        if count == 0:
            yield
            return
        server = self.serve(HOLD_PORT, "--keep")
        client = self._lab.start("client", [
            self._program, "hold", "--source", CLIENT_ADDRESS, "--target", SERVER_ADDRESS,
            "--port", HOLD_PORT, "--count", count])
        result = read_json_line(client)
        if result["connected"] != count:
            raise RuntimeError(f"could not open {count} connections to hold: {result}")
        yield
        client.stdin.close()
        client.wait(60)
        self._lab.stop(client)
        self._lab.stop(server)

    def load(self):
        client = self._lab.start("client", [
            self._program, "load", "--source", CLIENT_ADDRESS, "--target", SERVER_ADDRESS,
            "--port", LOAD_PORT, "--threads", self._options.threads,
            "--seconds", self._options.seconds, "--warmup", WARMUP])
        result = read_json_line(client)
        client.wait(10)
        self._lab.stop(client)
        return result

    def cell(self, limiter, row, placement):
        """One measurement: (per second, outcomes that the row is not about, by name)."""
        held, limit, counted, _ = ROWS[row]
        with limiters.ALL[limiter](self._lab, limit, placement), self.held(held):
            result = self.load()
        others = dict(result["errors"], connected=result["connected"])
        others.pop("connected" if counted == "connected" else "ECONNREFUSED", None)
        return result[counted + "_per_second"], {name: n for name, n in others.items() if n}

    def program_costs(self, row, placement):
        """What each BPF program of headgated took, with the kernel's own statistics switched on."""
        held, limit, _, _ = ROWS[row]
        headgate = limiters.Headgate(self._lab, limit, placement)
        with headgate, self.held(held), bpf_statistics():
            start = programs_of(headgate.pid)
            result = self.load()
            end = programs_of(headgate.pid)
        costs = []
        for number in sorted(start):
            runs = end[number]["run_cnt"] - start[number]["run_cnt"]
            spent = end[number]["run_time_ns"] - start[number]["run_time_ns"]
            if runs:
                costs.append({"row": row, "placement": placement, "program": end[number]["name"],
                              "ns_per_run": spent / runs, "runs_per_attempt": runs / result["attempts"]})
        return costs


def programs_of(pid):
    """The BPF programs that the process has open, by id."""
    ids = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        ids.update(int(number) for number in re.findall(r"^prog_id:\s*(\d+)$",
                                                        descriptor.read_text(), re.MULTILINE))
    listed = json.loads(check_output(["bpftool", "-j", "prog", "show"]))
    return {p["id"]: {"name": p["name"], "run_cnt": p.get("run_cnt", 0),
                      "run_time_ns": p.get("run_time_ns", 0)} for p in listed if p["id"] in ids}


@contextlib.contextmanager
def bpf_statistics():
    before = STATS_SWITCH.read_text()
    STATS_SWITCH.write_text("1")
    try:
        yield
    finally:
        STATS_SWITCH.write_text(before)


def measure(bench, options):
    """{(placement, row, limiter): {"per_second": [one a round], "others": {…}}}"""
    cells = {(placement, row, name): {"per_second": [], "others": {}}
             for placement in PLACEMENTS for row in ROWS for name in options.limiters
             if name != "none" or ROWS[row][3]}
    for turn in range(options.rounds):
        for placement in PLACEMENTS:
            for row in ROWS:
                names = [name for name in options.limiters if (placement, row, name) in cells]
                if not names:
                    continue
                shift = turn % len(names)  # no limiter is always the first or the last
                for name in names[shift:] + names[:shift]:
                    cell = cells[placement, row, name]
                    per_second, others = bench.cell(name, row, placement)
                    cell["per_second"].append(per_second)
                    for outcome, n in others.items():
                        cell["others"][outcome] = cell["others"].get(outcome, 0) + n
        print(f"round {turn + 1} of {options.rounds} done", file=sys.stderr, flush=True)
    return cells


def ratio(cell, base):
    """The median of the ratios of neighbours in time: slow drift of the machine cancels out."""
    if base is None:
        return None
    return statistics.median(a / b for a, b in zip(cell["per_second"], base["per_second"]))


def summarize(cells):
    rows = []
    for (placement, row, name), cell in cells.items():
        rows.append({
            "placement": placement, "row": row, "limiter": name, **cell,
            "median": statistics.median(cell["per_second"]),
            "min": min(cell["per_second"]), "max": max(cell["per_second"]),
            "of_none": ratio(cell, cells.get((placement, row, "none"))),
            "of_nftables": ratio(cell, cells.get((placement, row, "nftables")))})
    return rows


def print_table(rows, costs):
    times = lambda value: "" if value is None else f"{value:.3f}"
    for placement, title in PLACEMENTS.items():
        print(f"\nPer second, {title}")
        print(f"  {'row':<12} {'limiter':<9} {'median':>9} {'min':>9} {'max':>9} {'of none':>8} "
              f"{'of nft':>8}  other outcomes")
        for r in (r for r in rows if r["placement"] == placement):
            print(f"  {r['row']:<12} {r['limiter']:<9} {r['median']:>9,.0f} {r['min']:>9,.0f} "
                  f"{r['max']:>9,.0f} {times(r['of_none']):>8} {times(r['of_nftables']):>8}  "
                  + ", ".join(f"{name} {n}" for name, n in r["others"].items()))
    if costs:
        print("\nBPF programs (kernel.bpf_stats_enabled, a round of its own)")
        print(f"  {'row':<12} {'placement':<10} {'program':<28} {'ns a run':>9} {'runs/conn':>10}")
        for c in costs:
            print(f"  {c['row']:<12} {c['placement']:<10} {c['program']:<28} "
                  f"{c['ns_per_run']:>9.0f} {c['runs_per_attempt']:>10.2f}")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench connections", description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of the clients and of the server; thread i runs on CPU i")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: a look, not a result")
    parser.add_argument("--json", type=pathlib.Path, help="write everything measured to this file")
    parser.add_argument("--limiters", type=lambda text: text.split(","), default=list(limiters.ALL),
                        help="default: " + ",".join(limiters.ALL))
    options = parser.parse_args()
    if unknown := set(options.limiters) - set(limiters.ALL):
        parser.error(f"no such limiter: {', '.join(sorted(unknown))}")
    if options.quick:
        options.rounds, options.seconds = 2, 1.0
    return options


def main():
    options = parse_arguments()
    limiters.Headgate.directory = options.bin
    with Lab() as lab:
        bench = Bench(lab, options)
        bench.serve(LOAD_PORT, "--threads", options.threads)
        rows = summarize(measure(bench, options))
        costs = []
        if "headgate" in options.limiters:
            for placement in PLACEMENTS:
                for row in ROWS:
                    costs += bench.program_costs(row, placement)
    print(f"Linux {platform.release()}, {os.cpu_count()} CPUs, {options.threads} threads a side, "
          f"{options.rounds} interleaved rounds of {options.seconds:g} s")
    print_table(rows, costs)
    if options.json:
        options.json.write_text(json.dumps({
            "kernel": platform.release(), "cpus": os.cpu_count(), "threads": options.threads,
            "rounds": options.rounds, "seconds": options.seconds,
            "rows": rows, "programs": costs}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
