# SPDX-License-Identifier: Apache-2.0
"""Asynchronous invocations: retries, ages, destinations, dead letters, and kill -9 in the middle of them."""
import json
import os
import random
import time

import pytest

from conftest import Router, wait_until, weir
from test_lambda import ARN, client_of, error_of

# Fails as often as its event says, then answers with it; notes each run.
SCRIPT = """#!/usr/bin/python3
import json, os, sys, time
event = json.load(sys.stdin)
detail = event.get("detail", event.get("requestPayload", event))
with open("runs", "a") as f:
    f.write(json.dumps({"id": os.environ["WEIR_REQUEST_ID"], "attempt": os.environ["WEIR_ATTEMPT"], "event": event}) + "\\n")
time.sleep(detail.get("sleep", 0))
if "until" in detail and not os.path.exists(detail["until"]):
    sys.exit(4)
if int(os.environ["WEIR_ATTEMPT"]) <= detail.get("fails", 0):
    print("it hurts", file=sys.stderr)
    sys.exit(3)
print(json.dumps({"said": detail.get("n")}))
"""
CONFIG = """
buses: {results: {}}
queues: {good: {}, bad: {}, letters: {}, onbus: {}, ontopic: {}}
topics: {told: {subscriptions: [{target: ontopic}]}}
functions:
  plain: {command: [./script], working_directory: .}
  noted: {command: [./script], working_directory: ., concurrency: 2,
          async: {maximum_retry_attempts: 2, retry_interval: 20ms, on_success: good, on_failure: bad, dead_letter: letters}}
  bus: {command: [./script], working_directory: ., async: {retry_interval: 10ms, maximum_retry_attempts: 0, on_success: results, on_failure: results}}
  topic: {command: [./script], working_directory: ., async: {on_success: told}}
  chain: {command: [./script], working_directory: ., async: {on_success: plain}}
  ring: {command: [echo, "1"], async: {on_success: ring}}
  aged: {command: [sh, -c, "exit 1"], async: {retry_interval: 1h, maximum_event_age: 1m, on_failure: bad}}
  lone: {command: [./script], working_directory: ., async: {maximum_retry_attempts: 0}}
  stays: {command: [sh, -c, "exit 1"], async: {retry_interval: 1h}}
rules:
  noted: {pattern: {source: [test.app]}, targets: [noted]}
  s3: {pattern: {source: [aws.s3], detail: {bucket: {name: [photos]}}}, targets: [plain]}
  results: {bus: results, pattern: {source: [lambda]}, targets: [onbus]}
"""


def make(folder, config=CONFIG):
    r = Router(folder, config)
    script = r.folder / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return r


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    r = make(tmp_path_factory.mktemp("async")).start()
    yield r
    r.stop()


@pytest.fixture(scope="module")
def aws(served):
    return client_of(served)


def runs(r):
    path = r.folder / "runs"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def invoke(aws, name, event):
    got = aws.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    assert (got["StatusCode"], got["Payload"].read()) == (202, b"")
    return got["ResponseMetadata"]["RequestId"]


def records(r, queue, count=1):
    return [json.loads(m["body"]) for m in r.receive(queue, count)]


def test_an_event_is_run(served, aws):
    id = invoke(aws, "plain", {"n": 1})
    got = wait_until(lambda: [run for run in runs(served) if run["id"] == id], what="the run")
    assert got == [{"id": id, "attempt": "1", "event": {"n": 1}}]


def test_what_event_refuses(aws):
    assert error_of(aws.invoke, FunctionName="nobody", InvocationType="Event")[1] == "ResourceNotFoundException"
    assert error_of(aws.invoke, FunctionName="plain", InvocationType="Event", Payload=b"{")[1] == "InvalidRequestContentException"
    large = b'"' + b"x" * (1 << 20) + b'"'
    assert error_of(aws.invoke, FunctionName="plain", InvocationType="Event", Payload=large) == (
        413, "RequestTooLargeException", "Request must be smaller than 1048576 bytes for the InvokeFunction operation")


