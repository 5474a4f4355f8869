# SPDX-License-Identifier: Apache-2.0
"""Retries, dead letters, functions, webhooks, visibility."""
import json
import os
import signal
import time

from conftest import event, wait_until


def script(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def dead_letter(message):
    a = message["attributes"]
    assert {"RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE", "RETRY_ATTEMPTS"} <= set(a), a
    return a


def test_function_exit_codes(router, tmp_path):
    folder = tmp_path / "router"
    script(folder, "ok", 'cat >>"$OUT"; echo >>"$OUT"; echo \'{"done":true}\'')
    script(folder, "later", 'cat >/dev/null; n=$(cat "$OUT.n" 2>/dev/null || echo 0); echo $((n+1)) >"$OUT.n"; [ "$n" -ge 1 ] || exit 75')
    script(folder, "broken", 'echo "no such table" >&2; exit 3')
    out = tmp_path / "out"
    r = router("""
queues: {dlq: {}}
functions:
  ok: {command: [./ok], environment: {OUT: {env: OUT}}}
  later: {command: [./later], environment: {OUT: {env: OUT}}}
  broken: {command: [./broken], environment: {OUT: {env: OUT}}}
rules:
  ok: {pattern: {detail: {n: [1]}}, targets: [ok]}
  later: {pattern: {detail: {n: [2]}}, targets: [later]}
  broken: {pattern: {detail: {n: [3]}}, targets: [{target: broken, dead_letter: dlq}]}
""", env={"OUT": str(out)})
    r.send(event(1), event(2), event(3))
    wait_until(lambda: out.exists() and out.read_text().endswith("\n"))
    assert json.loads(out.read_text())["detail"] == {"n": 1}
    message = r.receive("dlq", 1)[0]
    a = dead_letter(message)
    assert json.loads(message["body"])["detail"] == {"n": 3}
    assert a["RULE_ARN"] == "arn:aws:events:us-east-1:000000000000:rule/broken"
    assert a["TARGET_ARN"] == "arn:aws:lambda:us-east-1:000000000000:function:broken"
    assert "no such table" in a["ERROR_MESSAGE"] and a["RETRY_ATTEMPTS"] == "0"
    assert "EXHAUSTED_RETRY_CONDITION" not in a
    wait_until(lambda: (tmp_path / "out.n").exists() and (tmp_path / "out.n").read_text() == "2\n", 20, "the retry")
    r.settled()


def test_function_timeout_kills_its_group(router, tmp_path):
    folder = tmp_path / "router"
    script(folder, "stuck", f'sleep 300 & echo $! >"{tmp_path}/child"; wait')
    r = router("""
functions: {stuck: {command: [./stuck], timeout: 500ms}}
rules: {all: {pattern: {source: [test.app]}, targets: [{target: stuck, retry_policy: {maximum_retry_attempts: 0}}]}}
""")
    r.send(event(1))
    a = dead_letter(r.receive("dead-letters", 1)[0])
    assert a["ERROR_CODE"] == "TIMEOUT" and a["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    child = int((tmp_path / "child").read_text())
    def gone():
        try:
            return open(f"/proc/{child}/stat").read().split(")")[1].split()[0] == "Z"
        except OSError:
            return True
    wait_until(gone, what="the grandchild's end")


def test_webhook_retries_and_gives_up(router, receiver):
    hook = receiver(lambda number, body: (503, {"Retry-After": "1"}) if number == 1 else (204, {}))
    gone = receiver(lambda number, body: (404, {}))
    r = router(f"""
targets:
  hook: {{type: http, url: "{hook.url}", headers: {{Authorization: {{env: TOKEN}}}}}}
  gone: {{type: http, url: "{gone.url}"}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook, gone]}}}}
""", env={"TOKEN": "Bearer s3cret"})
    began = time.monotonic()
    r.send(event(1))
    wait_until(lambda: len(hook.requests) == 2, 20, "the second try")
    assert time.monotonic() - began >= 1
    headers, body = hook.requests[1]
    assert headers["Authorization"] == "Bearer s3cret" and headers["Content-Type"].startswith("application/json")
    assert json.loads(body)["detail"] == {"n": 1}
    a = dead_letter(r.receive("dead-letters", 1)[0])
    assert "404" in a["ERROR_MESSAGE"] and a["RETRY_ATTEMPTS"] == "0" and len(gone.requests) == 1
    r.settled()
    assert r.metric('weir_deliveries_total{bus="default",rule="all",target="http/hook",result="retried"}') == 1
    assert r.metric('weir_deliveries_total{bus="default",rule="all",target="http/hook",result="delivered"}') == 1
    assert r.metric('weir_deliveries_total{bus="default",rule="all",target="http/gone",result="dead_lettered"}') == 1
    assert "s3cret" not in r.logged()


def test_a_dead_target_delays_no_neighbour(router, receiver):
    silent = receiver(lambda number, body: None)
    r = router(f"""
queues: {{inbox: {{}}}}
targets: {{silent: {{type: http, url: "{silent.url}", timeout: 60s, concurrency: 2}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [silent, inbox]}}}}
""")
    for batch in range(6):
        r.send(*[event(batch * 500 + i) for i in range(500)])
    numbers = [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 3000)]
    assert numbers == list(range(3000))
    owed = {t["name"]: t["owed"] for t in r.status()["targets"]}
    assert owed["silent"] == 3000
    r.kill()
    r.start()
    wait_until(lambda: {t["name"]: t["owed"] for t in r.status()["targets"]}["silent"] == 3000)
    assert r.receive("inbox") == []
    silent.answer = lambda number, body: (200, {})
    silent.hang.set()
    r.settled()
    seen = {json.loads(body)["detail"]["n"] for _, body in silent.requests}
    assert seen == set(range(3000))


def test_drop_is_counted(router):
    r = router("""
targets: {nobody: {type: http, url: "http://127.0.0.1:9/", timeout: 1s}}
rules: {all: {pattern: {source: [test.app]}, targets: [{target: nobody, dead_letter: drop, retry_policy: {maximum_retry_attempts: 0}}]}}
""")
    r.send(event(1))
    r.settled()
    name = 'weir_deliveries_total{bus="default",rule="all",target="http/nobody",result="dropped"}'
    wait_until(lambda: r.metric(name) == 1)
    assert r.receive("dead-letters") == []


def test_visibility_and_redrive(router):
    r = router("""
queues:
  parked: {}
  work: {visibility_timeout: 1s, redrive_policy: {target: parked, max_receive_count: 2}}
rules: {all: {pattern: {source: [test.app]}, targets: [work]}}
""")
    r.send(event(1))
    get = lambda: r.post("/_weir/v1/queues/work/receive", {"max": 10})[1]["messages"]
    first = wait_until(get)
    assert first[0]["receiveCount"] == 1 and get() == []
    second = wait_until(get)
    assert second[0]["receiveCount"] == 2 and second[0]["messageId"] == first[0]["messageId"]
    status, answer = r.post("/_weir/v1/queues/work/delete", {"receiptHandles": [first[0]["receiptHandle"]]})
    assert status == 200 and answer["deleted"] == 0, "a superseded handle deletes nothing"
    time.sleep(1.2)
    assert get() == []
    parked = r.receive("parked", 1)
    assert json.loads(parked[0]["body"])["detail"] == {"n": 1}


def test_queue_verbs(router):
    r = router("queues: {inbox: {}}\n")
    code, out, _ = r.cli("queues", "send", "inbox", "héllo")
    assert code == 0 and out.startswith("sent ") and '"' not in out
    code, out, _ = r.cli("queues")
    assert code == 0 and "inbox" in out and "dead-letters" in out
    code, out, _ = r.cli("queues", "receive", "inbox", "--json", "--visibility-timeout", "0")
    assert json.loads(out)["body"] == "héllo" and json.loads(out)["receiveCount"] == 1
    code, out, _ = r.cli("queues", "receive", "inbox", "--delete")
    assert (code, out) == (0, "héllo\n")
    assert r.cli("queues", "receive", "inbox")[1] == ""
    r.cli("queues", "send", "inbox", "x")
    assert r.cli("queues", "purge", "inbox")[1] == "purged 1\n"
    code, _, err = r.cli("queues", "receive", "inbocks")
    assert code == 64 and "inbocks" in err


def test_a_target_that_left_the_file_is_a_dead_letter(router, receiver):
    silent = receiver(lambda number, body: None)
    r = router(f"""
targets: {{old: {{type: http, url: "{silent.url}"}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [old]}}}}
""")
    r.send(event(1))
    wait_until(lambda: silent.requests and r.status()["journal"]["lag"] == 0, what="the row of what is owed")
    r.kill()
    r.configure("queues: {new: {}}\nrules: {all: {pattern: {source: [test.app]}, targets: [new]}}\n")
    r.start()
    message = r.receive("dead-letters", 1)[0]
    assert dead_letter(message)["ERROR_CODE"] == "NO_RESOURCE"
    assert json.loads(message["body"])["detail"] == {"n": 1}


def test_sigterm_drains(router, tmp_path):
    folder = tmp_path / "router"
    script(folder, "slow", f'sleep 1; echo done >>"{tmp_path}/done"')
    r = router("functions: {slow: {command: [./slow], concurrency: 5}}\nrules: {all: {pattern: {source: [test.app]}, targets: [slow]}}\n")
    r.send(*[event(i) for i in range(5)])
    time.sleep(0.3)
    assert r.stop() == 0
    assert (tmp_path / "done").read_text() == "done\n" * 5
    r.start()
    assert all(t["owed"] == 0 for t in r.status()["targets"])


def test_second_signal_ends_at_once(router, tmp_path):
    folder = tmp_path / "router"
    script(folder, "slow", "sleep 30")
    r = router("functions: {slow: {command: [./slow], timeout: 60s}}\nrules: {all: {pattern: {source: [test.app]}, targets: [slow]}}\n")
    r.send(event(1))
    time.sleep(0.5)
    r.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    began = time.monotonic()
    r.process.send_signal(signal.SIGTERM)
    r.process.wait(10)
    assert time.monotonic() - began < 3
    r.process.stdout.close()
    r.process = None
    r.start()
    wait_until(lambda: sum(t["owed"] for t in r.status()["targets"]) == 1)
    os.kill(r.process.pid, signal.SIGKILL)
    r.process.wait()
    r.process.stdout.close()
    r.process = None
