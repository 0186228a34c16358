# SPDX-License-Identifier: Apache-2.0
"""What is compared: each limiter is in force inside its `with` block, and gone after it."""
from headgated import Headgated

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
        cgroup = lab.cgroup("server" if placement == "outside" else "")
        self._headgated = Headgated(lab, self.directory, cgroup, f"""
rules:
  - name: bench
    listen: ["{PORTS}"]
    connections: {{ per_client: {limit} }}
metrics: {{ listen: off }}
""")

    def __enter__(self):
        self._headgated.start()
        return self

    def __exit__(self, *_):
        self._headgated.stop()

    @property
    def pid(self):
        return self._headgated.pid


ALL = {limiter.name: limiter for limiter in (NoLimiter, Headgate, Nftables)}
