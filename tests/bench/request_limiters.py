# SPDX-License-Identifier: Apache-2.0
"""What is asked whether a request may pass: each is there inside its `with` block, and gone after it.

Each knows two limits: "hot", which is never reached, and "few", which is at once. All are asked in the
same way: the request names the client that it is about."""
import json
import os
import pathlib
import re
import struct
import time

from headgated import Headgated

DOMAIN = "bench"
NEVER_REACHED, FEW = 1_000_000_000, 5
HTTP_SHAPES = {clients: (clients, 1) for clients in (1, 16, 128)}  # of keep-alive connections


# --- headgate -------------------------------------------------------------------------------------

class Headgate:
    """One daemon with all its doors, in the server's namespace: nothing else there has its ports."""

    side = "server"
    grpc, http, metrics = "127.0.0.1:8081", "127.0.0.1:8080", "127.0.0.1:9469"

    def __init__(self, lab, programs):
        self.lab = lab
        self.socket = lab.directory / "quota.sock"
        self.memory_socket = self.socket  # where processes are let in to the shared memory
        self._headgated = Headgated(lab, programs, lab.cgroup("server"), f"""
rules: []
metrics: {{ listen: "{self.metrics}" }}
quotas:
  socket: {self.socket}
  grpc: {{ listen: "{self.grpc}" }}
  http: {{ listen: "{self.http}" }}
  domains:
    - domain: {DOMAIN}
      descriptors:
        - {{ key: hot, rate_limit: {{ requests: {NEVER_REACHED}, per: 1s }} }}
        - {{ key: few, rate_limit: {{ requests: {FEW}, per: 1h }} }}
""", side=self.side)

    def __enter__(self):
        self._headgated.start()
        return self

    def __exit__(self, *_):
        self._headgated.stop()

    @property
    def pid(self):
        return self._headgated.pid

    def judged(self, limit):
        """How many requests the daemon says it has judged, by outcome."""
        page = self.lab.run(self.side, ["curl", "--silent", "--fail", f"http://{self.metrics}/metrics"])
        counts = re.findall(r'^headgate_quota_checks_total{domain="%s",rule="%s",outcome="(\w+)"} (\S+)$'
                            % (DOMAIN, limit), page, re.MULTILINE)
        if not counts:
            raise RuntimeError(f"the metrics do not say what '{limit}' has judged:\n{page}")
        return {outcome: int(float(count)) for outcome, count in counts}


class Door:
    """Of a Headgate. `where`: what h2load takes to get there."""

    def __init__(self, headgate, name, where):
        self.headgate, self.name, self.where = headgate, name, where
        self.side = headgate.side

    @property
    def pid(self):
        return self.headgate.pid

    def judged(self, limit):
        return self.headgate.judged(limit)

    def data(self, limit, content):
        file = self.headgate.lab.directory / f"{self.name} {limit}".replace(" ", "-").replace("/", "")
        file.write_bytes(content)
        return ["--data", file]


class GrpcDoor(Door):
    """ShouldRateLimit of Envoy's rate limit service."""

    shapes = {1: (1, 1), 16: (1, 16), 128: (4, 32)}  # connections, and streams of each
    path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"

    def target(self, limit):
        # Protobuf by hand: a field's number and type, its length (here always one byte), its bytes.
        field = lambda number, content: bytes([number << 3 | 2, len(content)]) + content
        entry = field(1, limit.encode()) + field(2, self.name.encode())
        message = field(1, DOMAIN.encode()) + field(2, field(1, entry))
        return ["--header", "content-type: application/grpc", "--header", "te: trailers",
                *self.data(limit, struct.pack(">BI", 0, len(message)) + message),
                *self.where, "http://" + self.headgate.grpc + self.path]


class HttpDoor(Door):
    shapes = HTTP_SHAPES

    def target(self, limit):
        entry = {"key": limit, "value": self.name}
        message = {"domain": DOMAIN, "descriptors": [{"entries": [entry]}]}
        return ["--h1", "--header", "content-type: application/json",
                *self.data(limit, json.dumps(message).encode()), *self.where]


