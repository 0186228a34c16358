# SPDX-License-Identifier: Apache-2.0
"""A headgated with quotas, and clients that are not ours: Python's grpcio, Node's grpc-js, curl."""
import importlib
import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import support
from support import run

PROTO = support.ROOT / "proto"
RLS = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
NATIVE = "/headgate.quota.v1.QuotaService/"
CONFIG = """\
rules: []
metrics: {{ listen: {metrics} }}
control: {{ socket: {directory}/control.sock }}
pin_dir: {directory}/bpf
netns: /run/netns/{namespace}
quotas:
  socket: {directory}/quota.sock
  grpc: {{ listen: "127.0.0.1:{grpc_port}" }}
  http: {{ listen: "127.0.0.1:{http_port}" }}
  max_keys: {max_keys}
  rule_files: [{directory}/rules/*.yaml]
"""
RULES = """\
domain: contract
descriptors:
- key: user
  rate_limit: { unit: year, requests_per_unit: 3 }
  descriptors:
  - key: path
    value: "/export*"
    rate_limit: { unit: year, requests_per_unit: 1, name: exports }
- key: watched
  shadow_mode: true
  rate_limit: { unit: year, requests_per_unit: 1 }
- key: free
  rate_limit: { unlimited: true }
- key: monthly
  rate_limit: { unit: month, requests_per_unit: 2 }
- key: busy
  rate_limit: { unit: year, requests_per_unit: 4000000000 }
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def need(command, why):
    if shutil.which(command) is None:
        raise AssertionError(f"{command} is needed ({why}): see [foreign] in scripts/packages")


class QuotaTest(unittest.TestCase):
    """With one daemon for the class."""

    native_rules, max_keys, metrics = "", 100000, "off"

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = pathlib.Path(temporary.name)
        namespace = f"hge2equota{os.getpid()}"
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        cls.addClassCleanup(subprocess.run, ["ip", "netns", "delete", namespace], check=True)
        cls.grpc_port, cls.http_port = free_ports(2)
        (cls.directory / "rules").mkdir()
        (cls.directory / "rules" / "contract.yaml").write_text(RULES)
        config = cls.directory / "headgate.yaml"
        config.write_text(CONFIG.format(directory=cls.directory, namespace=namespace,
                                        grpc_port=cls.grpc_port, http_port=cls.http_port,
                                        metrics=cls.metrics, max_keys=cls.max_keys)
                          + cls.native_rules)
        cls.daemon = support.Daemon(config, cls.directory)
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.stop)
        cls.targets = (f"unix:{cls.directory}/quota.sock", f"127.0.0.1:{cls.grpc_port}")


class PythonClient:
    """Debian's python3-grpcio with messages that protoc makes of our files."""

    _messages = None

    def __init__(self, target):
        import grpc  # pylint: disable=import-outside-toplevel
        self.grpc = grpc
        if PythonClient._messages is None:
            PythonClient._messages = self._compile()
        self.rls, self.quota = self._messages
        self.channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._check = self.channel.unary_unary(
            RLS, request_serializer=self.rls.RateLimitRequest.SerializeToString,
            response_deserializer=self.rls.RateLimitResponse.FromString)

    @staticmethod
    def _compile():
        out = tempfile.mkdtemp(prefix="headgate-proto-")
        try:
            files = [str(path) for path in PROTO.glob("envoy/**/*.proto")]
            files.append(str(PROTO / "headgate/quota/v1/quota.proto"))
            subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={out}", *files],
                           check=True)
            sys.path.insert(0, out)
            return (importlib.import_module("envoy.service.ratelimit.v3.rls_pb2"),
                    importlib.import_module("headgate.quota.v1.quota_pb2"))
        finally:
            shutil.rmtree(out)

    def request(self, *descriptors, **fields):
        """Each descriptor is a list of (key, value)."""
        return self.fill(self.rls.RateLimitRequest(), *descriptors, **fields)

    @staticmethod
    def fill(request, *descriptors, domain="contract", **fields):
        request.domain = domain
        for name, value in fields.items():
            setattr(request, name, value)
        for entries in descriptors:
            descriptor = request.descriptors.add()
            for key, value in entries:
                descriptor.entries.add(key=key, value=value)
        return request

    def watch(self, *descriptors, domain="contract", timeout=20):
        """The states, as they come."""
        request = self.fill(self.quota.WatchRequest(), *descriptors, domain=domain)
        return self.channel.unary_stream(
            NATIVE + "Watch", request_serializer=type(request).SerializeToString,
            response_deserializer=self.quota.WatchResponse.FromString)(request, timeout=timeout)

    def acquire(self, *descriptors, domain="contract"):
        """Takes permits; returns the answer, and what gives them back."""
        first = self.quota.AcquireRequest()
        self.fill(first.request, *descriptors, domain=domain)
        messages = queue.SimpleQueue()
        messages.put(first)
        answers = self.channel.stream_stream(
            NATIVE + "Acquire", request_serializer=type(first).SerializeToString,
            response_deserializer=self.quota.AcquireResponse.FromString)(iter(messages.get, None))

        def give_back():
            messages.put(None)
            list(answers)

        return next(answers), give_back

    def check(self, request, timeout=5):
        return self._check(request, timeout=timeout)

    def call(self, method, request=b""):
        """A call of any method, in bytes."""
        return self.channel.unary_unary(method)(request, timeout=5)


class NodeClient:
    """@grpc/grpc-js as tests/e2e/quota/package-lock.json has it."""

    def __init__(self):
        need("node", "it runs @grpc/grpc-js")
        need("npm", "it installs @grpc/grpc-js")
        source = pathlib.Path(__file__).parent / "quota"
        self._home = pathlib.Path(os.environ["HEADGATE_BUILD"]) / "e2e-quota"
        lock = (source / "package-lock.json").read_bytes()
        done = self._home / "installed-lock.json"
        if not done.exists() or done.read_bytes() != lock:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, self._home)
            installed = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                            cwd=self._home, timeout=150)
            if installed.returncode != 0:
                raise AssertionError("npm ci failed:\n" + installed.stdout + installed.stderr)
            done.write_bytes(lock)
        shutil.copy(source / "client.js", self._home)

    def calls(self, target, calls):
        """Makes (service, method, request) in turn; each gives {response} or {code, details}."""
        text = json.dumps([dict(zip(("service", "method", "request"), call)) for call in calls])
        done = subprocess.run(["node", "client.js", target, str(PROTO)], input=text, text=True,
                              cwd=self._home, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise AssertionError("node failed:\n" + done.stderr)
        return json.loads(done.stdout)
