# SPDX-License-Identifier: Apache-2.0
"""weir dlq: dead letters by kind, looked at, sent again, deleted."""
import json
import os
import pty
import subprocess

from conftest import WEIR, event, wait_until

ONCE = "retry_policy: {maximum_retry_attempts: 1, base: 10ms}"


def lines(result):
    assert result[0] == 0, result
    return [json.loads(line) for line in result[1].splitlines()]


def kinds(r):
    return {(q["queue"], k["rule"], k["target"], k["code"]): k["messages"]
            for q in lines(r.cli("dlq", "list", "--json")) for k in q["kinds"]}


def config(url, more=""):
    return f"""
buses: {{audit: {{}}}}
queues: {{parked: {{}}, inbox: {{}}}}
targets:
  hook: {{type: http, url: "{url}", {ONCE}, circuit: {{failures: 0}}}}
rules:
  all: {{pattern: {{source: [test.app]}}, targets: [hook]}}
  trail:
    bus: audit
    pattern: {{source: [test.app]}}
    targets: [{{target: hook, dead_letter: parked, input_path: $.detail}}]
{more}"""


def test_dead_letters_are_counted_shown_sent_again_and_purged(router, receiver):
    broken = [True]
    hook = receiver(lambda number, body: (503, {}) if broken[0] else (200, {}))
    r = router(config(hook.url))
    assert [q["messages"] for q in lines(r.cli("dlq", "--json"))] == [0, 0]
    assert r.cli("dlq", "show")[1] == "no dead letters in queue 'dead-letters'\n"
    r.send(*[event(i) for i in range(3)])
    r.send(event(7), event(8), bus="audit")
    r.settled()
    assert kinds(r) == {("dead-letters", "all", "hook", "HTTP_503"): 3, ("parked", "audit/trail", "hook", "HTTP_503"): 2}

    code, out, _ = r.cli("dlq", "show")
    assert code == 0 and out.count("HTTP_503") == 3
    assert len(lines(r.cli("dlq", "show", "--limit", "2", "--json"))) == 2
    assert r.cli("dlq", "show", "--limit", "0")[0] == 64
    one = lines(r.cli("dlq", "show", "parked", "--json"))[0]
    assert one["attributes"] == {
        "RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/audit/trail",
        "TARGET_ARN": "arn:weir:http:us-east-1:000000000000:hook",
        "ERROR_CODE": "HTTP_503", "ERROR_MESSAGE": "answered 503",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "1"}
    assert json.loads(one["body"])["detail"]["n"] in (7, 8) and one["receiveCount"] == 0
    whole = r.cli("dlq", "show", "parked", "--whole")[1]
    assert "  RETRY_ATTEMPTS            1\n" in whole and '"detail":{"n":8}}\n' in whole

    # what fails again comes back as a new message, once, and is not tried over and over
    before = len(hook.requests)
    assert lines(r.cli("dlq", "redrive", "parked", "--json")) == [
        {"queue": "parked", "redriven": 2, "skipped": 0, "stayed": {}}]
    r.settled()
    assert len(hook.requests) == before + 4 and kinds(r)[("parked", "audit/trail", "hook", "HTTP_503")] == 2

    broken[0] = False
    assert r.cli("dlq", "redrive", "--rule", "trail")[1] == "dead-letters: 0 redriven\n"
    assert r.cli("dlq", "redrive", "--limit", "2")[1] == "dead-letters: 2 redriven\n"
    r.settled()
    again = {json.loads(body)["detail"]["n"] for _, body in hook.requests[-2:]}
    assert len(again) == 2 and again < {0, 1, 2}
    assert r.cli("dlq", "redrive", "parked", "--target", "http/hook") == (0, "parked: 2 redriven\n", "")
    r.settled()
    assert {body for _, body in hook.requests[-2:]} == {'{"n":7}', '{"n":8}'}  # rendered by the rule
    assert hook.requests[-1][0]["Weir-Attempt"] == "1"
    assert kinds(r) == {("dead-letters", "all", "hook", "HTTP_503"): 1}

    code, _, err = r.cli("dlq", "purge", "dead-letters", stdin="")
    assert code == 64 and "1 message of queue 'dead-letters' would be deleted for good; say --yes" in err
    assert r.cli("dlq", "purge", "inbox", "--yes")[0] == 64
    assert "did you mean 'parked'?" in r.cli("dlq", "redrive", "parkd")[2]
    assert r.cli("dlq", "purge", "dead-letters", "--yes") == (0, "dead-letters: 1 purged\n", "")
    assert kinds(r) == {}


