# SPDX-License-Identifier: Apache-2.0
"""Queues by the command line's protocol: long polls, FIFO queues, message move tasks."""
import json
import select
import socket
import time

from conftest import wait_until, weir

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
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

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
    polls = [Poll(r, "inbox") for _ in range(150)]
    late = Poll(r, "other", wait=0.2)
    assert late.bodies() == []
    before = jobs(r)
    time.sleep(0.5)
    assert jobs(r) - before < 10
    for i in range(150):
        put(r, "inbox", str(i))
    got = [p.bodies() for p in polls]
    assert sorted(int(b) for bodies in got for b in bodies) == list(range(150)) and all(len(b) == 1 for b in got)


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


FIFO = """
queues:
  orders.fifo: {redrive_policy: {target: stuck.fifo, max_receive_count: 1}, visibility_timeout: 0s}
  stuck.fifo: {}
  all.fifo: {content_based_deduplication: true}
rules:
  orders: {pattern: {source: [shop]}, targets: [{target: orders.fifo, sqs_parameters: {message_group_id: $.detail.customer}}]}
  all: {pattern: {source: [shop]}, targets: [{target: all.fifo, input_path: $.detail.n, sqs_parameters: {message_group_id: everyone}}]}
"""


def test_a_rule_feeds_fifo_queues(router):
    r = router(FIFO)
    r.send(*({"id": f"e{n}", "source": "shop", "detail-type": "Order", "detail": {"n": n // 2, "customer": "a b" if n % 3 == 2 else "c1"}}
             for n in range(6)))
    r.settled()
    status, answer = r.post("/_weir/v1/queues/orders.fifo/receive", {"visibility_timeout_ms": 30000})
    got = answer["messages"]
    assert [json.loads(m["body"])["id"] for m in got] == ["e0", "e1", "e3", "e4", "e2", "e5"]  # a group after the other
    assert [m["messageGroupId"] for m in got[:4]] == ["c1"] * 4 and len(got[4]["messageGroupId"]) == 64  # no id: its digest
    assert got[0]["messageDeduplicationId"] == "e0/orders/orders.fifo"
    assert sorted(m["sequenceNumber"] for m in got[:4]) == [m["sequenceNumber"] for m in got[:4]] and len(got[0]["sequenceNumber"]) == 20
    assert [m["body"] for m in r.receive("all.fifo")] == ["0", "1", "2"]  # the same body within five minutes is one message


def test_fifo_by_hand(router):
    r = router(FIFO)

    def send(*arguments):
        code, out, err = r.cli("queues", "send", "orders.fifo", *arguments, "--json")
        return json.loads(out) if code == 0 else err

    first = send("one", "--group", "g", "--deduplication-id", "1")
    assert first["duplicate"] is False and len(first["sequenceNumber"]) == 20
    assert send("again", "--group", "g", "--deduplication-id", "1") == {**first, "duplicate": True}
    assert send("two", "--group", "g", "--deduplication-id", "2")["sequenceNumber"] > first["sequenceNumber"]
    assert "needs a message group id" in send("x")
    assert "needs a deduplication id" in send("x", "--group", "g")
    assert "delays all its messages alike" in send("x", "--group", "g", "--deduplication-id", "9", "--delay", "5")
    assert "is for FIFO queues" in r.cli("queues", "send", "dead-letters", "x", "--group", "g")[2]
    r.stop()
    r.start()
    assert send("again", "--group", "g", "--deduplication-id", "1") == {**first, "duplicate": True}
    code, out, _ = r.cli("queues", "receive", "orders.fifo")
    assert (code, out) == (0, "one\ntwo\n")
    assert r.cli("queues", "receive", "orders.fifo")[1] == ""  # both were received once: redriven, order and group kept
    stuck = [json.loads(line) for line in r.cli("queues", "receive", "stuck.fifo", "--json")[1].splitlines()]
    assert [(m["body"], m["messageGroupId"], m["deadLetterQueueSource"]) for m in stuck] == \
        [("one", "g", "orders.fifo"), ("two", "g", "orders.fifo")]


def test_check_says_what_a_fifo_queue_needs(tmp_path):
    (tmp_path / "weir.yaml").write_text("""version: 1
queues: {a.fifo: {}, plain: {}}
topics: {t: {subscriptions: [a.fifo]}}
rules:
  one: {pattern: {source: [x]}, targets: [a.fifo]}
  two: {pattern: {source: [x]}, targets: [{target: t}]}
  three: {pattern: {source: [x]}, targets: [{target: plain, sqs_parameters: {message_group_id: g}}]}
  four: {pattern: {source: [x]}, targets: [{target: a.fifo, dead_letter: a.fifo, sqs_parameters: {message_group_id: "a b"}}]}
  five: {pattern: {source: [x]}, targets: [{target: t, sqs_parameters: {message_group_id: $.detail.x}}]}
""")
    code, out, err = weir("check", tmp_path / "weir.yaml")
    errors = [line.split(": error: ", 1)[1] for line in (out + err).splitlines() if ": error: " in line]
    assert code == 78 and len(errors) == 5, errors
    for error, part in zip(errors, ("rule 'one' leads to the FIFO queue 'a.fifo': say", "rule 'two' leads to the FIFO queue",
                                    "'message_group_id' and leads to no FIFO queue",
                                    "must be a standard queue, and 'a.fifo' is FIFO", "'message_group_id' is 1 to 128")):
        assert part in error


MOVES = """
queues:
  one: {redrive_policy: {target: stuck, max_receive_count: 1}, visibility_timeout: 0s}
  two: {redrive_policy: {target: stuck, max_receive_count: 1}, visibility_timeout: 0s}
  stuck: {}
  spare: {}
  busy: {}
"""


def wear(r, queue, *bodies):
    """Each is received once, then redriven."""
    put(r, queue, *bodies)
    for _ in range(2):
        r.post(f"/_weir/v1/queues/{queue}/receive", {"max": 1000})


def moves(r, queue):
    return [json.loads(line) for line in r.cli("queues", "moves", queue, "--json")[1].splitlines()]


def bodies(r, queue):
    return [m["body"] for m in r.post(f"/_weir/v1/queues/{queue}/receive", {"max": 1000, "visibility_timeout_ms": 60000})[1]["messages"]]


def test_dead_letters_move_back_where_they_came_from(router):
    r = router(MOVES)
    wear(r, "one", "a", "b")
    wear(r, "two", "c")
    code, out, _ = r.cli("queues", "move", "stuck")
    assert code == 0 and out == "RUNNING  from stuck  0 of 3\n"
    wait_until(lambda: moves(r, "stuck")[0]["state"] == "COMPLETED", what="the move")
    assert (bodies(r, "one"), bodies(r, "two"), bodies(r, "stuck")) == (["a", "b"], ["c"], [])
    put(r, "stuck", "nobody's")
    r.cli("queues", "move", "stuck")
    wait_until(lambda: moves(r, "stuck")[0]["state"] == "FAILED", what="the move")
    assert "does not say which queue it came from" in moves(r, "stuck")[0]["failure"]
    assert r.cli("queues", "move", "stuck", "spare")[0] == 0
    wait_until(lambda: bodies(r, "spare") == ["nobody's"], what="the message")
    assert "cannot be moved to itself" in r.cli("queues", "move", "stuck", "stuck")[2]
    assert [m["state"] for m in moves(r, "stuck")] == ["COMPLETED", "FAILED", "COMPLETED"]


def test_a_move_goes_on_after_a_crash_and_moves_each_message_once(router):
    r = router(MOVES)
    for i in range(60):
        put(r, "busy", str(i))
    assert r.cli("queues", "move", "busy", "spare", "--rate", "60")[0] == 0
    assert "are being moved already" in r.cli("queues", "move", "busy", "spare")[2]
    wait_until(lambda: moves(r, "busy")[0]["moved"] >= 5, what="some messages")
    r.kill()
    r.start()
    put(r, "busy", "late")  # it was not there when the move began
    wait_until(lambda: moves(r, "busy")[0]["state"] == "COMPLETED", what="the move")
    assert moves(r, "busy")[0]["moved"] == 60
    assert bodies(r, "spare") == [str(i) for i in range(60)] and bodies(r, "busy") == ["late"]
    put(r, "busy", "x", "y")
    assert r.cli("queues", "move", "busy", "spare", "--rate", "1")[0] == 0
    assert r.cli("queues", "cancel-move", "busy")[:2] == (0, "cancelled true\n")
    assert moves(r, "busy")[0]["state"] == "CANCELLED"
    assert r.cli("queues", "cancel-move", "busy")[1] == "cancelled false\n"
