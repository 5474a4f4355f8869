# SPDX-License-Identifier: Apache-2.0
"""kill -9 where it hurts: in the middle of a replay, with a webhook that comes and goes, with a disk that is full."""
import http.client
import json
import os
import random
import subprocess
import time

import pytest

from conftest import event, wait_until
from test_crash import Producer, archived

ROUNDS = int(os.environ.get("WEIR_CRASH_ROUNDS", "5"))


def numbers(messages):
    return [json.loads(m["body"])["detail"]["n"] for m in messages]


@pytest.fixture
def seed():
    value = int(os.environ.get("WEIR_CRASH_SEED", str(random.randrange(1 << 30))))
    random.seed(value)
    print("seed", value)
    return value


def test_kill_during_a_replay(router, seed):
    """A replay goes on after each kill; every event is in the chosen queue once, and new events go on meanwhile."""
    count = 4000
    r = router("queues: {live: {}, again: {}}\narchives: {all: {}}\nrules:\n"
               "  live: {pattern: {detail: {live: [true]}}, targets: [live]}\n"
               "  again: {pattern: {replay-name: [{exists: true}]}, targets: [again]}\n")
    for first in range(0, count, 500):
        r.send(*[event(n, pad="x" * 100) for n in range(first, first + 500)])
    r.settled()
    status, answer = r.post("/_weir/v1/replays", {"name": "r1", "archive": "all", "from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z",
                                                  "rules": ["again"]})
    assert status == 201, answer
    got, live, kills = [], count, 0
    while True:
        state = json.loads(r.get("/_weir/v1/replays/r1")[1])
        if state["state"] == "COMPLETED":
            break
        assert state["state"] in ("STARTING", "RUNNING"), state
        if kills < ROUNDS:
            time.sleep(random.uniform(0, 0.05))
            r.send(event(live, live=True))  # written to the hour that is being replayed
            live += 1
            got += numbers(r.take("again"))
            r.kill()
            kills += 1
            r.start()
        else:
            time.sleep(0.05)
    r.settled()
    got += numbers(r.receive("again"))
    assert len(got) == len(set(got)), "an event was replayed twice"
    assert set(got) == set(range(count)), f"{count - len(set(got))} of {count} events were not replayed"
    assert sorted(numbers(r.receive("live"))) == list(range(count, live))
    assert sorted(archived(r.folder)) == list(range(live))
    assert state["events_total"] == state["events_replayed"] == state["deliveries"] == count
    print(f"{kills} kills during a replay of {count}")


def test_kill_with_a_webhook_that_comes_and_goes(router, receiver, seed):
    """What a webhook refuses or does not answer stays owed over kills; the queue beside it has everything once."""
    mood = {"now": 200}
    hook = receiver(lambda number, body: (mood["now"], {"Retry-After": "0"}))
    r = router(f"""
buses: {{audit: {{}}}}
queues: {{inbox: {{}}}}
targets: {{hook: {{type: http, url: "{hook.url}", timeout: 2s}}}}
rules: {{some: {{bus: audit, pattern: {{source: [test.app]}}, targets: [inbox, hook]}}}}
""", start=False)
    accepted, unknown, received, start = set(), set(), [], 0
    for number in range(ROUNDS):
        mood["now"] = random.choice([200, 500, 503, 429])
        r.start()
        producer = Producer(r.url, start)
        producer.start()
        for _ in range(random.randrange(1, 5)):
            time.sleep(random.uniform(0.01, 0.1))
            mood["now"] = random.choice([200, 200, 500, 503])
            received += numbers(r.take("inbox"))
        r.kill()
        producer.join()
        accepted.update(producer.accepted)
        unknown.update(producer.unknown)
        start = producer.next
    mood["now"] = 200
    r.start()
    wait_until(lambda: sum(t["owed"] for t in r.status()["targets"]) == 0, 240, "all of what is owed")
    r.settled()
    received += numbers(r.receive("inbox"))
    assert accepted and accepted <= set(received) and len(received) == len(set(received))
    pushed = [json.loads(body)["detail"]["n"] for _, body in hook.requests]
    assert set(received) <= set(pushed), f"{len(set(received) - set(pushed))} events never came to the webhook"
    assert not r.receive("dead-letters")
    print(f"{ROUNDS} kills: {len(accepted)} accepted, {len(pushed)} pushes")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB that can grow."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def start_or_refuse(r):
    """A disk without room for one commit: the router says so and ends."""
    r.url = None
    try:
        r.start()
        return True
    except AssertionError:
        assert not r.url and r.process.wait(20) == 74 and "disk is full" in r.logged(), r.logged()[-3000:]
        r.process.stdout.close()
        r.process = None
        return False


def test_a_disk_that_is_full(router, small_disk, seed):
    """Everything is on the disk that fills: ingest refuses, nothing accepted is lost over kills, room brings it all back."""
    r = router(f"data: {small_disk}/data\nbuses: {{audit: {{}}}}\nqueues: {{inbox: {{}}}}\narchives: {{all: {{bus: audit}}}}\n"
               "rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox]}}\n", start=False)
    accepted, received, refused, start, size = set(), [], 0, 0, 6
    for number in range(ROUNDS):
        while not start_or_refuse(r):
            size += 2
            subprocess.run(["mount", "-o", f"remount,size={size}m", str(small_disk)], check=True)
        connection = http.client.HTTPConnection(r.url[7:], timeout=30)
        sent = 0
        while sent < 60 or not refused:  # until the disk was full at least once
            batch = list(range(start, start + random.randint(1, 60)))
            start = batch[-1] + 1
            sent += 1
            assert sent < 2000, "the disk does not fill"
            connection.request("POST", "/events/audit", "".join(json.dumps(event(n, pad="x" * 300)) + "\n" for n in batch))
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 503), answer.status
            if answer.status == 200:
                accepted.update(batch)
            else:
                assert answer.headers["Retry-After"]
                refused += len(batch)
        assert r.get("/healthz")[0] == 200
        if number + 1 < ROUNDS:
            r.kill()
    assert refused and accepted
    subprocess.run(["mount", "-o", f"remount,size={size + 200}m", str(small_disk)], check=True)
    wait_until(lambda: r.post("/events/audit", json.dumps(event(start)))[0] == 200, 20, "room")
    accepted.add(start)
    wait_until(lambda: r.status()["journal"]["lag"] == 0, 60, "the ledger to go on")
    r.settled()
    received += numbers(r.receive("inbox"))
    assert len(received) == len(set(received)), "an event is in the queue twice"
    assert accepted <= set(received), f"{len(accepted - set(received))} of {len(accepted)} accepted events are lost"
    assert set(received) == accepted, "an event that was refused is in the queue"
    kept = archived(small_disk)
    assert len(kept) == len(set(kept)) and set(kept) == set(received)
    print(f"{ROUNDS} kills: {len(accepted)} accepted, {refused} refused")
