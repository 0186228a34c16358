# SPDX-License-Identifier: Apache-2.0
"""What is compared: each limiter is in force inside its `with` block, and gone after it."""
import subprocess
import time

PORTS = "8000-8001"


class NoLimiter:
    name = "none"

    def __init__(self, lab, limit, placement):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Nftables:
    """The usual rule: a dynamic set keyed by the source address. Conntrack runs with it only."""

    name = "nftables"

    def __init__(self, lab, limit, placement):
        self._lab, self._limit = lab, limit

    def __enter__(self):
        self._lab.run("server", ["nft", "-f", "-"], input=f"""
            table ip headgate_bench {{
              set conns {{ type ipv4_addr; size 65535; flags dynamic; }}
              chain input {{
                type filter hook input priority filter; policy accept;
                tcp dport {PORTS} ct state new add @conns {{ ip saddr ct count over {self._limit} }} reject with tcp reset
              }}
            }}
            """)
        return self

    def __exit__(self, *_):
        self._lab.run("server", ["nft", "delete", "table", "ip", "headgate_bench"])


class Headgate:
    """headgated, attached to the server's cgroup, or to the one that holds both sides."""

    name = "headgate"
    directory = None  # of the programs; set by the caller

    def __init__(self, lab, limit, placement):
        self._lab, self._limit = lab, limit
        self._cgroup = lab.cgroup("server" if placement == "outside" else "")
        self._daemon = None

    def __enter__(self):
        directory = self._lab.directory
        config, log = directory / "headgate.yaml", directory / "headgated.log"
        config.write_text(f"""
rules:
  - name: bench
    listen: ["{PORTS}"]
    connections: {{ per_client: {self._limit} }}
metrics: {{ listen: off }}
control: {{ socket: {directory}/control.sock }}
pin_dir: {directory}/bpf
cgroup: {self._cgroup}
netns: {self._lab.namespace("server")}
""")
        self._daemon = self._lab.start_outside([self.directory / "headgated", "--config", config], log)
        for _ in range(400):
            if "ready:" in log.read_text():
                return self
            if self._daemon.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("headgated did not come up:\n" + log.read_text())

    def __exit__(self, *_):
        self._lab.stop(self._daemon)
        # With its bpffs the pins go, and the limits with them.
        subprocess.run(["umount", self._lab.directory / "bpf"], check=True)

    @property
    def pid(self):
        return self._daemon.pid


ALL = {limiter.name: limiter for limiter in (NoLimiter, Headgate, Nftables)}
