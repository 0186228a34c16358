#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web service asks headgate; an abusive client is told to wait, and is denied in the kernel when it
does not."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import support
from support import program, run

WEB_PORT = 8088
QUOTA_PORT = 8089
CONFIG = """\
rules:
- {{ name: web, listen: [{web}], connections: {{ per_client: 100 }} }}
metrics: {{ listen: "127.0.0.1:9469" }}
control: {{ socket: {directory}/control.sock }}
pin_dir: {directory}/bpf
quotas:
  socket: {directory}/quota.sock
  http: {{ listen: "127.0.0.1:{quota}" }}
  domains:
  - domain: shop
    descriptors:
    - key: client_ip
      rate_limit: {{ requests: 5, per: 1h, burst: 5, name: by-address }}
      penalty: {{ after: 5, within: 60s, deny_for: 10m }}
"""
ABUSIVE, HONEST = "127.0.0.2", "127.0.0.3"


class QuotaStory(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.netns = f"hge2estory{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "delete", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)
        config = self.directory / "headgate.yaml"
        config.write_text(CONFIG.format(directory=self.directory, web=WEB_PORT, quota=QUOTA_PORT))
        daemon = support.Daemon(config, self.directory, inside=self.inside())
        daemon.__enter__()
        self.addCleanup(daemon.stop)
        service = subprocess.Popen(
            [*self.inside(), sys.executable, support.ROOT / "docs/examples/quota_service.py",
             "127.0.0.1", str(WEB_PORT), f"127.0.0.1:{QUOTA_PORT}"], stdin=subprocess.DEVNULL)
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)

    def inside(self):
        return ["nsenter", f"--net=/run/netns/{self.netns}"]

    def ask(self, client):
        """curl's exit code, the status, and the headers in lower case."""
        got = run(*self.inside(), "curl", "--silent", "--include", "--max-time", "5", "--interface",
                  client, f"http://127.0.0.1:{WEB_PORT}/")
        if got.returncode != 0:
            return got.returncode, None, {}
        status, *lines = got.stdout.split("\n\n")[0].replace("\r", "").split("\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        return 0, int(status.split()[1]), headers

    def wait_until(self, what, condition):
        for _ in range(200):
            if condition():
                return
            time.sleep(0.05)
        self.fail(what)

    def control(self, *words):
        return run(program("headgatectl"), "--socket", self.directory / "control.sock", *words)

    def denied(self):
        listed = self.control("deny", "list", "-o", "json")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return {entry["cidr"]: entry for entry in json.loads(listed.stdout)["entries"]}

    def test_a_client_that_does_not_wait(self):
        self.wait_until("the service does not answer", lambda: self.ask(HONEST)[0] == 0)
        self.assertEqual(self.denied(), {})
        for left in (4, 3, 2, 1, 0):
            code, status, headers = self.ask(ABUSIVE)
            self.assertEqual((code, status), (0, 200))
            self.assertEqual(headers["ratelimit-policy"], '"by-address";q=5;w=3600')
            self.assertRegex(headers["ratelimit"], rf'^"by-address";r={left};t=\d+$')
            self.assertNotIn("retry-after", headers)

        code, status, headers = self.ask(ABUSIVE)
        self.assertEqual((code, status), (0, 429))
        self.assertRegex(headers["ratelimit"], r'^"by-address";r=0;t=\d+$')
        # One is free after 12 minutes; up to a second is added so that clients do not come together.
        self.assertTrue(700 <= int(headers["retry-after"]) <= 722, headers)
        self.assertEqual(self.ask(HONEST)[1], 200)

        for _ in range(4):
            self.ask(ABUSIVE)
        self.wait_until("it is not denied", lambda: ABUSIVE in self.denied())
        self.assertEqual(self.denied()[ABUSIVE]["reason"], "quota shop/by-address")
        self.wait_until("its connections are not refused", lambda: self.ask(ABUSIVE)[0] == 7)
        self.assertEqual(self.ask(HONEST)[1], 200)

        removed = self.control("deny", "del", ABUSIVE)
        self.assertEqual(removed.returncode, 0, removed.stderr)
        self.assertEqual(self.ask(ABUSIVE)[1], 429, "it may connect, and is over its quota as before")

        page = run(*self.inside(), "curl", "--silent", "http://127.0.0.1:9469/metrics").stdout
        self.assertIn('headgate_quota_checks_total{domain="shop",rule="by-address",outcome="refused"}',
                      page)
        self.assertIn('headgate_quota_request_duration_seconds_count{door="http"}', page)


if __name__ == "__main__":
    support.main()
