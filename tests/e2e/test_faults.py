# SPDX-License-Identifier: Apache-2.0
"""Disks that fail and clocks that leap: what was answered is never lost, and the rest is refused aloud."""
import json
import time

import pytest

from conftest import event, wait_until
from test_crash import archived

CONFIG = """
buses: {audit: {}}
queues: {inbox: {}}
archives: {all: {bus: audit}}
rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox]}}
"""


def lines(first, count):
    return "".join(json.dumps(event(n, pad="x" * 200)) + "\n" for n in range(first, first + count))


def numbers(messages):
    return [json.loads(m["body"])["detail"]["n"] for m in messages]


def all_once(r, accepted):
    """Everything accepted is in the queue and in the archive, once."""
    r.settled()
    got = numbers(r.receive("inbox", len(accepted), 60))
    assert sorted(got) == sorted(accepted)
    assert sorted(archived(r.folder)) == sorted(accepted)


def test_a_journal_that_cannot_be_synced_ends_the_router(router, faults):
    r = router(CONFIG, env=faults.env)
    assert r.post("/events/audit", lines(0, 50))[0] == 200
    faults.set("sync journal/ EIO")
    status, answer = r.post("/events/audit", lines(50, 50))
    assert status == 503 and "journal" in answer["message"], answer
    assert r.process.wait(20) == 74
    r.process.stdout.close()
    r.process = None
    assert "the journal has failed" in r.logged() and "Input/output error" in r.logged()
    faults.set()
    r.start()
    assert r.post("/events/audit", lines(100, 50))[0] == 200
    r.settled()
    got = numbers(r.receive("inbox", 100, 30))
    # What was refused may have reached the disk all the same: then all of it, once.
    assert set(range(50)) | set(range(100, 150)) <= set(got) and len(got) == len(set(got))
    assert sorted(archived(r.folder)) == sorted(got)


@pytest.mark.parametrize("error", ["ENOSPC", "EROFS", "EDQUOT", "EIO"])
def test_a_journal_that_cannot_be_written_refuses(router, faults, error):
    r = router(CONFIG, env=faults.env)
    assert r.post("/events/audit", lines(0, 50))[0] == 200
    faults.set(f"write .seg {error} 1")  # the write fails, cutting it off again does not
    assert r.post("/events/audit", lines(50, 50))[0] == 503
    assert r.post("/events/audit", lines(100, 50))[0] == 200
    assert r.get("/healthz")[0] == 200
    all_once(r, [*range(50), *range(100, 150)])


@pytest.mark.parametrize("fault", ["write weir.db ENOSPC", "write weir.db EIO", "write weir.db EROFS", "sync weir.db EIO",
                                   "write .ndjson ENOSPC", "write .ndjson EIO", "sync .ndjson EIO", "sync archives EIO"])
def test_a_ledger_or_archive_that_fails_catches_up(router, faults, fault):
    """Events go on being taken: the journal holds them until ledger and archive work again."""
    r = router(CONFIG, env=faults.env)
    accepted = list(range(50))
    assert r.post("/events/audit", lines(0, 50))[0] == 200
    r.settled()
    faults.set(fault)
    for first in range(50, 300, 50):
        status, answer = r.post("/events/audit", lines(first, 50))
        assert status in (200, 503), answer
        if status == 200:
            accepted += range(first, first + 50)
        time.sleep(0.05)
    if fault != "sync archives EIO":  # a folder is made, and synced, once an hour
        wait_until(lambda: "cannot be committed" in r.logged(), 10, "a word about it")
    assert r.get("/healthz")[0] == 200
    faults.set()
    all_once(r, accepted)


def test_reading_needs_no_room(router, faults):
    r = router(CONFIG, env=faults.env)
    r.send(event(1), bus="audit")
    r.settled()
    faults.set("write weir.db ENOSPC")
    assert r.post("/_weir/v1/queues/inbox/send", {"body": "x"})[0] == 503
    wait_until(lambda: r.get("/_weir/v1/status")[0] == 200, what="the status")
    wait_until(lambda: r.get("/_weir/v1/queues/inbox/messages")[0] == 200, what="the messages")
    faults.set()
    all_once(r, [1])


def test_killed_while_the_ledger_fails(router, faults):
    r = router(CONFIG, env=faults.env)
    accepted = []
    for number in range(4):
        faults.set("write weir.db EIO" if number % 2 else "write weir.db ENOSPC", "sync .ndjson EIO")
        for first in range(number * 200, number * 200 + 200, 50):
            if r.post("/events/audit", lines(first, 50))[0] == 200:
                accepted += range(first, first + 50)
        r.kill()
        faults.set()
        r.start()
    assert accepted
    all_once(r, accepted)


def test_clocks_that_leap(router, faults, receiver):
    """Hours and days, forth and back: retries and retention go by Weir's own clock, archives stay whole."""
    mood = {"now": 500}
    hook = receiver(lambda number, body: (mood["now"], {}))
    r = router(CONFIG.replace("archives: {all: {bus: audit}}", "archives: {all: {bus: audit, retention: 2h}}")
               .replace("rules:", f"targets: {{hook: {{type: http, url: '{hook.url}'}}}}\nrules:").replace("[inbox]", "[inbox, hook]"),
               env=faults.env)
    accepted = []
    for number, hours in enumerate([0, 1, 30, -1, -700, 0, 24 * 365, 2]):
        faults.set(f"clock {hours * 3600000 + 1}")
        assert r.post("/events/audit", lines(number * 20, 20))[0] == 200
        accepted += range(number * 20, number * 20 + 20)
        wait_until(lambda: r.status()["journal"]["lag"] == 0, what="dispatch")
        if number == 4:
            r.kill()
            r.start()
    mood["now"] = 200
    wait_until(lambda: sum(t["owed"] for t in r.status()["targets"]) == 0, 60, "all of what is owed")
    assert {json.loads(body)["detail"]["n"] for _, body in hook.requests} == set(accepted)
    assert not r.receive("dead-letters")
    all_once(r, accepted)
