#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The example programs of the library for services, with a daemon: what users see of limits, permits,
and the end of processes."""
import concurrent.futures
import http.client
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import support
from support import program, run

CONFIG = """\
rules: []
metrics: {{ listen: off }}
control: {{ socket: {directory}/control.sock }}
pin_dir: {directory}/bpf
netns: /run/netns/{namespace}
quotas:
  socket: {directory}/quota.sock
  memory: {{ socket: {directory}/memory.sock }}
  domains:
  - domain: rates
    descriptors:
    - key: client_ip
      rate_limit: {{ requests: 3, per: 1h, burst: 3 }}
    - key: user
      rate_limit: {{ requests: 1, per: 1s, burst: 1 }}
  - domain: permits
    descriptors:
    - key: client_ip
      concurrency: {{ limit: 2 }}
"""
HONEST, BUSY = "127.0.0.2", "127.0.0.3"


class Server:
    """limited_server, for the length of a `with` block."""

    def __init__(self, domain, socket, milliseconds=0):
        self.process = subprocess.Popen(
            [program("examples") / "limited_server", "0", domain, socket, str(milliseconds)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def get(self, client):
        """The status and the headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30,
                                                source_address=(client, 0))
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()

    def status(self, client):
        return self.get(client)[0]


class ClientExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = pathlib.Path(temporary.name)
        cls.socket = str(cls.directory / "memory.sock")
        namespace = f"hge2eclient{os.getpid()}"
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        cls.addClassCleanup(subprocess.run, ["ip", "netns", "delete", namespace], check=True)
        config = cls.directory / "headgate.yaml"
        config.write_text(CONFIG.format(directory=cls.directory, namespace=namespace))
        cls.daemon = support.Daemon(config, cls.directory)
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.stop)

    def hello(self, *words):
        return run(program("examples") / "hello", *words)

    def test_who_asks_too_often_is_told_when_to_come_back(self):
        with Server("rates", self.socket) as server:
            self.assertEqual([server.status(BUSY) for _ in range(3)], [200, 200, 200])
            status, headers = server.get(BUSY)
            self.assertEqual(status, 429)
            self.assertGreater(int(headers["retry-after"]), 1190, "one comes back each 20 minutes")
            self.assertLessEqual(int(headers["retry-after"]), 1202)
            self.assertEqual(server.status(HONEST), 200)
        self.assertTrue(self.daemon_would_refuse("rates", BUSY), "it counts there, too")

    def test_a_permit_is_held_for_as_long_as_a_request_is_served(self):
        with Server("permits", self.socket, milliseconds=1000) as server, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            statuses = [answer.result() for answer in
                        [pool.submit(server.status, BUSY) for _ in range(4)]]
            self.assertEqual(sorted(statuses), [200, 200, 429, 429])
            self.assertEqual(server.status(BUSY), 200)

    def test_a_server_that_is_killed_gives_back_what_it_held(self):
        with Server("permits", self.socket) as other, \
                Server("permits", self.socket, milliseconds=60_000) as server, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            lost = [pool.submit(server.status, HONEST) for _ in range(2)]
            self.wait_for(lambda: self.daemon_would_refuse("permits", HONEST), 10)
            self.assertEqual(other.status(HONEST), 429)
            server.process.kill()
            self.wait_for(lambda: other.status(HONEST) == 200, 5)
            for answer in lost:
                self.assertIsInstance(answer.exception(), (OSError, http.client.HTTPException))

    def test_servers_go_on_without_a_daemon_and_follow_the_next(self):
        client = "127.0.0.9"
        with Server("rates", self.socket) as server, Server("rates", self.socket) as other:
            self.assertEqual([server.status(client) for _ in range(2)], [200, 200])
            self.daemon.stop(signal.SIGKILL)
            time.sleep(0.5)
            self.assertEqual(other.status(client), 200)
            self.assertEqual([server.status(client), other.status(client)], [429, 429],
                             "they share their counts")
            self.daemon.__enter__()
            for one in (server, other):
                self.wait_for(lambda one=one: one.status(client) == 200, 5)  # there are new counts
            self.assertEqual([server.status(client), other.status(client)], [200, 429])
            self.assertTrue(self.daemon_would_refuse("rates", client))

    def test_a_server_that_is_told_to_end_serves_to_the_end(self):
        with Server("permits", self.socket, milliseconds=1000) as server, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(server.status, "127.0.0.4")
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(20), 0)
            self.assertEqual(answer.result(), 200)

    def test_hello_comes_back_when_it_is_refused(self):
        for attempt in ("first", "second"):
            with self.subTest(attempt=attempt):
                done = self.hello("rates", "alice", self.socket)
                self.assertEqual((done.returncode, done.stdout), (0, "hello, alice\n"), done.stderr)
        said = self.hello("rates", "alice", self.socket).stderr.splitlines()
        self.assertEqual((said[0], said[-1]), ("limit reached", "within the limit"))

    def test_hello_greets_without_a_daemon(self):
        done = self.hello("rates", "alice", "/nonexistent/memory.sock")
        self.assertEqual((done.returncode, done.stdout), (0, "hello, alice\n"))
        self.assertIn("without limits: ", done.stderr)

    def daemon_would_refuse(self, domain, client):
        """It looks, and takes nothing."""
        checked = run(program("headgatectl"), "--socket", self.directory / "control.sock", "quota",
                      "check", domain, f"client_ip={client}")
        self.assertIn(checked.returncode, (0, 1), checked.stderr)
        return checked.returncode == 1

    def wait_for(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


if __name__ == "__main__":
    support.main()
