# SPDX-License-Identifier: Apache-2.0
"""order_by: one key's events one at a time and in order; a stuck one, a crash and a reload included."""
import json

from conftest import event, wait_until


def test_a_key_that_fails_keeps_its_order_and_no_other_waits(router, receiver):
    stuck = [True]
    fails = lambda body: stuck[0] and json.loads(body)["detail"]["account"] == "a"
    hook = receiver(lambda number, body: (503 if fails(body) else 200, {}))
    r = router(f"""
targets:
  hook: {{type: http, url: "{hook.url}", retry_policy: {{base: 10ms, cap: 30ms}}}}
rules:
  r:
    pattern: {{source: [test.app]}}
    targets: [{{target: hook, order_by: $.detail.account}}]
""")

    def seen(account):
        details = [json.loads(body)["detail"] for _, body in hook.requests]
        return [d["n"] for d in details if d["account"] == account]

    r.send(*[event(n, account=account) for n in range(40) for account in "abc"])
    wait_until(lambda: seen("b") == seen("c") == list(range(40)), what="the other accounts")
    wait_until(lambda: len(seen("a")) > 12, what="more tries than would open the circuit")
    assert set(seen("a")) == {0}
    r.send(*[event(n, account=account) for n in range(40, 60) for account in "abc"])
    wait_until(lambda: seen("b") == seen("c") == list(range(60)), what="what came later")
    wait_until(lambda: r.metric('weir_deliveries_owed{target="http/hook"}') == 60, what="only those of one account")
    assert set(seen("a")) == {0}
    assert "circuit opened" not in r.logged()
    r.kill()
    r.start()
    r.send(event(60, account="a"))
    stuck[0] = False
    r.settled()
    assert seen("a") == sorted(seen("a")) and set(seen("a")) == set(range(61))
    assert seen("b") == list(range(60)) and not r.receive("dead-letters")
