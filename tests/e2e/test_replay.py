# SPDX-License-Identifier: Apache-2.0
"""Archive and replay."""
import json
import time

from conftest import event, wait_until

CONFIG = """
buses: {audit: {}}
queues: {one: {}, two: {}}
archives:
  all: {bus: audit}
  few: {bus: audit, pattern: {detail: {n: [{numeric: ["<", 3]}]}}}
rules:
  one: {bus: audit, pattern: {source: [test.app]}, targets: [one]}
  two: {bus: audit, pattern: {detail: {n: [{numeric: [">=", 5]}]}}, targets: [two]}
"""


def timed(n, second):
    return {**event(n), "id": f"id-{n}", "time": f"2026-01-01T00:00:{second:02d}Z"}


def fill(r):
    r.send(*[timed(n, 59 - n) for n in range(10)], bus="audit")  # event times run against arrival
    r.receive("one", 10)
    r.receive("two", 5)
    r.settled()


def test_replay_to_a_chosen_rule_in_event_time_order(router):
    r = router(CONFIG)
    fill(r)
    archives = {a["name"]: a for a in json.loads(r.get("/_weir/v1/archives")[1])["archives"]}
    assert archives["all"]["events"] == 10 and archives["few"]["events"] == 3
    assert (archives["all"]["from"], archives["all"]["to"]) == ("2026-01-01T00:00:50Z", "2026-01-01T00:00:59Z")

    code, out, err = r.cli("replay", "all", "--from", "2026-01-01T00:00:51Z", "--to", "2026-01-01T00:00:55Z", "--rule", "one",
                           "--name", "again")
    assert code == 0, err
    assert "again COMPLETED: 4 of 4 events" in out
    bodies = [json.loads(m["body"]) for m in r.receive("one", 4)]
    assert [b["detail"]["n"] for b in bodies] == [8, 7, 6, 5]
    assert all(b["replay-name"] == "again" and b["id"] == f"id-{b['detail']['n']}" for b in bodies)
    keys = list(bodies[0])
    assert keys.index("replay-name") == keys.index("resources") - 1
    r.settled()
    assert r.receive("two") == []
    assert json.loads(r.get("/_weir/v1/archives")[1])["archives"][0]["events"] == 10, "replayed events are not archived again"


def test_replay_to_all_rules_and_dry_run(router):
    r = router(CONFIG)
    fill(r)
    window = ("--from", "2026-01-01", "--to", "2026-01-02")
    code, out, err = r.cli("replay", "all", *window, "--dry-run", "--json")
    assert code == 0, err
    counts = {(c["rule"], c["target"]): c["events"] for c in json.loads(out)["counts"]}
    assert counts[("one", "")] == 10 and counts[("two", "")] == 5
    assert r.receive("one") == [] and r.receive("two") == []
    assert json.loads(r.get("/_weir/v1/replays")[1])["replays"] == []
    assert r.cli("replay", "all", *window)[0] == 0
    assert len(r.receive("one", 10)) == 10 and len(r.receive("two", 5)) == 5
    assert r.cli("replay", "few", *window)[0] == 0
    assert len(r.receive("one", 3)) == 3


def test_replay_errors(router):
    r = router(CONFIG)
    fill(r)
    window = ("--from", "2026-01-01", "--to", "2026-01-02")
    code, _, err = r.cli("replay", "al", *window)
    assert code == 64 and "no archive 'al'; did you mean 'all'?" in err
    code, _, err = r.cli("replay", "all", "--from", "2026-01-02", "--to", "2026-01-01")
    assert code in (64, 65) and "before" in err
    code, _, err = r.cli("replay", "all", *window, "--rule", "ones")
    assert code in (64, 65) and "ones" in err and "one" in err
    code, _, err = r.cli("replay", "all", "--from", "whenever")
    assert code == 64 and "whenever" in err
    assert r.cli("replay", "all", *window, "--name", "x")[0] == 0
    code, _, err = r.cli("replay", "all", *window, "--name", "x")
    assert code in (64, 65) and "already exists" in err
    code, _, err = r.cli("replay", "all", *window, "--name", "a b")
    assert code in (64, 65) and "1..64 of the characters" in err


def test_a_replay_survives_a_crash(router):
    r = router(CONFIG)
    for batch in range(20):
        r.send(*[timed(batch * 500 + i, i % 60) for i in range(500)], bus="audit")
    assert len(r.receive("one", 10000, 60)) == 10000
    r.receive("two", 9995, 60)
    r.settled()
    status, answer = r.post("/_weir/v1/replays", {"name": "long", "archive": "all", "from": "2026-01-01T00:00:00Z",
                                                  "to": "2026-01-02T00:00:00Z", "rules": ["one"]})
    assert status == 201, answer
    time.sleep(0.15)
    r.kill()
    r.start()
    wait_until(lambda: json.loads(r.get("/_weir/v1/replays/long")[1])["state"] == "COMPLETED", 60, "the replay's end")
    numbers = [json.loads(m["body"])["detail"]["n"] for m in r.receive("one", 10000, 60)]
    assert sorted(numbers) == list(range(10000)), "each once"
    assert r.receive("two") == []


def test_a_replay_is_cancelled_and_listed(router):
    r = router(CONFIG)
    fill(r)
    assert r.cli("replay", "all", "--from", "2026-01-01", "--to", "2026-01-02", "--name", "done")[0] == 0
    code, out, _ = r.cli("replay", "--list")
    assert code == 0 and "done" in out and "COMPLETED" in out
    code, _, err = r.cli("replay", "--cancel", "done")
    assert code != 0 and err
    code, _, err = r.cli("replay", "--cancel", "never")
    assert code == 64 and "never" in err
