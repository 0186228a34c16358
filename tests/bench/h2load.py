# SPDX-License-Identifier: Apache-2.0
"""Requests by h2load: one thread; each stream asks again as soon as it is answered."""
import re
import resource

# h2load has asked nothing at all if its connection was made just when its clock began.
TRIES = 3
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Load:
    """`connections` of `streams` each, to `target`: the arguments that say where and what."""

    def __init__(self, lab, side, connections, streams, target):
        self._lab, self._side = lab, side
        self._log = lab.directory / "h2load.log"
        self._command = ["h2load", "--clients", connections, "--max-concurrent-streams", streams,
                         "--log-file", self._log, *target]

    def ask(self, count):
        """So many requests; returns how many were answered with 2xx, and with 4xx."""
        said = self._run(["--requests", count])
        return said["2xx"], said["4xx"]

    def measure(self, seconds):
        """As many requests as there is time for. Times are microseconds; "busy" is what h2load itself
        took of a CPU: near 1 the figure is h2load's own."""
        for _ in range(TRIES):
            before = children_seconds()
            said = self._run(["--duration", f"{round(seconds * 1000)}ms"])
            busy = (children_seconds() - before) / seconds
            if said["started"] > 0:
                break
        if said["done"] == 0 or said["2xx"] != said["done"] or said["failed"] or said["errored"]:
            raise RuntimeError(f"not every request was answered with 2xx: {said}")
        times = sorted(int(line.rsplit("\t", 1)[1]) for line in self._log.read_text().splitlines())
        if len(times) != said["done"]:
            raise RuntimeError(f"h2load noted the times of {len(times)} of {said['done']} requests")
        result = {name: times[int(len(times) * part)] for name, part in PERCENTILES.items()}
        return {"done": said["done"], "per_second": said["done"] / seconds, **result,
                "max": times[-1], "busy": busy}

    def _run(self, how_long):
        self._log.unlink(missing_ok=True)  # h2load appends
        said = self._lab.run(self._side, [*self._command, *how_long])
        lines = re.findall(r"^(?:requests|status codes): (.*)$", said, re.MULTILINE)
        counts = {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", ", ".join(lines))}
        if not {"started", "done", "failed", "errored", "2xx", "4xx"} <= set(counts):
            raise RuntimeError("h2load did not say what came of it:\n" + said)
        return counts


def children_seconds():
    """CPU time of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
