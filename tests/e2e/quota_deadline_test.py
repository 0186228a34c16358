#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Under full load an answer still comes before Envoy's default timeout, 20 ms."""
import pathlib
import struct
import subprocess
import time

import support
from quota_lab import RLS, PythonClient, QuotaTest, need

CALLS = 5000
TIMEOUT = 0.020
MAY_FAIL = CALLS // 1000
TRIES = 3  # a machine that does other things, too, spoils one of them; what spoils all is ours


class DeadlineTest(QuotaTest):
    def load(self, body, connections):
        need("h2load", "it is the load")
        path = pathlib.Path(self.directory) / "body"
        path.write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
        process = subprocess.Popen(
            ["h2load", "--duration", "90", "-c", str(connections), "-m", "16", "-d", path,
             "-H", "content-type: application/grpc", "-H", "te: trailers",
             f"http://127.0.0.1:{self.grpc_port}{RLS}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_call_in_the_crowd(self):
        for target in self.targets:
            with self.subTest(target=target):
                client = PythonClient(target)
                request = client.request([("busy", "probe")])
                client.check(request)
                load = self.load(client.request([("busy", "crowd")]).SerializeToString(), 4)
                time.sleep(1)
                for _ in range(TRIES):
                    late = self.count_late(client, request, target)
                    self.assertIsNone(load.poll(), "the load ended too early")
                    if late <= MAY_FAIL:
                        break
                load.kill()
                load.wait()
                self.assertLessEqual(late, MAY_FAIL)

    def count_late(self, client, request, target):
        late, times = 0, []
        for _ in range(CALLS):
            start = time.monotonic()
            try:
                client.check(request, TIMEOUT)
            except client.grpc.RpcError as error:
                self.assertEqual(error.code(), client.grpc.StatusCode.DEADLINE_EXCEEDED)
                late += 1
            times.append(time.monotonic() - start)
        times.sort()
        print(f"{target.split(':')[0]}: {late} of {CALLS} late; median {times[CALLS // 2] * 1e3:.2f}"
              f" ms, 99 % {times[CALLS * 99 // 100] * 1e3:.2f} ms, longest {times[-1] * 1e3:.2f} ms")
        return late


if __name__ == "__main__":
    support.main()
