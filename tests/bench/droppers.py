# SPDX-License-Identifier: Apache-2.0
"""What drops SYNs: each is in force inside its `with` block, and gone after it. `dropped()` is its
own count; None: it has none."""
import re
import time

from bench_lab import check_output, read_json_line
from headgated import Headgated

PORT = 8000


class Dropper:
    def __init__(self, lab, programs, denied):
        self.lab, self.programs, self.denied = lab, programs, denied

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def dropped(self):
        return None


class Nothing(Dropper):
    name = "nothing: SYNs are answered"

    def __exit__(self, *_):
        time.sleep(1.5)  # until the kernel has forgotten the half-open connections


class BareDrop(Dropper):
    name = "XDP that drops all"

    def __enter__(self):
        self._process = self.lab.start("server", [self.programs / "bench_flood", "drop"])
        read_json_line(self._process)
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(20)
        self.lab.stop(self._process)


class Nftables(Dropper):
    def __enter__(self):
        self.lab.run("server", ["nft", "-f", "-"], input=f"""
            table {self.family} headgate_bench {{
              set denied {{ type ipv4_addr; elements = {{ {", ".join(self.denied)} }}; }}
              counter dropped {{ }}
              chain shed {{
                {self.chain}
                ip saddr @denied counter name dropped drop
              }}
            }}
            """)
        return self

    def __exit__(self, *_):
        self.lab.run("server", ["nft", "delete", "table", self.family, "headgate_bench"])

    def dropped(self):
        said = self.lab.run("server", ["nft", "list", "counter", self.family, "headgate_bench", "dropped"])
        return int(re.search(r"packets (\d+)", said)[1])


class NftablesInput(Nftables):
    name = "nftables, inet input"
    family, chain = "inet", "type filter hook input priority filter; policy accept;"


class NftablesIngress(Nftables):
    name = "nftables, netdev ingress"
    family, chain = "netdev", "type filter hook ingress device eth0 priority filter; policy accept;"


class XdpFilter(Dropper):
    name = "xdp-filter, native"

    def __enter__(self):
        # Its maps are pinned in a bpffs that goes with this process.
        self._home = self.lab.start_secluded(["sh", "-c", "echo {}; exec cat"], side="server")
        read_json_line(self._home)
        self._run(["xdp-filter", "load", "--mode", "native", "--features", "ipv4", "eth0"])
        self._run(["xdp-filter", "ip", "--mode", "src", self.denied[0]])
        flags = self._run(["bpftool", "-j", "map", "lookup", "pinned", MAP, "key", *key(self.denied[0])])
        value = re.search(r'"value":\s*\[([^]]*)\]', flags)[1].replace('"', "").split(",")
        self._run(["bpftool", "batch", "file", "-"], input="".join(
            f"map update pinned {MAP} key {' '.join(key(address))} value {' '.join(value)}\n"
            for address in self.denied[1:]))
        return self

    def __exit__(self, *_):
        self._run(["xdp-filter", "unload", "eth0"])
        self._home.stdin.close()
        self._home.wait(20)
        self.lab.stop(self._home)

    def dropped(self):
        return int(re.search(r"XDP_DROP\s+(\d+) pkts", self._run(["xdp-filter", "status"]))[1])

    def _run(self, command, **options):
        return check_output(["nsenter", f"--target={self._home.pid}", "--net", "--mount", "--", *command],
                            **options)


MAP = "/sys/fs/bpf/xdp-filter/filter_ipv4"


def key(address):
    return [str(int(byte)) for byte in address.split(".")]


class Headgate(Dropper):
    on_limit = "drop"

    def __enter__(self):
        xdp = f"xdp: {{ interfaces: [{{ name: eth0, mode: {self.mode} }}] }}" if self.mode else ""
        self._headgated = Headgated(self.lab, self.programs, self.lab.cgroup("server"), f"""
rules: [{{ name: bench, listen: ["{PORT}"], on_limit: {self.on_limit} }}]
metrics: {{ listen: off }}
on_stop: detach
{xdp}""")
        self._headgated.start()
        denied = self.lab.directory / "denied"
        denied.write_text("\n".join(self.denied) + "\n")
        self._headgated.ctl("deny", "add", "--file", denied)
        return self

    def __exit__(self, *_):
        self._headgated.stop()

    def dropped(self):
        status = self._headgated.status()
        if self.mode:
            front, = status["xdp"]
            if front["mode"] != self.mode:
                raise RuntimeError(f"the front line is not attached as it should be: {front}")
            return sum(one["count"] for one in front["packets"] if one["verdict"] in ("drop", "reset"))
        return sum(status["rules"][0]["refused"].values())


class HeadgateNative(Headgate):
    name, mode = "headgate, XDP native", "native"


class HeadgateReset(Headgate):
    name, mode, on_limit = "headgate, XDP native, resets", "native", "reset"


class HeadgateGeneric(Headgate):
    name, mode = "headgate, XDP generic", "generic"


class HeadgateLookup(Headgate):
    name, mode = "headgate without XDP", None


ALL = (Nothing, BareDrop, XdpFilter, HeadgateNative, HeadgateReset, HeadgateGeneric, HeadgateLookup,
       NftablesIngress, NftablesInput)
