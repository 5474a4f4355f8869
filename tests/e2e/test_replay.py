# SPDX-License-Identifier: Apache-2.0
"""Archive and replay."""
import gzip
import json
import subprocess
import time

from conftest import WEIR, event, wait_until, weir

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
    again = r.cli("replay", "all", "--from", "2026-01-01T00:00:51Z", "--limit", "1", "--rule", "one")
    assert again[0] == 0 and [m["idempotencyKey"] for m in r.receive("one", 1)] == ["id-8/one/one"]
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


def write_events(path, events, pack=None):
    text = "".join(json.dumps(e) + "\n" for e in events).encode()
    path.write_bytes(pack(text) if pack else text)
    return path


def numbers(messages):
    return [json.loads(m["body"])["detail"]["n"] for m in messages]


def test_only_some_events_to_one_target(router):
    r = router(CONFIG)
    fill(r)
    window = ("--from", "2026-01-01", "--to", "2026-01-02")
    odd = ("-p", '{"detail": {"n": [1, 3, 5, 7, 9]}}')
    code, out, err = r.cli("replay", "all", *window, *odd, "--limit", "4", "--name", "odd")
    assert code == 0, err
    assert "odd COMPLETED: 4 of 7 events replayed, 3 kept away by the pattern, 4 matched, 7 deliveries" in out
    assert numbers(r.receive("one", 4)) == [9, 7, 5, 3] and numbers(r.receive("two", 3)) == [9, 7, 5]
    code, out, err = r.cli("replay", "all", *window, "--target", "two", "--rate", "1000/s", "--speed", "1000x")
    assert code == 0 and numbers(r.receive("two", 5)) == [9, 8, 7, 6, 5] and r.receive("one") == [], err
    code, out, err = r.cli("replay", "all", "--by", "arrival", "--from", "-1d", "--rule", "one")
    assert code == 0 and numbers(r.receive("one", 10)) == list(range(10)), err
    code, out, _ = r.cli("replay", "all", *window, *odd, "--limit", "2", "--rule", "two", "--dry-run", "--json")
    assert code == 0 and json.loads(out)["events"] == 2
    code, out, _ = r.cli("replay", "few", *window, "-p", '{"source": ["none"]}', "--dry-run")
    assert code == 0 and out == "0 events in the window; nothing was delivered\nno rule matches any of them\n"
    for wrong, said in (("-p", '{"detail": {"n": 1}}'), "^"), (("--target", "twoo"), "did you mean 'two'?"), \
            (("--rate", "fast"), "write 500/s"), (("--limit", "0"), "--limit"), (("--by", "name"), "event"):
        code, _, err = r.cli("replay", "all", *window, *wrong)
        assert code in (64, 65, 78) and said in err, (wrong, err)


def test_kill_in_the_middle_of_a_paced_limited_filtered_replay(router):
    r = router("queues: {one: {}}\narchives: {all: {}}\nrules: {one: {pattern: {replay-name: [r]}, targets: [one]}}\n")
    times = [i * 7919 % 3600 for i in range(6000)]
    for start in range(0, 6000, 1000):
        r.send(*[{**event(i), "id": f"id-{i}", "time": f"2026-01-01T00:{times[i] // 60:02d}:{times[i] % 60:02d}Z"}
                 for i in range(start, start + 1000)])
    r.settled()
    status, answer = r.post("/_weir/v1/replays", {"name": "r", "archive": "all", "from": "2026-01-01T00:00:00Z",
                                                  "to": "2026-01-02T00:00:00Z", "rate": 3000, "limit": 2500,
                                                  "pattern": {"detail": {"n": [{"anything-but": list(range(0, 6000, 20))}]}}})
    assert status == 201, answer
    state = lambda: json.loads(r.get("/_weir/v1/replays/r")[1])
    done = 0
    for kill in range(3):
        done = wait_until(lambda: (s := state())["events_replayed"] > done + 100 and s["events_replayed"], 30, "progress")
        if kill == 1:
            assert r.cli("replay", "--pause", "r")[0] == 0
        r.kill()
        r.start()
        if kill == 1:
            assert state()["paused"] is True and r.cli("replay", "--resume", "r")[0] == 0
    end = wait_until(lambda: (s := state())["state"] == "COMPLETED" and s, 30, "the replay's end")
    assert end["events_replayed"] == end["deliveries"] == 2500
    order = sorted(range(6000), key=lambda i: (times[i], i))
    assert numbers(r.receive("one", 2500, 30)) == [i for i in order if i % 20][:2500], "in order, each once"


