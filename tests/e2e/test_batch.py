# SPDX-License-Identifier: Apache-2.0
"""Batches to webhooks and functions, from outside: what arrives, what a stop and a crash leave."""
import json

from conftest import event, wait_until

HOOK = """
targets: {hook: {type: http, url: "%s", batch: {%s}}}
rules: {r: {pattern: {source: [test.app]}, targets: [hook]}}
"""


def numbers(receiver):
    return sorted(e["detail"]["n"] for _, body in receiver.requests for e in json.loads(body))


def test_batches_are_full_or_in_time(router, receiver):
    hook = receiver()
    r = router(HOOK % (hook.url, "max_events: 50, max_wait: 100ms"))
    r.send(*(event(n) for n in range(120)))
    wait_until(lambda: numbers(hook) == list(range(120)), what="all events")
    assert sorted(int(h["Weir-Batch-Size"]) for h, _ in hook.requests) == [20, 50, 50]
    wait_until(lambda: r.metric('weir_deliveries_owed{target="http/hook"}') == 0)


def test_a_batch_may_be_larger_than_the_window(router, receiver):
    hook = receiver()
    r = router(HOOK % (hook.url, "max_events: 2500, max_bytes: 16MiB, max_wait: 5m"))
    r.send(*(event(n) for n in range(5000)))
    wait_until(lambda: numbers(hook) == list(range(5000)), what="all events")
    assert [h["Weir-Batch-Size"] for h, _ in hook.requests] == ["2500", "2500"]


def test_nothing_is_lost_between_batches(router, receiver):
    hook = receiver()
    r = router(HOOK % (hook.url, "max_events: 100, max_wait: 5m"))
    r.send(*(event(n) for n in range(10)))
    r.kill()  # while they wait for more
    r.start()
    r.send(event(10))
    r.stop()  # sends what waits
    assert numbers(hook) == list(range(11))
    r.start()
    r.send(event(11))
    r.stop()
    assert numbers(hook) == list(range(12))


def test_a_function_names_what_failed(router, tmp_path):
    program = tmp_path / "router" / "sum"
    program.parent.mkdir()
    program.write_text("""#!/usr/bin/python3
import json, sys
items = json.load(sys.stdin)
with open(sys.argv[1], "a") as out:
    print(*(i["input"]["detail"]["n"] for i in items), file=out)
failed = [i["itemIdentifier"] for i in items if i["input"]["detail"]["n"] % 2]
print(json.dumps({"batchItemFailures": [{"itemIdentifier": i} for i in failed]}))
""")
    program.chmod(0o755)
    r = router("""
functions: {sum: {command: [./sum, %s], concurrency: 1, batch: {max_events: 4, max_wait: 50ms, envelope: true}}}
rules: {r: {pattern: {source: [test.app]}, targets: [{target: sum, retry_policy: {maximum_retry_attempts: 0}}]}}
""" % (tmp_path / "out"))
    r.send(*(event(n) for n in range(4)))
    got = r.receive("dead-letters", 2)
    assert sorted(json.loads(m["body"])["detail"]["n"] for m in got) == [1, 3]
    assert {m["attributes"]["ERROR_CODE"] for m in got} == {"BATCH_ITEM_FAILURE"}
    assert (tmp_path / "out").read_text() == "0 1 2 3\n"