def test_purge_asks_on_a_terminal(router):
    r = router()
    terminal, other = pty.openpty()
    with subprocess.Popen([WEIR, "dlq", "purge", "dead-letters", "--url", r.url], stdin=other, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as verb:
        os.write(terminal, b"n\n")
        out, err = verb.communicate(timeout=30)
    os.close(terminal)
    os.close(other)
    assert verb.returncode == 1 and out == "" and "for good? [y/N]" in err and "nothing was deleted" in err


def test_what_has_nowhere_to_go_stays_and_is_said(router, receiver):
    hook = receiver(lambda number, body: (400, {}))
    more = """  gone: {pattern: {source: [test.other]}, targets: [hook]}
  less: {pattern: {source: [test.less]}, targets: [hook, inbox]}
"""
    r = router(config(hook.url, more))
    r.send(event(1), event(2, source="test.other"), event(3, source="test.less"))
    r.settled()
    r.post("/_weir/v1/queues/dead-letters/send", {"body": "not by a rule"})
    assert sum(kinds(r).values()) == 4
    r.configure(config(hook.url, "  less: {pattern: {source: [test.less]}, targets: [inbox]}\n"))
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] == 2)
    hook.answer = lambda number, body: (200, {})
    code, out, _ = r.cli("dlq", "redrive")
    assert code == 0 and out.splitlines() == [
        "dead-letters: 1 redriven",
        "1 stays: no rule sent it, or it could not be matched",
        "1 stays: its rule is not configured any more",
        "1 stays: its rule does not lead to its target any more"]
    r.settled()
    assert sum(kinds(r).values()) == 3


def test_what_somebody_has_received_is_left_to_him(router, receiver):
    hook = receiver(lambda number, body: (400, {}))
    r = router(config(hook.url))
    r.send(event(1), event(2))
    r.settled()
    status, answer = r.post("/_weir/v1/queues/dead-letters/receive", {"max": 1, "visibility_timeout_ms": 3600000})
    mine = answer["messages"][0]
    hook.answer = lambda number, body: (200, {})
    assert r.cli("dlq", "redrive")[1] == "dead-letters: 1 redriven\n1 stays: somebody has received it\n"
    r.settled()
    assert target_owes(r, "hook") == 0
    assert r.post("/_weir/v1/queues/dead-letters/delete", {"receiptHandles": [mine["receiptHandle"]]})[1]["deleted"] == 1
    assert kinds(r) == {}


def target_owes(r, name):
    return next(t["owed"] for t in r.status()["targets"] if t["name"] == name)


def test_two_ways_to_one_target_are_told_apart(router, receiver):
    hook = receiver(lambda number, body: (400, {}))
    r = router(f"""
targets: {{hook: {{type: http, url: "{hook.url}"}}}}
topics: {{news: {{subscriptions: [{{target: hook, raw_message_delivery: true}}]}}}}
rules:
  all:
    pattern: {{source: [test.app]}}
    targets: [{{target: hook, id: one, input: 1}}, {{target: hook, id: two, input: 2}}, {{target: news, input: 3}}]
""")
    r.send(event(1))
    r.settled()
    hook.answer = lambda number, body: (200, {})
    assert r.cli("dlq", "redrive")[1] == "dead-letters: 3 redriven\n"
    r.settled()
    assert sorted(body for _, body in hook.requests[-3:]) == ["1", "2", "3"]


def test_a_crash_leaves_the_letter_or_its_delivery(router, receiver):
    """kill -9 in the middle of a redrive into a queue: each event is there once."""
    r = router("""
queues: {inbox: {maximum_message_size: 1KiB}}
rules: {all: {pattern: {source: [test.app]}, targets: [inbox]}}
""")
    r.send(*[event(i, pad="x" * 1100) for i in range(900)])
    r.settled()
    assert sum(kinds(r).values()) == 900
    r.configure(r.file.read_text().replace("1KiB", "10KiB"))
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] == 2)
    with subprocess.Popen([WEIR, "dlq", "redrive", "--url", r.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as verb:
        wait_until(lambda: r.metric('weir_deliveries_total{bus="default",rule="all",target="queue/inbox",result="delivered"}'))
        r.kill()
        verb.communicate(timeout=30)
    r.start()
    r.settled()
    r.cli("dlq", "redrive")
    r.settled()
    got = [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 900)]
    assert sorted(got) == list(range(900))