def test_success_is_recorded_after_retries(served, aws):
    id = invoke(aws, "noted", {"n": 2, "fails": 2})
    [record] = records(served, "good")
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {"requestId": id, "functionArn": ARN + "noted:$LATEST", "condition": "Success", "approximateInvokeCount": 3},
        "requestPayload": {"n": 2, "fails": 2},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"said": 2}}
    assert [run["attempt"] for run in runs(served) if run["id"] == id] == ["1", "2", "3"]


def test_failure_is_recorded_and_dead_lettered(served, aws):
    id = invoke(aws, "noted", {"n": 3, "fails": 9})
    [record] = records(served, "bad")
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"].endswith("exit status 3: it hurts")
    [letter] = served.receive("letters", 1)
    assert json.loads(letter["body"]) == {"n": 3, "fails": 9}
    a = letter["attributes"]
    assert (a["RequestID"], a["ErrorCode"], a["ErrorMessage"]) == (id, "200", "exit status 3: it hurts")


def test_an_event_grows_too_old(served, aws):
    """It would be after the wait for the next try: then there is none."""
    id = invoke(aws, "aged", {})
    [record] = records(served, "bad")
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert (record["requestContext"]["requestId"], record["requestContext"]["approximateInvokeCount"]) == (id, 1)


def test_a_paused_function_waits(served, aws):
    assert served.cli("pause", "function/plain")[0] == 0
    id = invoke(aws, "plain", {"n": 12})
    assert error_of(aws.invoke, FunctionName="plain", Payload=b"{}")[:2] == (429, "TooManyRequestsException")
    assert not [run for run in runs(served) if run["id"] == id]
    assert served.cli("resume", "function/plain")[0] == 0
    wait_until(lambda: [run for run in runs(served) if run["id"] == id], what="the run")


def test_a_rule_only_hands_over(served):
    served.send({"source": "test.app", "detail-type": "t", "detail": {"n": 4, "fails": 1}})
    [record] = records(served, "good")
    assert record["requestPayload"]["detail"] == {"n": 4, "fails": 1} and record["responsePayload"] == {"said": 4}
    assert served.metric('weir_deliveries_total{bus="default",rule="noted",target="function/noted",result="delivered"}') == 1
    assert served.metric('weir_async_invocations_total{target="function/noted",result="retried"}') >= 1


def test_a_notification_of_s3_runs_a_function(served):
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-01-02T03:04:05.678Z",
              "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "A"}, "requestParameters": {"sourceIPAddress": "10.0.0.1"},
              "responseElements": {"x-amz-request-id": "R"},
              "s3": {"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
                     "object": {"key": "a+b.png", "size": 3, "eTag": "e", "sequencer": "1"}}}
    assert served.post("/s3", {"Records": [record]})[0] == 200
    [run] = wait_until(lambda: [run for run in runs(served) if run["event"].get("source") == "aws.s3"], what="the run")
    assert run["event"]["detail-type"] == "Object Created" and run["event"]["detail"]["object"]["key"] == "a b.png"


def test_results_on_a_bus(served, aws):
    invoke(aws, "bus", {"n": 5})
    invoke(aws, "bus", {"n": 6, "fails": 1})
    got = {e["detail-type"]: e for e in records(served, "onbus", 2)}
    good = got["Lambda Function Invocation Result - Success"]
    assert (good["source"], good["resources"][1]) == ("lambda", ARN + "bus:$LATEST")
    assert good["detail"]["responsePayload"] == {"said": 5}
    assert got["Lambda Function Invocation Result - Failure"]["detail"]["requestPayload"] == {"n": 6, "fails": 1}


def test_results_on_a_topic(served, aws):
    id = invoke(aws, "topic", {"n": 10})
    [envelope] = records(served, "ontopic")
    assert envelope["TopicArn"].endswith(":told")
    assert json.loads(envelope["Message"])["requestContext"]["requestId"] == id


def test_results_for_functions(served, aws):
    id = invoke(aws, "chain", {"n": 7})
    wait_until(lambda: [run for run in runs(served)
                        if run["event"].get("requestContext", {}).get("requestId") == id], what="the second function's run")
    invoke(aws, "ring", {})  # what goes in a circle ends
    letter = served.receive("dead-letters", 1)[0]
    assert letter["attributes"]["TARGET_ARN"] == ARN + "ring" and letter["attributes"]["ERROR_CODE"] == "TOO_MANY_HOPS"


