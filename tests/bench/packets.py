#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the front line costs a packet, and how many SYNs a second it drops, beside nftables and
xdp-filter. Run by `scripts/bench packets`; docs/performance.md says what is measured and why."""
import argparse
import contextlib
import ipaddress
import json
import os
import pathlib
import platform
import re
import statistics
import sys

import droppers
from bench_lab import CLIENT_ADDRESS, SERVER_ADDRESS, Lab, check_output, read_json_line, run

FIRST_SOURCE, SOURCES = ipaddress.IPv4Address("198.19.0.1"), (1, 1000)
SOURCES_NETWORK = "198.19.0.0/16"
XDP_FILTER_OBJECT = "xdpfilt_alw_ip.o"
BARE, XDP_FILTER = "bare pass", "xdp-filter, IP drop"  # rows of bench_front

# The goals.
DENIED_OF_XDP_FILTER, ESTABLISHED_NS, OF_NFTABLES = 1.3, 25.0, 4.0


def xdp_filter_object():
    """Where Debian's libxdp has it: in a directory of the architecture."""
    found = sorted(pathlib.Path("/usr/lib").glob(f"*/bpf/{XDP_FILTER_OBJECT}"))
    found += [path for path in (pathlib.Path("/usr/lib/bpf") / XDP_FILTER_OBJECT,) if path.exists()]
    if not found:
        raise RuntimeError(f"{XDP_FILTER_OBJECT} is not under /usr/lib: is Debian's libxdp1 installed?")
    return found[0]


# --- a packet by BPF_PROG_TEST_RUN ----------------------------------------------------------------

def measure_packets(lab, options):
    """[{section, packet, ns: [one a round], verdict}]"""
    print("packets: a minute, or half a one with --quick", file=sys.stderr, flush=True)
    process = lab.start_secluded([
        options.bin / "bench_front", "--json", "--rounds", options.rounds,
        "--repeat", 20_000 if options.quick else 200_000, xdp_filter_object()])
    rows = read_json_line(process)
    process.wait(20)
    lab.stop(process)
    return rows


def compare_packets(rows):
    """Adds what each is in terms of its neighbours in time."""
    by_name = {(row["section"], row["packet"]): row["ns"] for row in rows}
    for row in rows:
        base = by_name[row["section"], BARE + (", in turn" if is_once(row) else "")]
        row["median"] = statistics.median(row["ns"])
        row["over_bare"] = statistics.median(a - b for a, b in zip(row["ns"], base))
        row["of_xdp_filter"] = None if is_once(row) else statistics.median(
            a / b for a, b in zip(row["ns"], by_name[row["section"], XDP_FILTER]))


def is_once(row):
    if row["packet"] in (BARE, XDP_FILTER):
        return False
    return row["section"].startswith("each run once") or "in turn" in row["packet"]


# --- a flood --------------------------------------------------------------------------------------

