# SPDX-License-Identifier: Apache-2.0
"""Changing the configuration of a running router: all of it, or nothing, and no event lost or doubled."""
import json
import os
import signal
import threading
import time

from conftest import event, wait_until


def reload(r, generation):
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status()["generation"] == generation, 20, f"generation {generation}; log: {r.logged()[-2000:]}")


QUEUE = """
queues: {one: {}, two: {}}
rules:
  things: {pattern: {source: [test.app]}, targets: [%s]}
"""


def test_hangup_takes_the_new_rules(router):
    r = router(QUEUE % "one")
    r.send(event(1))
    r.configure(QUEUE % "two" + "  more: {pattern: {detail: {n: [2]}}, targets: [one]}\nbuses: {audit: {}}\n")
    reload(r, 2)
    r.send(event(2))
    r.send(event(3), bus="audit")
    assert [json.loads(m["body"])["detail"]["n"] for m in r.receive("one", 2)] == [1, 2]
    assert [json.loads(m["body"])["detail"]["n"] for m in r.receive("two", 1)] == [2]
    assert r.metric('weir_config_reloads_total{result="ok"}') == 1
    assert r.metric("weir_config_generation") == 2 and r.metric("weir_config_last_reload_successful") == 1


def test_bad_file_changes_nothing_and_says_where(router):
    r = router(QUEUE % "one")
    good = r.file.read_text()
    r.configure(QUEUE % "won")
    r.process.send_signal(signal.SIGHUP)
    failed = wait_until(lambda: r.status().get("reload_failed"))
    assert failed["error"].startswith(f"{r.file}:5:") and "did you mean 'one'?" in failed["error"]
    assert r.status()["generation"] == 1
    assert "the last reload" in r.cli("status")[1] and f"{r.file}:5:" in r.cli("status")[1]
    assert r.metric('weir_config_reloads_total{result="failed"}') == 1
    assert r.metric("weir_config_last_reload_successful") == 0
    assert f"{r.file}:5:" in r.logged()
    r.send(event(1))
    r.receive("one", 1)
    r.file.write_text(good)
    reload(r, 2)
    assert "reload_failed" not in r.status() and r.metric("weir_config_last_reload_successful") == 1


def test_target_that_cannot_be_opened_changes_nothing(router, tmp_path):
    r = router(QUEUE % "one")
    (tmp_path / "file").write_text("")
    r.configure(QUEUE % "two" + f"targets: {{out: {{type: file, path: {tmp_path}/file/no/such}}}}\n")
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status().get("reload_failed") or r.status()["generation"] == 2)
    r.send(event(1))
    r.receive("one" if "reload_failed" in r.status() else "two", 1)


def test_retries_meet_the_present_definitions(router, receiver):
    dead, good = receiver(lambda n, body: (503, {})), receiver()
    text = """
queues: {dlq: {}}
targets: {hook: {type: http, url: "%s"}}
rules:
  kept: {pattern: {detail: {kind: [kept]}}, targets: [{target: hook, dead_letter: dlq}]}
"""
    gone = "  gone: {pattern: {detail: {kind: [gone]}}, targets: [{target: hook, dead_letter: dlq}]}\n"
    r = router(text % dead.url + gone)
    r.send(event(1, kind="kept"), event(2, kind="gone"))
    wait_until(lambda: len(dead.requests) >= 2)
    r.configure(text % good.url)
    reload(r, 2)
    wait_until(lambda: good.requests, 30, "the retry")
    assert json.loads(good.requests[0][1])["detail"] == {"n": 1, "kind": "kept"}
    message = r.receive("dead-letters", 1, 30)[0]  # its rule is gone, and with it the dlq that the rule named
    assert json.loads(message["body"])["detail"]["kind"] == "gone"
    assert message["attributes"]["ERROR_CODE"] == "NO_RESOURCE"
    r.settled()


def test_what_is_owed_to_a_removed_target_is_shown(router, receiver):
    dead = receiver(lambda n, body: (503, {"Retry-After": "60"}))
    r = router(f"""
targets: {{hook: {{type: http, url: "{dead.url}"}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook]}}}}
""")
    r.send(event(1))
    wait_until(lambda: dead.requests)
    time.sleep(0.2)
    r.configure("queues: {q: {}}\n")
    reload(r, 2)
    gone = [t for t in r.status()["targets"] if not t["configured"]]
    assert [(t["type"], t["name"], t["owed"]) for t in gone] == [("http", "hook", 1)]
    assert "http/hook (not configured any more)" in r.cli("status")[1]


def test_a_fifo_for_a_file_does_not_hold_it_up(router):
    r = router(QUEUE % "one", start=False)
    r.file.write_text(r.file.read_text() + "include: [rules.d/*.yaml]\n")
    (r.folder / "rules.d").mkdir()
    r.start()
    os.mkfifo(r.folder / "rules.d" / "x.yaml")
    r.process.send_signal(signal.SIGHUP)
    failed = wait_until(lambda: r.status().get("reload_failed"))
    assert "not a regular file" in failed["error"]
    (r.folder / "rules.d" / "x.yaml").unlink()
    reload(r, 2)