def doors(headgate):
    """By the name that --doors knows them by."""
    return {
        "unix": GrpcDoor(headgate, "gRPC, Unix socket", ["--base-uri", f"unix:{headgate.socket}"]),
        "tcp": GrpcDoor(headgate, "gRPC, TCP", []),
        "http": HttpDoor(headgate, "POST /json", [f"http://{headgate.http}/json"])}


# --- peers ----------------------------------------------------------------------------------------

class Peer:
    """One that limits requests, asked for a thing that it has at hand. `workers`: its processes or
    threads. It has the client's namespace, so it does not meet headgate's hooks."""

    side = "client"
    shapes = HTTP_SHAPES
    judged = None  # it does not count what it judges

    def __init__(self, lab, workers):
        self.lab, self.workers = lab, workers
        self.directory = lab.directory / f"{self.program}-{workers}"
        self.name = f"{self.title}, {workers} {self.unit}{'s' if workers > 1 else ''}"
        self._process = None

    def __enter__(self):
        self.directory.mkdir()
        config, log = self.directory / "conf", self.directory / "log"
        config.write_text(self.config())
        self._process = self.lab.start_outside(self.command(config), log, self.side)
        for _ in range(400):
            try:
                self.lab.run(self.side, ["curl", "--silent", "--output", "/dev/null", self.url("hot")])
                return self
            except RuntimeError:
                if self._process.poll() is not None:
                    break
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"{self.name} did not come up:\n{log.read_text()}")

    def __exit__(self, *_):
        self.lab.stop(self._process)

    @property
    def pid(self):
        return self._process.pid

    def target(self, limit):
        return ["--h1", "--header", "client: 192.0.2.7", self.url(limit)]


class Nginx(Peer):
    """Its limits come before what has an answer, but after `return`: so the answer is empty_gif."""

    program, title, unit = "nginx", "nginx limit_req", "worker"

    def command(self, config):
        return ["nginx", "-e", self.directory / "log", "-p", self.directory, "-c", config]

    def url(self, limit):
        return f"http://127.0.0.1:{8000 + self.workers}/{limit}"

    def config(self):
        temporary = "".join(f"{name}_temp_path {self.directory}/temporary;\n" for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""
pid {self.directory}/pid;
user root;
daemon off;
worker_processes {self.workers};
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  {temporary}
  limit_req_zone $http_client zone=hot:10m rate=1000000r/s;
  limit_req_zone $http_client zone=few:10m rate=1r/m;
  limit_req_status 429;
  limit_req_log_level info;
  server {{
    listen 127.0.0.1:{8000 + self.workers};
    location /hot {{ limit_req zone=hot burst=1000000 nodelay; empty_gif; }}
    location /few {{ limit_req zone=few burst={FEW} nodelay; empty_gif; }}
  }}
}}
"""


class Haproxy(Peer):
    program, title, unit = "haproxy", "HAProxy stick table", "thread"

    def command(self, config):
        return ["haproxy", "-q", "-db", "-f", config]

    def url(self, limit):
        return f"http://127.0.0.1:{self._port(limit)}/"

    def _port(self, limit):
        return {"hot": 9000, "few": 9100}[limit] + self.workers

    def config(self):
        frontends = "".join(f"""
frontend {limit}
  bind 127.0.0.1:{self._port(limit)}
  stick-table type string len 32 size 100k expire 60s store http_req_rate(10s)
  http-request track-sc0 req.hdr(client)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {most} }}
  http-request return status 200 content-type text/plain string ok
""" for limit, most in (("hot", NEVER_REACHED), ("few", FEW)))
        return f"""
global
  nbthread {self.workers}
  maxconn 4096
defaults
  mode http
  timeout client 60s
{frontends}"""


def peers(lab):
    """With one worker, and with one for each CPU, which is what either's package does."""
    workers = sorted({1, len(os.sched_getaffinity(0))})
    return [kind(lab, count) for kind in (Nginx, Haproxy) for count in workers]


def cpu_seconds(pid):
    """Of the process and its children, until now."""
    spent = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if pid in (int(stat.parent.name), int(fields[1])):
            spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")
