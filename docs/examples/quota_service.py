#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small web service that asks headgate before it works.

Each request is one of its client's address, counted by the domain "shop". Who is over the limit gets
429 and is told when to come back. Where nobody answers, it works: better without limits than not at
all.

Usage: quota_service.py ADDRESS PORT QUOTAS, with QUOTAS as in quotas.http.listen: 127.0.0.1:8080
"""
import http.client
import http.server
import json
import sys

TOLD = ("ratelimit", "ratelimit-policy", "retry-after")


def ask(quotas, client):
    """The answer's status, and what to tell the client."""
    body = json.dumps({"domain": "shop",
                       "descriptors": [{"entries": [{"key": "client_ip", "value": client}]}]})
    connection = http.client.HTTPConnection(quotas, timeout=0.5)
    try:
        connection.request("POST", "/json", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name: answer.headers[name] for name in TOLD if name in answer.headers}
    except OSError as error:
        print(f"no quotas: {error}", file=sys.stderr)
        return 200, {}
    finally:
        connection.close()


class Shop(http.server.BaseHTTPRequestHandler):
    quotas = ""

    def do_GET(self):  # pylint: disable=invalid-name
        status, told = ask(self.quotas, self.client_address[0])
        body = b"welcome\n" if status == 200 else b"too many requests\n"
        self.send_response(200 if status == 200 else 429)
        for name, value in told.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    Shop.quotas = sys.argv[3]
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Shop).serve_forever()


if __name__ == "__main__":
    main()
