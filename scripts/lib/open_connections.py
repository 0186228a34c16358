#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""open_connections.py HOST PORT COUNT

Opens COUNT connections one after the other, asks for "/" on each that is accepted, prints how many
there were of each outcome ("connected 10", "ECONNREFUSED 5") and then "done", and keeps the
connections open until it is told to end.
"""
import errno
import signal
import socket
import sys


def open_one(host, port):
    """Returns the outcome, and the connection if there is one."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(5)
    try:
        connection.connect((host, port))
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        if not connection.recv(4096).startswith(b"HTTP/1.1 200 "):
            return "unexpected-answer", None
        return "connected", connection
    except TimeoutError:
        return "timeout", None
    except OSError as problem:
        return errno.errorcode.get(problem.errno, str(problem)), None


def main():
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    outcomes, held = {}, []
    for _ in range(count):
        outcome, connection = open_one(host, port)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if connection:
            held.append(connection)
    for outcome, times in sorted(outcomes.items()):
        print(outcome, times)
    print("done", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
