#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whoever makes keys up, 10,000 a second for a minute, gets no more than `max_keys` of memory."""
import pathlib
import re
import time
import urllib.request

import support
from quota_lab import RLS, PythonClient, QuotaTest, free_ports

SECONDS = 60
RATE = 10000
AT_ONCE = 200  # descriptors in a request
SOME_MORE = 1.05  # of what is asked for in a second: the rate holds also where one comes late
MAX_KEYS = 5000
MAX_GROWTH_KB = 30 * 1024
NATIVE_RULES = """\
  domains:
  - domain: flooded
    descriptors:
    - { key: made_up, rate_limit: { requests: 100, per: 1d } }
    - { key: user, rate_limit: { requests: 1000000, per: 1d } }
    - { key: job, concurrency: { limit: 2 } }
"""


class FloodTest(QuotaTest):
    native_rules, max_keys = NATIVE_RULES, MAX_KEYS

    @classmethod
    def setUpClass(cls):
        port, = free_ports(1)
        cls.metrics = f"127.0.0.1:{port}"
        super().setUpClass()

    def metric(self, page, name):
        found = re.search(rf'^headgate_quota_{name}{{[^}}]*"flooded"[^}}]*}} (\S+)$', page, re.MULTILINE)
        self.assertIsNotNone(found, name)
        return float(found[1])

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1])

    @staticmethod
    def request(client, *descriptors):
        return client.request(*descriptors, domain="flooded")

    def flood(self, client):
        """Sends for a minute; yields each second how many descriptors have been judged."""
        domain = self.request(client).SerializeToString()
        one = self.request(client, [("made_up", "0" * 10)]).SerializeToString()[len(domain):]
        head, tail = one.split(b"0" * 10)
        send = client.channel.unary_unary(RLS)
        start = time.monotonic()
        sent, seconds = 0, 0
        while seconds < SECONDS:
            numbers = range(sent, sent + AT_ONCE)
            send(domain + b"".join([b"%b%010d%b" % (head, i, tail) for i in numbers]), timeout=5)
            sent += AT_ONCE
            early = start + sent / (RATE * SOME_MORE) - time.monotonic()
            if early > 0:
                time.sleep(early)
            passed = time.monotonic() - start
            if passed >= seconds + 1:
                self.assertGreaterEqual(sent, RATE * passed, "the load is too slow for this test")
                seconds += 1
                yield sent

    def test_made_up_keys(self):
        flooder, client = (PythonClient(target) for target in self.targets)
        held, give_back = client.acquire([("job", "held")], [("job", "held")], domain="flooded")
        self.assertTrue(held.holds_permits)
        memory_then, evicted_then, longest = None, -1, 0
        for second, sent in enumerate(self.flood(flooder), 1):
            page = self.scrape()
            self.assertLessEqual(self.metric(page, "keys"), MAX_KEYS)
            self.assertEqual(self.metric(page, "in_flight"), 2)
            evicted = self.metric(page, "evicted_keys_total")
            self.assertGreater(evicted, evicted_then)
            evicted_then = evicted
            start = time.monotonic()
            user = client.check(self.request(client, [("user", "honest")]), timeout=1)
            longest = max(longest, time.monotonic() - start)
            self.assertEqual(user.overall_code, client.rls.RateLimitResponse.OK)
            job = client.check(self.request(client, [("job", "held")]), timeout=1)
            self.assertEqual(job.overall_code, client.rls.RateLimitResponse.OVER_LIMIT)
            memory = self.memory_kb()
            if second == 5:
                memory_then = memory
            if second > 5:
                self.assertLessEqual(memory, memory_then + MAX_GROWTH_KB)
        # Each that came in made another give way, but for those that are there.
        self.assertGreaterEqual(evicted, sent * 0.99 - MAX_KEYS)
        print(f"{sent} keys, {evicted:.0f} gave way; {memory_then} kB after 5 s, {memory} at the end;"
              f" an honest check took {longest * 1e3:.1f} ms at most")
        give_back()
        for _ in range(200):
            again, give_back = client.acquire([("job", "held")], [("job", "held")], domain="flooded")
            give_back()
            if again.decision.allowed:
                return
            time.sleep(0.01)
        self.fail("the permits did not come back")


if __name__ == "__main__":
    support.main()
