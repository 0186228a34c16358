#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many decisions a second each door of quotas gives, and how soon, beside nginx and HAProxy. Run
by `scripts/bench quotas`; docs/performance.md says what is measured and why."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import statistics
import sys

import request_limiters
from bench_lab import Lab, check_output, run
from h2load import PERCENTILES, Load
from request_limiters import cpu_seconds

MEMORY, PEERS = "shared-memory", "peers"
DOORS = (MEMORY, "unix", "tcp", "http", PEERS)
WARMUP = 0.2  # seconds of load before each measurement

# The goals.
GRPC_PER_SECOND, GRPC_P99_US, GRPC_CLIENTS = 40_000, 5_000, 128
HOT_KEY_NS, DISJOINT_PER_SECOND = 40.0, 20_000_000
HOT_KEY, DISJOINT = "hot key, 1 process", "disjoint keys, 2 processes"  # of bench_quota_memory


# --- what is asked over sockets -------------------------------------------------------------------

def check_refusals(lab, asked):
    """Raises unless "few" lets some through and no more, so that what is measured is a limiter."""
    count = 4 * request_limiters.FEW
    before = asked.judged and asked.judged("few")
    admitted, refused = Load(lab, asked.side, 1, 1, asked.target("few")).ask(count)
    if asked.judged:  # with gRPC a refusal is an answer like any other
        after = asked.judged("few")
        admitted, refused = (after[name] - before[name] for name in ("admitted", "refused"))
    if not 0 < admitted < refused or admitted + refused != count:
        raise RuntimeError(f"{asked.name} does not limit: of {count} requests {admitted} were admitted "
                           f"and {refused} refused")


def measure_once(lab, asked, clients, seconds):
    connections, streams = asked.shapes[clients]
    load = Load(lab, asked.side, connections, streams, asked.target("hot"))
    load.measure(WARMUP)
    before, spent = asked.judged and asked.judged("hot"), cpu_seconds(asked.pid)
    result = load.measure(seconds)
    result["cpu_us"] = (cpu_seconds(asked.pid) - spent) / result["done"] * 1e6
    if asked.judged:
        judged = {name: n - before[name] for name, n in asked.judged("hot").items() if n != before[name]}
        # What was on its way at the end of the warm-up, or of the measurement, may be judged, too.
        surplus = judged.get("admitted", 0) - result["done"]
        if set(judged) != {"admitted"} or not 0 <= surplus <= 2 * clients:
            raise RuntimeError(f"{asked.name}: {result['done']} answers, but judged were {judged}")
    return result


# --- what is asked in shared memory ---------------------------------------------------------------

def measure_memory(program, headgate, seconds):
    """bench_quota_memory asks in processes of its own; the socket only lets them in. It says
    {"scenarios": [{name, decisions_per_second, ns_per_decision, p50_ns, p99_ns, p999_ns}]}."""
    said = check_output([program, "--socket", headgate.memory_socket, "--domain", request_limiters.DOMAIN,
                         "--seconds", seconds])
    scenarios = json.loads(said)["scenarios"]
    if not scenarios:
        raise RuntimeError(f"{program} has measured nothing")
    return scenarios


# --- all of it ------------------------------------------------------------------------------------

def measure(lab, options):
    """({(name, clients): [a result a round]}, {scenario in shared memory: [a result a round]})"""
    with contextlib.ExitStack() as stack:
        asked = []
        if set(options.doors) != {PEERS}:
            headgate = stack.enter_context(request_limiters.Headgate(lab, options.bin))
            doors = request_limiters.doors(headgate)
            asked += [doors[name] for name in options.doors if name in doors]
        if PEERS in options.doors:
            asked += [stack.enter_context(peer) for peer in request_limiters.peers(lab)]
        for one in asked:
            check_refusals(lab, one)
        cells = {(one.name, clients): [] for one in asked for clients in one.shapes}
        memory = {}
        for turn in range(options.rounds):
            if MEMORY in options.doors:
                for scenario in measure_memory(options.memory, headgate, options.seconds):
                    memory.setdefault(scenario["name"], []).append(scenario)
            shift = turn % len(asked) if asked else 0  # none is always the first or the last
            for one in asked[shift:] + asked[:shift]:
                for clients in one.shapes:
                    cells[one.name, clients].append(measure_once(lab, one, clients, options.seconds))
            print(f"round {turn + 1} of {options.rounds} done", file=sys.stderr, flush=True)
    return cells, memory


