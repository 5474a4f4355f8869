# SPDX-License-Identifier: Apache-2.0
"""Queues by the command line's protocol: long polls."""
import json
import select
import socket
import time

from conftest import Router, weir

CONFIG = "queues: {inbox: {}, other: {}, slow: {delay: 1s}}\n"


class Poll:
    """A receive that waits, on a connection of its own."""

    def __init__(self, router, queue, wait=20, **body):
        host, port = router.url.split("//")[1].split(":")
        self.socket = socket.create_connection((host, int(port)))
        body = json.dumps({"max": 1, "wait_ms": int(wait * 1000), **body}).encode()
        self.socket.sendall(b"POST /_weir/v1/queues/%s/receive HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n" % (queue.encode(), host.encode(), len(body)) + body)

    def ready(self, seconds=0.0):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def bodies(self):
        data = b""
        while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < int(data.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            data += self.socket.recv(65536)
        self.socket.close()
        return [m["body"] for m in json.loads(data.split(b"\r\n\r\n", 1)[1])["messages"]]


def put(router, queue, *bodies, **more):
    for body in bodies:
        status, answer = router.post(f"/_weir/v1/queues/{queue}/send", {"body": body, **more})
        assert status == 200, answer


def jobs(router):
    return sum(int(float(line.split()[-1])) for line in router.get("/metrics")[1].splitlines()
               if line.startswith("weir_ledger_commits_total"))


def test_waiting_receivers_are_woken_in_order_of_arrival(router):
    r = router(CONFIG)
    polls = []
    for _ in range(5):
        polls.append(Poll(r, "inbox"))
        time.sleep(0.03)
    put(r, "other", "x")
    put(r, "inbox", "a", "b", "c")
    assert [p.bodies() for p in polls[:3]] == [["a"], ["b"], ["c"]]
    assert not polls[3].ready(0.1) and not polls[4].ready()
    polls[3].socket.close()  # it has left the list: what comes is the next one's
    time.sleep(0.05)
    put(r, "inbox", "d")
    assert polls[4].bodies() == ["d"]


def test_many_wait_without_asking(router):
    r = router(CONFIG)
    polls = [Poll(r, "inbox") for _ in range(400)]
    late = Poll(r, "other", wait=0.2)
    assert late.bodies() == []
    before = jobs(r)
    time.sleep(0.5)
    assert jobs(r) - before < 10
    for i in range(400):
        put(r, "inbox", str(i))
    got = [p.bodies() for p in polls]
    assert sorted(int(b) for bodies in got for b in bodies) == list(range(400)) and all(len(b) == 1 for b in got)


def test_what_becomes_visible_by_itself_wakes(router):
    r = router(CONFIG)
    put(r, "slow", "delayed")
    put(r, "inbox", "hidden")
    began = time.monotonic()
    assert Poll(r, "inbox", visibility_timeout_ms=700).bodies() == ["hidden"]
    hidden, delayed = Poll(r, "inbox"), Poll(r, "slow")
    assert not hidden.ready(0.3) and not delayed.ready()
    assert hidden.bodies() == ["hidden"] and delayed.bodies() == ["delayed"]
    assert time.monotonic() - began > 0.69


def test_a_stopping_router_answers_who_waits(router):
    r = router(CONFIG)
    polls = [Poll(r, "inbox") for _ in range(3)]
    time.sleep(0.1)
    r.stop()
    assert [p.bodies() for p in polls] == [[], [], []]