def test_a_replay_straight_from_files(router, tmp_path):
    r = router(CONFIG)
    first = write_events(tmp_path / "all", [timed(n, 59 - n) for n in range(10)])  # named like the archive
    second = write_events(tmp_path / "more.ndjson.gz", [timed(n, 59 - n) for n in range(10, 20)], gzip.compress)
    code, out, err = r.cli("replay", "-b", "audit", first, second, "--rule", "one", "--name", "f")
    assert code == 0 and "f COMPLETED: 20 of 20 events replayed, 20 matched, 20 deliveries" in out, err
    messages = r.receive("one", 20)
    assert numbers(messages) == list(range(20)) and r.receive("two") == []
    assert all(json.loads(m["body"])["replay-name"] == "f" for m in messages)
    r.settled()
    assert json.loads(r.get("/_weir/v1/archives")[1])["archives"][0]["events"] == 0, "never archived"

    code, _, err = r.cli("replay", "-b", "audit", "--by", "event", first, second, "--limit", "12", "-r", "one",
                         "--to", "2026-01-01T00:00:58Z")
    assert code == 0 and numbers(r.receive("one", 12)) == list(range(19, 7, -1)), err
    code, out, err = r.cli("replay", "-b", "audit", first, second, "--dry-run", "--limit", "15", "--json")
    counts = {(c["rule"], c["target"]): c["events"] for c in json.loads(out)["counts"]}
    assert code == 0 and counts[("one", "queue/one")] == 15 and counts[("two", "")] == 10, err

    records = {"Records": [{"eventID": f"e{i}", "eventTime": "2026-01-01T00:00:00Z", "eventSource": "iam.amazonaws.com",
                            "eventName": "CreateUser", "eventType": "AwsApiCall", "awsRegion": "us-east-1"} for i in range(3)]}
    trail = tmp_path / "trail.json"
    trail.write_text(json.dumps(records, indent=1))
    code, out, err = r.cli("replay", trail, "--dry-run")
    assert code == 0 and out.startswith("3 events"), err

    bad = write_events(tmp_path / "bad.ndjson", [timed(1, 1), {"detail": {}}, timed(2, 2)])
    code, _, err = r.cli("replay", "-b", "audit", bad, "--name", "bad")
    assert code == 65 and "bad.ndjson:2: error: " in err and "--resume bad" in err
    write_events(bad, [timed(1, 1), timed(3, 3), timed(2, 2)])
    assert r.cli("replay", bad, "--resume", "bad")[0] == 0
    assert numbers(r.receive("one", 3)) == [1, 3, 2]
    before = len(r.cli("replay", "--list", "--json")[1].splitlines())
    code, _, err = r.cli("replay", first, tmp_path / "gone.ndjson")
    assert code == 74 and "gone.ndjson" in err
    assert len(r.cli("replay", "--list", "--json")[1].splitlines()) == before, "none was begun"
    code, _, err = r.cli("replay", "nothing-there", "--from", "-1h")
    assert code == 64 and "no archive 'nothing-there'" in err


def test_a_name_that_is_both_means_the_archive(router, tmp_path):
    r = router(CONFIG)
    fill(r)
    write_events(tmp_path / "all", [timed(n, n) for n in range(3)])
    window = ("--from", "2026-01-01", "--to", "2026-01-02", "--dry-run", "--url", r.url)
    assert weir("replay", "all", *window, cwd=tmp_path)[1].startswith("10 events")
    assert weir("replay", "./all", *window, cwd=tmp_path)[1].startswith("3 events")


def test_files_go_on_after_crashes_of_both_sides(router, tmp_path):
    r = router(CONFIG)
    file = write_events(tmp_path / "many.ndjson", [timed(n, n % 60) for n in range(5000)])
    feeder = subprocess.Popen([WEIR, "replay", "-b", "audit", str(file), "--rule", "one", "--name", "f", "--rate", "8000/s",
                               "--url", r.url], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    state = lambda: json.loads(r.get("/_weir/v1/replays/f")[1])
    wait_until(lambda: r.get("/_weir/v1/replays/f")[0] == 200 and state()["events_replayed"] > 1200, 30, "progress")
    r.kill()
    assert feeder.wait(30) == 69 and b"--resume f" in feeder.communicate()[1]
    r.start()
    assert r.cli("replay", "--resume", "f", file)[0] == 0
    assert numbers(r.receive("one", 5000, 30)) == list(range(5000)), "in order, each once"


def test_json_lines_say_how_it_goes(router):
    r = router(CONFIG)
    fill(r)
    code, out, err = r.cli("replay", "all", "--from", "2026-01-01", "--to", "2026-01-02", "--rate", "7/s", "--json", "--name", "slow")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(lines) >= 2, err
    assert lines[-1]["state"] == "COMPLETED" and lines[-1]["events_total_exact"] is True
    assert any(0 < line.get("events_per_s", 0) < 20 and "eta_s" in line for line in lines[:-1]), lines
    assert r.metric('weir_replay_events_total{replay="slow"}') == r.metric('weir_replay_window_events{replay="slow"}') == 10