def median_of(results, name):
    return statistics.median(result[name] for result in results)


def best_peer(cells, title, clients):
    """The results of that peer with as many workers as are fastest; None: it was not asked."""
    found = [results for (name, count), results in cells.items()
             if name.startswith(title) and count == clients]
    return max(found, key=lambda results: median_of(results, "per_second"), default=None)


def ratio(results, base, name):
    """The median of the ratios of neighbours in time: slow drift of the machine cancels out."""
    if base is None:
        return None
    return statistics.median(a[name] / b[name] for a, b in zip(results, base))


def compare(cells):
    rows = []
    for (name, clients), results in cells.items():
        per_second = [result["per_second"] for result in results]
        row = {"asked": name, "clients": clients, "results": results,
               "per_second": statistics.median(per_second), "least": min(per_second),
               "most": max(per_second), "max": max(result["max"] for result in results)}
        for column in (*PERCENTILES, "cpu_us", "busy"):
            row[column] = median_of(results, column)
        for peer in (request_limiters.Nginx, request_limiters.Haproxy):
            base = best_peer(cells, peer.title, clients)
            row["of_" + peer.program] = ratio(results, base, "per_second")
            row["cpu_of_" + peer.program] = ratio(results, base, "cpu_us")
        rows.append(row)
    return rows


def compare_memory(memory, cells):
    rows = []
    for name, results in memory.items():
        per_second = [result["decisions_per_second"] for result in results]
        row = {"scenario": name, "results": results, "per_second": statistics.median(per_second),
               "least": min(per_second), "most": max(per_second)}
        for column in ("ns_per_decision", "p50_ns", "p99_ns", "p999_ns"):
            row[column] = median_of(results, column)
        for peer in (request_limiters.Nginx, request_limiters.Haproxy):
            bases = [median_of(best_peer(cells, peer.title, clients), "per_second")
                     for clients in peer.shapes if best_peer(cells, peer.title, clients)]
            row["of_" + peer.program] = row["per_second"] / max(bases) if bases else None
        rows.append(row)
    return rows


def judge(rows, memory):
    """[{goal, figure, is_met}]"""
    goals = []

    def goal(text, figure, is_met):
        goals.append({"goal": text, "figure": figure, "is_met": is_met})

    def ahead(row, who):
        for peer in (request_limiters.Nginx, request_limiters.Haproxy):
            if (figure := row["of_" + peer.program]) is not None:
                goal(f"{who}: more a second than {peer.title}", figure, figure > 1)

    for row in rows:
        if row["asked"].startswith("gRPC") and row["clients"] == GRPC_CLIENTS:
            who = f"{row['asked']}, {GRPC_CLIENTS} clients"
            goal(f"{who}: at least {GRPC_PER_SECOND:,} a second", row["per_second"],
                 row["per_second"] >= GRPC_PER_SECOND)
            goal(f"{who}: 99 % within {GRPC_P99_US / 1000:g} ms", row["p99"] / 1000, row["p99"] < GRPC_P99_US)
            ahead(row, who)
    for row in memory:
        who = f"shared memory, {row['scenario']}"
        if row["scenario"] == HOT_KEY:
            goal(f"{who}: at most {HOT_KEY_NS:g} ns", row["ns_per_decision"],
                 row["ns_per_decision"] <= HOT_KEY_NS)
            ahead(row, who)
        elif row["scenario"] == DISJOINT:
            goal(f"{who}: at least {DISJOINT_PER_SECOND:,} a second", row["per_second"],
                 row["per_second"] >= DISJOINT_PER_SECOND)
    return goals