def test_delivery_under_way_survives_its_target(router, receiver):
    slow = receiver(lambda n, body: time.sleep(1) or (200, {}))
    text = """
targets: {hook: {type: http, url: "%s", concurrency: %d}}
rules:
  things: {pattern: {source: [test.app]}, targets: [hook]}
"""
    r = router(text % (slow.url, 2))
    r.send(*[event(n) for n in range(6)])
    wait_until(lambda: len(slow.requests) == 2)
    r.configure(text % (slow.url, 4))
    reload(r, 2)
    r.settled()
    assert sorted(json.loads(body)["detail"]["n"] for _, body in slow.requests) == list(range(6))


def test_check_says_what_a_reload_would_change(router):
    r = router(QUEUE % "one" + "buses: {audit: {}}\n")
    assert r.cli("check", r.file, "--diff")[1].startswith("0 changes against generation 1")
    r.file.write_text("""version: 1
data: ./elsewhere
queues: {one: {visibility_timeout: 1m}}
buses: {audit: {}}
rules:
  things: {pattern: {source: [other.app]}, targets: [one], description: other}
  seen: {bus: audit, pattern: {source: [x]}, targets: [one], tests: [{name: a, event: {source: x, detail-type: x, detail: {}}}]}
""")
    code, out, err = r.cli("check", r.file, "--diff")
    assert (code, out.splitlines()[:-1]) == (0, [
        "~ queue one: visibility_timeout",
        "- queue two",
        "+ rule audit/seen",
        "~ rule things: pattern, description",
        "~ setting data (only a restart changes it)",
    ]), out + err
    lines = [json.loads(line) for line in r.cli("check", r.file, "--diff", "--json")[1].splitlines()]
    assert lines[3] == {"change": "changed", "kind": "rule", "name": "things", "keys": ["pattern", "description"],
                        "needs_restart": False}
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status()["generation"] == 2)
    assert r.cli("check", r.file, "--diff")[1].startswith("0 changes against generation 2")
    r.file.write_text("version: 1\nrules: {x: 1}\n")
    assert r.cli("check", r.file, "--diff")[0] == 78


def test_watch(router):
    r = router(QUEUE % "one", start=False)
    (r.folder / "rules.d").mkdir()
    r.file.write_text(r.file.read_text() + "include: [rules.d/*.yaml]\n")
    r.start("--watch")
    (r.folder / "rules.d" / "more.yaml").write_text("rules:\n  more: {pattern: {source: [test.app]}, targets: [two]}\n")
    wait_until(lambda: r.status()["generation"] == 2, 20, "the new file")
    r.send(event(1))
    r.receive("two", 1)
    (r.folder / "rules.d" / "more.yaml").write_text("rules: {more: {pattern: {source: test.app}, targets: [two]}}\n")
    failed = wait_until(lambda: r.status().get("reload_failed"), 20, "the bad file")
    assert "more.yaml:1:" in failed["error"]
    (r.folder / "rules.d" / "more.yaml").unlink()
    wait_until(lambda: r.status()["generation"] == 3, 20, "the good set again")
    (r.folder / "late.yaml").write_text("rules: {late: {pattern: {source: test.app}, targets: [two]}}\n")
    r.file.write_text(r.file.read_text().replace("include: [", "include: [late.yaml, "))
    wait_until(lambda: r.status().get("reload_failed"), 20, "the bad file")
    (r.folder / "late.yaml").write_text("rules: {late: {pattern: {source: [test.app]}, targets: [two]}}\n")
    wait_until(lambda: r.status()["generation"] == 4, 20, "the mended file, which only the failed reload knew")


def test_reload_of_many_rules_under_load(router):
    rules = "".join(f"  r{i}: {{pattern: {{detail: {{n: [{i}], kind: [k%d]}}}}, targets: [few]}}\n" for i in range(10000))
    text = "queues: {all: {maximum_message_size: 2KiB}, few: {}}\narchives: {everything: {}}\nrules:\n" \
           "  all: {pattern: {source: [test.app]}, targets: [all]}\n"
    r = router(text + rules.replace("%d", "0"))
    stop, sent = threading.Event(), []

    def load():
        while not stop.is_set():
            batch = list(range(len(sent), len(sent) + 20))
            r.send(*[event(n, kind="k0") for n in batch])
            sent.extend(batch)

    thread = threading.Thread(target=load)
    thread.start()
    for generation in range(2, 6):
        r.configure(text.replace("2KiB", f"{generation}KiB") + rules.replace("%d", str(generation % 2)))
        reload(r, generation)
    stop.set()
    thread.join()
    got = [json.loads(m["body"])["detail"]["n"] for m in r.receive("all", len(sent), 60)]
    assert sorted(got) == sent and not r.take("all")
    wait_until(lambda: r.status()["archives"][0]["events"] == len(sent), 30, "the archive")