def test_given_up_without_a_destination(served, aws):
    invoke(aws, "lone", {"n": 8, "fails": 1})
    [letter] = served.receive("dead-letters", 1)
    assert json.loads(letter["body"]) == {"n": 8, "fails": 1}
    assert letter["attributes"]["EXHAUSTED_RETRY_CONDITION"] == "RetriesExhausted"


def test_a_dead_letter_is_invoked_again(served, aws):
    invoke(aws, "lone", {"n": 11, "until": "mended"})
    wait_until(lambda: [q for q in served.status()["queues"] if q["name"] == "dead-letters" and q["visible"] == 1], what="the dead letter")
    (served.folder / "mended").touch()
    status, answer = served.post("/_weir/v1/dlq/dead-letters/redrive", {"target": "function/lone"})
    assert (status, answer["redriven"], answer["stayed"]) == (200, 1, {})
    wait_until(lambda: len([run for run in runs(served) if run["event"].get("n") == 11]) == 2, what="the second run")
    assert served.take("dead-letters") == []


def test_a_function_that_went_fails_what_is_left(tmp_path):
    r = make(tmp_path / "gone").start()
    invoke(client_of(r), "stays", {"n": 9})
    wait_until(lambda: r.metric('weir_async_invocations_total{target="function/stays",result="retried"}') == 1, what="the first run")
    r.kill()
    r.configure("queues: {q: {}}")
    r.start()
    letter = wait_until(lambda: r.take("dead-letters"), what="the dead letter")[0]
    assert letter["attributes"]["ERROR_CODE"] == "NO_RESOURCE"
    r.stop()


@pytest.mark.parametrize("functions, rules, error", [
    ("f: {command: [cat], async: {on_success: hook}}", "", "on_success of function 'f' is http 'hook'; it must be a queue, a topic, a function or a bus"),
    ("f: {command: [cat], async: {on_failure: q.fifo}}", "", "on_failure of function 'f' is FIFO queue 'q.fifo'; it must be a standard queue"),
    ("f: {command: [cat], batch: {}, async: {on_success: q}}", "", "function 'f' has a 'batch': its runs have no destinations"),
    ("f: {command: [cat], async: {}}", "r: {pattern: {source: [a]}, targets: [{target: f, order_by: $.id}]}", "has an 'order_by', which function 'f' cannot keep"),
])
def test_what_cannot_be_configured(tmp_path, functions, rules, error):
    path = tmp_path / "weir.yaml"
    path.write_text(f"version: 1\nqueues: {{q: {{}}, q.fifo: {{}}}}\ntargets: {{hook: {{type: http, url: 'http://localhost/'}}}}\n"
                    f"functions: {{{functions}}}\nrules: {{{rules}}}\n")
    code, _, said = weir("check", path)
    assert code == 78 and error in said, said


def test_nothing_is_lost_by_kill_9(tmp_path):
    """Whatever was answered is run, over three kills in the middle of runs; what fails keeps its attempts."""
    r, wanted = make(tmp_path / "killed"), set()
    for round in range(3):
        aws = client_of(r.start())
        for n in range(8):
            wanted.add(invoke(aws, "noted", {"n": n, "fails": n % 3, "sleep": 0.01}))
        r.send(*({"source": "test.app", "detail-type": "t", "detail": {"n": n, "from": "rule"}} for n in range(5)))
        time.sleep(random.uniform(0, 0.3))
        r.kill()
    r.start()
    seen, from_rules = set(), 0

    def all_there():
        nonlocal from_rules
        for m in r.take("good"):
            record = json.loads(m["body"])
            seen.add(record["requestContext"]["requestId"])
            from_rules += "detail" in record["requestPayload"]
        return wanted <= seen and from_rules >= 15

    wait_until(all_there, 30, f"all runs")
    assert r.receive("bad") == [] and r.receive("letters") == []
    assert r.stop() == 0
