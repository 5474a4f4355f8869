# SPDX-License-Identifier: Apache-2.0
"""Rules that fire by the clock. Minutes are not waited for: what a stopped router remembers is set back instead."""
import calendar
import json
import signal
import sqlite3
import time

from conftest import event, weir, wait_until

CONFIG = """
queues: {ticks: {}, all: {}}
archives: {everything: {}}
rules:
  tick: {schedule: %s, state: %s, targets: [ticks]}
  all: {pattern: {source: [aws.events]}, targets: [all]}
"""


def times(messages):
    bodies = [json.loads(m["body"]) for m in messages]
    assert len({b["id"] for b in bodies}) == len(bodies)
    return [calendar.timegm(time.strptime(b["time"], "%Y-%m-%dT%H:%M:%SZ")) for b in bodies]


def row(r):
    with sqlite3.connect(r.folder / "data" / "weir.db") as db:
        return db.execute("SELECT expression, anchor_ms, last_ms, enabled FROM schedules").fetchall()


def set_back(r, seconds):
    with sqlite3.connect(r.folder / "data" / "weir.db") as db:
        db.execute("UPDATE schedules SET last_ms = last_ms - ?, anchor_ms = anchor_ms - ?",
                   (1000 * seconds, 1000 * seconds))


def started(router, schedule="rate(1 minute)", state="enabled"):
    r = router(CONFIG % (schedule, state))
    wait_until(lambda: row(r), what="the schedule's row")
    return r


def test_missed_firings_are_made_up_for_in_order_and_once(router):
    r = started(router)
    r.stop()
    set_back(r, 10 * 60 + 5)
    r.start()
    messages = r.receive("ticks", 10)
    got = times(messages)
    assert got == list(range(got[0], got[0] + 600, 60)) and abs(time.time() - got[-1]) < 60
    first = json.loads(messages[0]["body"])
    assert {k: first[k] for k in first if k not in ("id", "time")} == {
        "version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "region": "us-east-1", "resources": ["arn:aws:events:us-east-1:000000000000:rule/tick"], "detail": {}}
    assert r.metric('weir_schedules_fired_total{rule="tick"}') == 10
    shown, = r.status()["schedules"]
    assert (shown["rule"], shown["schedule"], shown["last"]) == ("tick", "rate(1 minute)", json.loads(messages[-1]["body"])["time"])
    assert calendar.timegm(time.strptime(shown["next"], "%Y-%m-%dT%H:%M:%SZ")) - got[-1] in (60, 120)
    assert "SCHEDULED RULE" in r.cli("status")[1] and shown["last"] in r.cli("status")[1]
    r.kill()
    r.start()
    r.settled()
    time.sleep(0.2)
    assert not r.take("ticks") and not r.take("all")  # no other rule sees it, nothing is done twice
    assert r.status()["archives"][0]["events"] == 0


def test_kills_while_it_makes_up(router):
    r = started(router)
    r.stop()
    for _ in range(4):
        set_back(r, 30 * 60)
        base = row(r)[0][2]
        r.start()
        r.kill()
        r.start()
        wait_until(lambda: row(r)[0][2] > base + 29 * 60 * 1000)
        got = times(r.receive("ticks", 29))
        assert got == sorted(set(got)) and all(b - a == 60 for a, b in zip(got, got[1:])), got
        assert len(got) >= 29
        r.stop()


def test_old_ones_are_skipped_and_said(router):
    r = started(router, "rate(10 minutes)")
    r.stop()
    set_back(r, 5 * 3600)
    r.start()
    assert len(r.receive("ticks", 6)) == 6
    time.sleep(0.1)
    assert not r.take("ticks") and '"times":24' in r.logged()


def test_disabled_changed_and_removed(router):
    r = started(router, "rate(1 minute)", "disabled")
    r.stop()
    set_back(r, 600)
    r.start()
    r.configure(CONFIG % ("rate(1 minute)", "enabled"))
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: row(r)[0][3] == 1)
    assert not r.take("ticks")  # enabled only now
    anchor = row(r)[0][1]
    r.configure(CONFIG % ("rate(2 minutes)", "enabled"))
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: row(r)[0][0] == "rate(2 minutes)")
    assert row(r)[0][1] > anchor
    r.configure("queues: {ticks: {}}\n")
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not row(r), what="the row to go")


def test_below_a_minute_without_drift_and_once(router):
    r = started(router, "rate(1 second)")
    got = times(r.receive("ticks", 1))
    r.kill()
    r.start()
    got += times(r.receive("ticks", 1))
    assert got == list(range(got[0], got[0] + len(got)))  # each second once, over the crash too
    assert got[0] == row(r)[0][1] // 1000 + 1  # the first one interval after the rule came
    r.stop()
    set_back(r, 30 * 60)
    r.start()
    assert 59 <= len(r.receive("ticks", 59)) < 70  # the last sixty are made up for
    assert r.metric('weir_schedules_skipped_total{rule="tick"}') == 1000  # and it counts no further


def test_mistakes(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("""version: 1
buses: {audit: {}, default: {strict: aws}}
queues: {q: {}}
archives: {a: {}}
rules:
  one: {schedule: rate(1 minutes), targets: [q]}
  two: {schedule: "cron(0 10 * * MON-FRI *)", targets: [q]}
  three: {schedule: "cron(0 25 ? * MON-FRI *)", targets: [q]}
  four: {bus: audit, schedule: rate(5 minutes), targets: [q]}
  five: {schedule: "cron(0 10 30 2 ? *)", targets: [q]}
  six: {schedule: every 5 minutes, targets: [q]}
  seven: {schedule: rate(5 minutes), targets: [q], tests: [{name: x, event: {source: x, detail-type: x, detail: {}}}]}
  eight: {schedule: rate(5 minutes), targets: [a]}
  nine: {schedule: rate(10 seconds), targets: [q]}
""")
    code, out, err = weir("check", "-c", file)
    assert code == 78
    for place, text in [(":6:26:", "write rate(1 minute)"), (":7:", "exactly one of day-of-month and day-of-week must be ?"),
                        (":8:29:", "hours '25' is not in 0-23"), (":9:", "default event bus only"),
                        (":10:", "never fires"), (":13:", "cannot have an archive"), (":11:", "a schedule is rate(5 minutes)"),
                        (":12:", "no pattern"), (":14:", "Parameter ScheduleExpression is not valid. (strict: aws")]:
        assert any(place in line and text in line for line in err.splitlines()), (place, text, err)