class Flood:
    """SYNs from the client's end of the veth pair to a listening port of the server's."""

    def __init__(self, lab, options):
        self._lab = lab
        lab.run("server", ["ethtool", "-K", "eth0", "gro", "on"])  # takes XDP frames also without XDP
        macs = {side: self._link(side)["address"] for side in ("server", "client")}
        lab.run("server", ["ip", "neighbour", "replace", CLIENT_ADDRESS, "lladdr", macs["client"],
                           "dev", "eth0", "nud", "permanent"])
        lab.run("server", ["ip", "route", "add", SOURCES_NETWORK, "via", CLIENT_ADDRESS])
        lab.run("server", ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/tcp_synack_retries"])
        sender_cpu, *_, receiver_cpu = sorted(os.sched_getaffinity(0)) * 2
        receiver = self._give_receiver_a_thread()
        os.sched_setaffinity(receiver, {receiver_cpu})
        server = lab.start("server", [options.bin / "bench_connections", "serve",
                                      "--target", SERVER_ADDRESS, "--port", droppers.PORT])
        read_json_line(server)
        self._sender = lab.start("client", [
            options.bin / "bench_flood", "send", "--target", SERVER_ADDRESS, "--target-mac", macs["server"],
            "--port", droppers.PORT, "--first-source", FIRST_SOURCE, "--seconds", options.seconds,
            "--cpu", sender_cpu, "--receiver", receiver])
        read_json_line(self._sender)

    def run(self, dropper, sources):
        """One measurement."""
        dropped, received = dropper.dropped(), self._received()
        self._sender.stdin.write(f"{sources}\n")
        self._sender.stdin.flush()
        result = read_json_line(self._sender)
        result["received"] = self._received() - received
        result["dropped"] = None if dropped is None else dropper.dropped() - dropped
        result["count"] = result["received"] if dropped is None else result["dropped"]
        # A few packets are not of the flood. What is sent and not received has found a full queue.
        if not 0.98 * result["received"] <= result["count"] <= result["sent"] + 100:
            raise RuntimeError(f"'{dropper.name}' was not measured: {result}")
        result["ns"] = result["receiver_seconds"] * 1e9 / result["count"]
        return result

    def _give_receiver_a_thread(self):
        """What the server's end receives is dealt with by a thread of the kernel; returns its pid."""
        before = threads("napi/eth0-")
        self._lab.run("server", ["unshare", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && "
                                 "echo 1 >/sys/class/net/eth0/threaded"])
        made = threads("napi/eth0-") - before
        if len(made) != 1:
            raise RuntimeError(f"no thread came of threaded NAPI, or many: {made}")
        return made.pop()

    def _received(self):
        return self._link("server")["stats64"]["rx"]["packets"]

    def _link(self, side):
        return json.loads(self._lab.run(side, ["ip", "-s", "-j", "link", "show", "eth0"]))[0]


def threads(prefix):
    """Those of the kernel, by the beginning of their name."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text().startswith(prefix):
                found.add(int(process.name))
    return found


def measure_flood(lab, options):
    """{(name of the dropper, sources): [a result a round]}"""
    flood = Flood(lab, options)
    denied = [str(FIRST_SOURCE + i) for i in range(max(SOURCES))]
    cells = {(dropper.name, sources): [] for dropper in droppers.ALL for sources in SOURCES}
    for turn in range(options.rounds):
        shift = turn % len(droppers.ALL)  # none is always the first or the last
        for make in droppers.ALL[shift:] + droppers.ALL[:shift]:
            with make(lab, options.bin, denied) as dropper:
                for sources in SOURCES:
                    cells[dropper.name, sources].append(flood.run(dropper, sources))
        print(f"flood: round {turn + 1} of {options.rounds} done", file=sys.stderr, flush=True)
    return cells


def compare_flood(cells):
    rows = []
    for (name, sources), results in cells.items():
        column = lambda of: [result["ns"] for result in cells[of.name, sources]]
        ns = [result["ns"] for result in results]
        rows.append({
            "dropper": name, "sources": sources, "results": results,
            "per_second": 1e9 / statistics.median(ns),
            "busy": statistics.median([result["receiver_seconds"] / result["seconds"] for result in results]),
            "lost": statistics.median([1 - result["received"] / result["sent"] for result in results]),
            "answers": statistics.median([result["answers"] for result in results]),
            "ns": statistics.median(ns), "min": min(ns), "max": max(ns),
            # Ratios of neighbours in time: slow drift of the machine cancels out.
            "of_nftables": statistics.median([b / a for a, b in zip(ns, column(droppers.NftablesInput))]),
            "of_xdp_filter": statistics.median([b / a for a, b in zip(ns, column(droppers.XdpFilter))])})
    return rows


# --- what came of it ------------------------------------------------------------------------------

def judge(packets, flood):
    """[{goal, figure, is_met}]"""
    goals = []

    def goal(text, figure, is_met):
        goals.append({"goal": text, "figure": figure, "is_met": is_met})

    for row in packets:
        if row["packet"] == "SYN, denied":
            goal(f"a SYN, {row['section']}: at most {DENIED_OF_XDP_FILTER} times xdp-filter's IP drop",
                 row["of_xdp_filter"], row["of_xdp_filter"] <= DENIED_OF_XDP_FILTER)
        elif row["packet"] == "established":
            goal(f"established, {row['section']}: at most {ESTABLISHED_NS:g} ns over a bare pass",
                 row["over_bare"], row["over_bare"] <= ESTABLISHED_NS)
    for row in flood:
        if row["dropper"] == droppers.HeadgateNative.name:
            goal(f"drops, {row['sources']:,} sources: at least {OF_NFTABLES:g} times nftables' input hook",
                 row["of_nftables"], row["of_nftables"] >= OF_NFTABLES)
    return goals


def print_results(packets, flood, goals):
    print("\nns a packet (BPF_PROG_TEST_RUN)")
    print(f"  {'packet':<42} {'median':>8} {'least':>8} {'most':>8} {'over bare':>10} {'of xdp-filter':>14}")
    section = None
    for row in packets:
        if row["section"] != section:
            section = row["section"]
            print(f"  {section}")
        ratio = "" if row["of_xdp_filter"] is None else f"{row['of_xdp_filter']:.2f}"
        print(f"    {row['packet']:<40} {row['median']:>8.0f} {min(row['ns']):>8.0f} "
              f"{max(row['ns']):>8.0f} {row['over_bare']:>10.0f} {ratio:>14}")
    print("\nA flood on veth: SYNs per second of the receiver's CPU, and how many times as many as others\n"
          "(lost: sent, and found the queue full; busy: of the clock's time, what the receiver had or needed)")
    print(f"  {'dropper':<29} {'sources':>7} {'a second':>10} {'ns':>6} {'least':>6} {'most':>6} "
          f"{'of nft input':>12} {'of xdp-filter':>13} {'lost':>5} {'busy':>5} {'answers':>8}")
    for row in flood:
        print(f"  {row['dropper']:<29} {row['sources']:>7,} {row['per_second']:>10,.0f} {row['ns']:>6.0f} "
              f"{row['min']:>6.0f} {row['max']:>6.0f} {row['of_nftables']:>12.2f} "
              f"{row['of_xdp_filter']:>13.2f} {row['lost']:>5.0%} {row['busy']:>5.0%} {row['answers']:>8,.0f}")
    print("\nGoals")
    for goal in goals:
        print(f"  {'met   ' if goal['is_met'] else 'MISSED'} {goal['figure']:>7.2f}  {goal['goal']}")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench packets", description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of one flood, at most 1")
    parser.add_argument("--quick", action="store_true", help="2 short rounds: a look, not a result")
    parser.add_argument("--json", type=pathlib.Path, help="write everything measured to this file")
    options = parser.parse_args()
    if options.rounds < 1 or not 0 < options.seconds <= 1:
        parser.error("at least one round, and floods of at most 1 s")
    if options.quick:
        options.rounds, options.seconds = 2, 0.2
    return options


def main():
    options = parse_arguments()
    load = os.getloadavg()[0]
    with Lab() as lab:
        packets = measure_packets(lab, options)
        flood = compare_flood(measure_flood(lab, options))
    compare_packets(packets)
    goals = judge(packets, flood)
    print(f"Linux {platform.release()}, {os.cpu_count()} CPUs, load {load:.1f} before, {options.rounds} "
          f"interleaved rounds, floods of {options.seconds:g} s")
    print_results(packets, flood, goals)
    if options.json:
        options.json.write_text(json.dumps({
            "kernel": platform.release(), "cpus": os.cpu_count(), "load": load,
            "rounds": options.rounds, "seconds": options.seconds,
            "packets": packets, "flood": flood, "goals": goals}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
