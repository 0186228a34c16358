#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The contract of the rate limit service, with clients that are not ours, by every door."""
import json
import os
import signal
import time

import support
from quota_lab import NodeClient, PythonClient, QuotaTest
from support import program, run

MONTH = 30 * 24 * 3600
YEAR = 365 * 24 * 3600


def until_reset(window):
    """Windows begin at whole multiples of their length since 1970."""
    left = window - time.time() % window
    if left < 60:  # nothing is known of the next moment: the test would have to be lucky
        time.sleep(left + 1)
        left = window - time.time() % window
    return left


class PythonTest(QuotaTest):
    def clients(self):
        for target in self.targets:
            with self.subTest(target=target):
                yield PythonClient(target), target

    def test_limits_hold_and_are_told(self):
        for client, user in self.clients():
            code = client.rls.RateLimitResponse
            request = client.request([("user", user)])
            answers = [client.check(request) for _ in range(5)]
            self.assertEqual([one.overall_code for one in answers],
                             [code.OK] * 3 + [code.OVER_LIMIT] * 2)
            self.assertEqual([one.statuses[0].limit_remaining for one in answers], [2, 1, 0, 0, 0])
            status = answers[-1].statuses[0]
            self.assertEqual(status.current_limit.requests_per_unit, 3)
            self.assertEqual(status.current_limit.unit, code.RateLimit.YEAR)
            self.assertTrue(0 < status.duration_until_reset.seconds <= YEAR)
            headers = {one.key: one.value for one in answers[-1].response_headers_to_add}
            self.assertRegex(headers["ratelimit-policy"], rf'^"[^"]+";q=3;w={YEAR}$')
            self.assertRegex(headers["ratelimit"], r'^"[^"]+";r=0;t=[0-9]+$')
            self.assertGreaterEqual(int(headers["retry-after"]),
                                    status.duration_until_reset.seconds)

    def test_months_and_years(self):
        for client, user in self.clients():
            units = client.rls.RateLimitResponse.RateLimit
            for key, unit, window in (("monthly", units.MONTH, MONTH), ("user", units.YEAR, YEAR)):
                left = until_reset(window)
                status = client.check(client.request([(key, user + "-unit")])).statuses[0]
                self.assertEqual(status.current_limit.unit, unit)
                self.assertAlmostEqual(status.duration_until_reset.seconds, left, delta=10)

    def test_one_status_for_each_descriptor_in_their_order(self):
        for client, user in self.clients():
            code = client.rls.RateLimitResponse
            user += "-order"
            answer = client.check(client.request(
                [("user", user)], [("unknown", "x")], [("user", user), ("path", "/export/1")],
                [("free", "x")], [("watched", user)], hits_addend=2))
            self.assertEqual([one.code for one in answer.statuses],
                             [code.OK, code.OK, code.OVER_LIMIT, code.OK, code.OK])
            self.assertEqual([one.HasField("current_limit") for one in answer.statuses],
                             [True, False, True, False, True])
            self.assertEqual(answer.statuses[2].current_limit.name, "exports")
            self.assertEqual(answer.statuses[3].limit_remaining, 2**32 - 1)
            self.assertEqual(answer.overall_code, code.OVER_LIMIT)

    def test_a_look_counts_nothing(self):
        for client, user in self.clients():
            look = client.request([("user", user + "-look")])
            look.descriptors[0].hits_addend.value = 0
            for _ in range(5):
                self.assertEqual(client.check(look).statuses[0].limit_remaining, 3)

    def test_unknown_domains_are_not_limited(self):
        for client, _ in self.clients():
            answer = client.check(client.request([("user", "x")], domain="elsewhere"))
            self.assertEqual(answer.overall_code, client.rls.RateLimitResponse.OK)
            self.assertEqual(len(answer.statuses), 1)

    def test_a_limit_in_the_request_holds_instead(self):
        for client, user in self.clients():
            request = client.request([("user", user + "-override")])
            request.descriptors[0].limit.requests_per_unit = 1
            request.descriptors[0].limit.unit = 4  # DAY
            answers = [client.check(request) for _ in range(2)]
            self.assertEqual([one.overall_code for one in answers],
                             [client.rls.RateLimitResponse.OK,
                              client.rls.RateLimitResponse.OVER_LIMIT])
            self.assertEqual(answers[0].statuses[0].current_limit.unit, 4)

    def test_what_is_wrong_is_an_invalid_argument(self):
        for client, _ in self.clients():
            for request in (client.request([("user", "x")], domain=""), client.request(),
                            client.request([]), client.request([("", "x")])):
                with self.assertRaises(client.grpc.RpcError) as caught:
                    client.check(request)
                self.assertEqual(caught.exception.code(), client.grpc.StatusCode.INVALID_ARGUMENT)
                self.assertTrue(caught.exception.details())

    def test_health(self):
        for client, _ in self.clients():
            serving = b"\x08\x01"
            self.assertEqual(client.call("/grpc.health.v1.Health/Check"), serving)
            name = b"envoy.service.ratelimit.v3.RateLimitService"
            self.assertEqual(client.call("/grpc.health.v1.Health/Check",
                                         bytes([0x0a, len(name)]) + name), serving)


