# SPDX-License-Identifier: Apache-2.0
"""weir deliveries: what became of one event, over failures, a kill and a restart."""
import json

from conftest import wait_until

CONFIG = ("queues: {inbox: {}}\ntargets: {dead: {type: http, url: 'http://127.0.0.1:1/'}}\n"
          "rules:\n  all: {pattern: {source: [test.app]}, targets: [inbox, {target: dead, retry_policy: {maximum_retry_attempts: 0}}]}\n"
          "  some: {pattern: {source: [test.app], detail: {late: [true]}}, targets: [dead]}\n")


def event(id, source="test.app", **detail):
    return {"id": id, "source": source, "detail-type": "t", "detail": detail}


def ask(r, id):
    code, out, err = r.cli("deliveries", id, "--json")
    assert code == 0, err
    answer = json.loads(out)
    return {(d["rule"], d["target"]): d for d in answer["deliveries"]}, answer


def test_what_became_of_an_event(router):
    r = router(CONFIG)
    r.send(event("one", late=True), event("two", source="other"))
    wait_until(lambda: len(ask(r, "one")[0]) == 3 and ask(r, "one")[0]["all", "http/dead"]["state"] == "dead_lettered", what="outcomes")
    r.kill()
    r.start()
    found, answer = ask(r, "one")
    assert found["all", "queue/inbox"]["state"] == "delivered"
    assert found["all", "http/dead"]["history"][-1]["code"] and found["all", "http/dead"]["state"] == "dead_lettered"
    assert found["some", "http/dead"]["state"] == "waiting" and found["some", "http/dead"]["history"][0]["attempts"] == 1
    assert answer["journal"]["record"] == 1 and answer["journal"]["dispatched"]
    code, out, _ = r.cli("deliveries", "one")
    assert code == 0 and "rule all on bus default, to queue/inbox: delivered" in out and "attempt 1 failed" in out
    code, out, _ = r.cli("deliveries", "two")
    assert code == 0 and "matched no rule" in out
    code, _, err = r.cli("deliveries", "three")
    assert code == 1 and "nothing is known of event 'three'" in err