def print_results(rows, memory, goals):
    times = lambda value: "" if value is None else f"{value:.2f}"
    if rows:
        print("\nDecisions over sockets, asked for by one thread of h2load\n"
              "(µs: from a request to its answer, as the client sees it; CPU: what the limiter took for a "
              "decision;\nof nginx, of HAProxy: times as many a second, with as many clients, as their faster "
              "number of workers;\nh2load: what it took of a CPU: near 100 % the limiter had time to spare)")
        print(f"  {'asked':<30} {'clients':>7} {'a second':>9} {'least':>8} {'most':>8} {'p50 µs':>7} "
              f"{'p99':>7} {'p99.9':>7} {'max':>8} {'CPU µs':>7} {'of nginx':>8} {'of HAProxy':>10} {'h2load':>6}")
    for row in rows:
        print(f"  {row['asked']:<30} {row['clients']:>7} {row['per_second']:>9,.0f} {row['least']:>8,.0f} "
              f"{row['most']:>8,.0f} {row['p50']:>7,.0f} {row['p99']:>7,.0f} {row['p99.9']:>7,.0f} "
              f"{row['max']:>8,.0f} {row['cpu_us']:>7.1f} {times(row['of_nginx']):>8} "
              f"{times(row['of_haproxy']):>10} {row['busy']:>6.0%}")
    if memory:
        print("\nDecisions in shared memory, asked for by loops (of nginx, of HAProxy: of their best row)")
        print(f"  {'scenario':<38} {'a second':>12} {'least':>12} {'most':>12} {'ns':>6} {'p50':>6} "
              f"{'p99':>6} {'p99.9':>7} {'of nginx':>8} {'of HAProxy':>10}")
    for row in memory:
        print(f"  {row['scenario']:<38} {row['per_second']:>12,.0f} {row['least']:>12,.0f} "
              f"{row['most']:>12,.0f} {row['ns_per_decision']:>6.1f} {row['p50_ns']:>6,.0f} {row['p99_ns']:>6,.0f} "
              f"{row['p999_ns']:>7,.0f} {times(row['of_nginx']):>8} {times(row['of_haproxy']):>10}")
    if goals:
        print("\nGoals")
    for goal in goals:
        figure = f"{goal['figure']:,.{0 if goal['figure'] >= 1000 else 2}f}"
        print(f"  {'met   ' if goal['is_met'] else 'MISSED'} {figure:>11}  {goal['goal']}")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench quotas", description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--quick", action="store_true", help="1 round of 1 s: a look, not a result")
    parser.add_argument("--json", type=pathlib.Path, help="write everything measured to this file")
    parser.add_argument("--doors", type=lambda text: text.split(","), default=list(DOORS),
                        help="default: " + ",".join(DOORS))
    options = parser.parse_args()
    if unknown := set(options.doors) - set(DOORS):
        parser.error(f"no such door: {', '.join(sorted(unknown))}")
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    if options.rounds < 1 or options.seconds < 0.1:
        parser.error("at least one round, and measurements of at least 0.1 s")
    return options


def main():
    options = parse_arguments()
    options.memory = options.bin / "bench_quota_memory"
    if MEMORY in options.doors and not options.memory.exists():
        raise RuntimeError(f"{options.memory} is not there: it asks in shared memory (build it, or name the "
                           "other doors with --doors)")
    load = os.getloadavg()[0]
    with Lab() as lab:
        cells, memory = measure(lab, options)
    rows, memory = compare(cells), compare_memory(memory, cells)
    goals = judge(rows, memory)
    print(f"Linux {platform.release()}, {os.cpu_count()} CPUs, load {load:.1f} before, {options.rounds} "
          f"interleaved rounds of {options.seconds:g} s")
    print_results(rows, memory, goals)
    if options.json:
        options.json.write_text(json.dumps({
            "kernel": platform.release(), "cpus": os.cpu_count(), "load": load,
            "rounds": options.rounds, "seconds": options.seconds,
            "rows": rows, "memory": memory, "goals": goals}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