class WatchTest(QuotaTest):
    def reload(self):
        done = run(program("headgatectl"), "--socket", self.directory / "control.sock", "reload")
        self.assertEqual(done.returncode, 0, done.stderr)

    def rule_file(self, requests):
        (self.directory / "rules" / "later.yaml").write_text(f"""\
domain: later
descriptors:
- key: user
  rate_limit: {{ unit: day, requests_per_unit: {requests} }}
""")

    def test_new_limits_come_as_they_are_in_force(self):
        client = PythonClient(self.targets[0])
        states = [client.watch(domain="later"), client.watch([("user", "x")], domain="later")]
        self.assertEqual([next(one).is_known for one in states], [False, False])
        for requests, reload in ((7, self.reload), (8, lambda: os.kill(self.daemon.pid, signal.SIGHUP))):
            self.rule_file(requests)
            reload()
            for state in map(next, states):
                self.assertTrue(state.is_known)
                limit, = state.limits
                self.assertEqual((limit.rule, limit.algorithm, limit.is_enforced),
                                 ("user", "fixed-window", True))
                self.assertEqual((limit.limit.requests, limit.limit.per.seconds),
                                 (requests, 24 * 3600))
        for one in states:
            one.cancel()

    def test_what_is_wrong_is_an_invalid_argument(self):
        client = PythonClient(self.targets[1])
        for watched in (client.watch(domain=""), client.watch([]), client.watch([("", "x")])):
            with self.assertRaises(client.grpc.RpcError) as caught:
                next(watched)
            self.assertEqual(caught.exception.code(), client.grpc.StatusCode.INVALID_ARGUMENT)
            self.assertTrue(caught.exception.details())


class WatchEndTest(QuotaTest):
    def test_who_watches_is_told_that_the_daemon_ends(self):
        client = PythonClient(self.targets[0])
        states = client.watch()
        self.assertTrue(next(states).is_known)
        start = time.monotonic()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertLess(time.monotonic() - start, 2)
        with self.assertRaises(client.grpc.RpcError) as caught:
            next(states)
        self.assertEqual(caught.exception.code(), client.grpc.StatusCode.UNAVAILABLE)


class NodeTest(QuotaTest):
    RLS = "envoy.service.ratelimit.v3.RateLimitService"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = NodeClient()

    def test_the_contract(self):
        for target in self.targets:
            with self.subTest(target=target):
                user = {"entries": [{"key": "user", "value": "node " + target}]}
                look = dict(user, hits_addend={"value": 0})
                check = (self.RLS, "ShouldRateLimit", {"domain": "contract", "descriptors": [user]})
                calls = [check] * 4 + [
                    (self.RLS, "ShouldRateLimit", {"domain": "contract", "descriptors": [look]}),
                    (self.RLS, "ShouldRateLimit", {"descriptors": [user]}),
                    ("grpc.health.v1.Health", "Check", {"service": self.RLS}),
                    ("headgate.quota.v1.QuotaService", "Check",
                     {"domain": "contract", "descriptors": [user]})]
                *answers, looked, wrong, health, native = self.node.calls(target, calls)
                self.assertEqual([one["response"]["overall_code"] for one in answers],
                                 ["OK"] * 3 + ["OVER_LIMIT"])
                self.assertEqual(answers[0]["response"]["statuses"][0]["current_limit"]["unit"],
                                 "YEAR")
                self.assertEqual(looked["response"]["statuses"][0]["limit_remaining"], 0)
                self.assertEqual(wrong["code"], 3)
                self.assertEqual(health["response"]["status"], "SERVING")
                self.assertFalse(native["response"]["allowed"])
                self.assertEqual(native["response"]["verdicts"][0]["reason"], "REASON_LIMIT_REACHED")


class CurlTest(QuotaTest):
    def post(self, body):
        done = run("curl", "-sS", "-i", "--max-time", "5", "--data-binary", body,
                   f"http://127.0.0.1:{self.http_port}/json")
        self.assertEqual(done.returncode, 0, done.stderr)
        head, _, text = done.stdout.partition("\n\n")
        status, *lines = head.splitlines()
        return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), json.loads(text)

    def test_the_contract(self):
        body = json.dumps({"domain": "contract", "descriptors": [
            {"entries": [{"key": "user", "value": "curl"}]}]})
        answers = [self.post(body) for _ in range(4)]
        self.assertEqual([status for status, _, _ in answers], [200, 200, 200, 429])
        _, headers, answer = answers[-1]
        self.assertEqual(answer["overallCode"], "OVER_LIMIT")
        self.assertIn(";r=0;t=", headers["ratelimit"])
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(self.post("{}")[0], 400)

    def test_months_and_years(self):
        for key, unit, window in (("monthly", "MONTH", MONTH), ("user", "YEAR", YEAR)):
            left = until_reset(window)
            code, headers, answer = self.post(json.dumps({"domain": "contract", "descriptors": [
                {"entries": [{"key": key, "value": "curl-unit"}]}]}))
            self.assertEqual(code, 200)
            status = answer["statuses"][0]
            self.assertEqual(status["currentLimit"]["unit"], unit)
            self.assertAlmostEqual(float(status["durationUntilReset"].rstrip("s")), left, delta=10)
            self.assertIn(f";w={window}", headers["ratelimit-policy"])

    def test_healthcheck(self):
        done = run("curl", "-sSf", "--max-time", "5", f"http://127.0.0.1:{self.http_port}/healthcheck")
        self.assertEqual((done.returncode, done.stdout), (0, "OK"), done.stderr)


if __name__ == "__main__":
    support.main()
