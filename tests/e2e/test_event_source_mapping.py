# SPDX-License-Identifier: Apache-2.0
"""Event source mappings: queues whose messages functions are run with."""
import hashlib
import json
import time

import pytest

from conftest import Router, wait_until
from test_lambda import ARN, client_of, error_of

# Notes each run; fails when a body says so, names those that say "name me".
SCRIPT = """#!/usr/bin/python3
import json, sys
event = json.load(sys.stdin)
bodies = [r["body"] for r in event["Records"]]
with open("runs-" + sys.argv[1], "a") as f:
    f.write(json.dumps(event) + "\\n")
if "fail" in bodies:
    sys.exit(1)
print(json.dumps({"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "name me"]}
                 if "garbage" not in bodies else {"batchItemFailures": [{"itemIdentifier": "nobody"}]}))
"""
FUNCTION = "{command: [./script, %s], working_directory: ., concurrency: 1}"
NAMES = ["plain", "partial", "fifo", "window", "filtered", "paused"]
CONFIG = """
queues:
  plain: {visibility_timeout: 100ms, redrive_policy: {target: parked, max_receive_count: 2}}
  partial: {visibility_timeout: 400ms}
  fifo.fifo: {visibility_timeout: 5s, content_based_deduplication: true}
  window: {}
  filtered: {}
  paused: {}
  parked: {}
functions:
%s
event_source_mappings:
  plain: {event_source: plain, function: run-plain}
  partial: {event_source: partial, function: run-partial, function_response_types: [ReportBatchItemFailures]}
  fifo: {event_source: fifo.fifo, function: run-fifo, batch_size: 2, scaling_config: {maximum_concurrency: 1}}
  window: {event_source: window, function: run-window, batch_size: 5, maximum_batching_window: 10s}
  filtered: {event_source: filtered, function: run-filtered, filter_criteria: {filters: [{pattern: {body: {kind: [good]}}}]}}
  paused: {event_source: paused, function: run-paused, enabled: false}
""" % "\n".join(f"  run-{name}: {FUNCTION % name}" for name in NAMES)


def make(folder, config=CONFIG):
    r = Router(folder, config)
    script = r.folder / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return r


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    r = make(tmp_path_factory.mktemp("mapping")).start()
    yield r
    assert r.stop() == 0


def runs(r, name):
    path = r.folder / f"runs-{name}"
    return [json.loads(line)["Records"] for line in path.read_text().splitlines()] if path.exists() else []


def bodies(r, name):
    return [[one["body"] for one in run] for run in runs(r, name)]


def send(r, queue, *texts, **more):
    for text in texts:
        status, answer = r.post(f"/_weir/v1/queues/{queue}/send", {"body": text, **more})
        assert status == 200, answer


def counts(r, queue):
    return next((q["visible"], q["in_flight"]) for q in r.status()["queues"] if q["name"] == queue)


def empty(r, queue):
    wait_until(lambda: counts(r, queue) == (0, 0), what=f"{queue} to be empty")


def test_messages_are_run_and_deleted(served):
    send(served, "plain", "one")
    [[record]] = wait_until(lambda: runs(served, "plain"), what="the run")
    empty(served, "plain")
    attributes = record.pop("attributes")
    assert attributes["ApproximateReceiveCount"] == "1" and attributes["SenderId"] == "000000000000"
    assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60
    assert len(record.pop("messageId")) == 36 and record.pop("receiptHandle")
    assert record == {"body": "one", "messageAttributes": {}, "md5OfBody": hashlib.md5(b"one").hexdigest(), "eventSource": "aws:sqs",
                      "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:plain", "awsRegion": "us-east-1"}


def test_what_fails_comes_back_and_is_redriven(served):
    send(served, "plain", "fail")
    assert [m["body"] for m in served.receive("parked", 1)] == ["fail"]
    failed = [run[0]["attributes"]["ApproximateReceiveCount"] for run in runs(served, "plain") if run[0]["body"] == "fail"]
    assert failed == ["1", "2"]
    assert served.metric('weir_event_source_mapping_runs_total{mapping="plain",result="failed"}') == 2


def test_partial_batches(served):
    send(served, "partial", "good", "name me", "good 2")
    wait_until(lambda: sum(body == "name me" for run in bodies(served, "partial") for body in run) >= 2, what="it to come again")
    assert [body for run in bodies(served, "partial") for body in run if body.startswith("good")] in (["good", "good 2"], ["good 2", "good"])
    send(served, "partial", "garbage")
    wait_until(lambda: sum("garbage" in run for run in bodies(served, "partial")) >= 2, what="it to come again")


def test_order_of_a_fifo_queue(served):
    for n in range(7):
        send(served, "fifo.fifo", str(n), group="g")
    wait_until(lambda: sum(len(run) for run in runs(served, "fifo")) == 7, what="all messages")
    assert [body for run in bodies(served, "fifo") for body in run] == list("0123456")
    assert all(len(run) <= 2 for run in runs(served, "fifo"))
    first = runs(served, "fifo")[0][0]["attributes"]
    assert first["MessageGroupId"] == "g" and len(first["SequenceNumber"]) == 20 and first["MessageDeduplicationId"]


def test_a_window_gathers(served):
    """Five go at once; the window itself is ten seconds, and nothing of a sixth is seen before it is over."""
    send(served, "window", *"abcde")
    wait_until(lambda: runs(served, "window"), 5, what="the batch")
    assert sorted(bodies(served, "window")[0]) == list("abcde")


def test_filters_delete(served):
    send(served, "filtered", '{"kind":"bad"}', '{"kind":"good"}', "no JSON")
    empty(served, "filtered")
    wait_until(lambda: runs(served, "filtered"), what="the run")
    assert bodies(served, "filtered") == [['{"kind":"good"}']]


def test_what_is_disabled_rests(served):
    send(served, "paused", "later")
    send(served, "plain", "after it")
    wait_until(lambda: ["after it"] in bodies(served, "plain"), what="the one behind it")
    assert counts(served, "paused") == (1, 0) and not runs(served, "paused")


def test_reload_and_kill_9(tmp_path):
    r = make(tmp_path / "killed").start()
    for round in range(3):
        send(r, "partial", *(f"{round}-{n}" for n in range(12)))
        r.kill()
        r.start()
    wait_until(lambda: {body for run in bodies(r, "partial") for body in run} == {f"{round}-{n}" for round in range(3) for n in range(12)},
               what="all messages")
    lines = [line for line in CONFIG.splitlines() if not line.startswith("  plain: {event_source")]
    r.configure("\n".join(lines).replace("enabled: false", "enabled: true"))
    generation = r.status()["generation"]
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] > generation, what="the reload")
    send(r, "plain", "stays")
    send(r, "paused", "now")
    wait_until(lambda: bodies(r, "paused") == [["now"]], what="the mapping that was enabled")
    assert [m["body"] for m in r.receive("plain", 1)] == ["stays"]
    assert r.stop() == 0


# ---- by the API ----

QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


def test_mappings_by_the_api(tmp_path):
    r = make(tmp_path / "api", """
queues: {a: {}, b: {}, f.fifo: {}}
functions:
  run: {command: [./script, api], working_directory: ., concurrency: 1}
  other: {command: [cat]}
  slow: {command: [cat], timeout: 1m}
event_source_mappings: {declared: {event_source: b, function: run, filter_criteria: {filters: [{pattern: {body: {x: [1]}}}]}}}
""").start()
    aws = client_of(r)
    made = aws.create_event_source_mapping(
        EventSourceArn=QUEUE + "a", FunctionName="run", BatchSize=5, FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": '{"body": ["yes", "no"]}'}]})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (made["BatchSize"], made["State"], made["EventSourceArn"], made["FunctionArn"]) == (5, "Enabled", QUEUE + "a", ARN + "run")
    uuid = made["UUID"]
    send(r, "a", "yes")
    wait_until(lambda: bodies(r, "api") == [["yes"]], what="the run")
    r.kill()
    r.start()
    aws = client_of(r)
    got = aws.get_event_source_mapping(UUID=uuid)
    assert got["FilterCriteria"] == {"Filters": [{"Pattern": '{"body": ["yes", "no"]}'}]}
    assert got["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    listed = aws.list_event_source_mappings()["EventSourceMappings"]
    assert len(listed) == 2 and uuid in [m["UUID"] for m in listed]
    [declared] = aws.list_event_source_mappings(EventSourceArn=QUEUE + "b")["EventSourceMappings"]
    assert declared["FilterCriteria"] == {"Filters": [{"Pattern": '{"body":{"x":[1]}}'}]}
    pages = [m["UUID"] for page in aws.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 1})
             for m in page["EventSourceMappings"]]
    assert sorted(pages) == sorted(m["UUID"] for m in listed)

    code, exported, _ = r.cli("export")
    assert code == 0 and uuid in exported and "batch_size: 5" in exported
    assert aws.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabled"
    send(r, "a", "no")
    got = aws.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)
    assert (got["BatchSize"], got["State"]) == (1, "Enabled")
    scaled = lambda n: r.request("PUT", f"/2015-03-31/event-source-mappings/{uuid}", {"ScalingConfig": {"MaximumConcurrency": n}})
    assert json.loads(scaled(2)[2])["ScalingConfig"] == {"MaximumConcurrency": 2}  # this client does not know it yet
    assert scaled(1)[0] == 400
    wait_until(lambda: bodies(r, "api")[1:] == [["no"]], what="the run after it was enabled")

    create = lambda **more: error_of(aws.create_event_source_mapping, **{"EventSourceArn": QUEUE + "a", "FunctionName": "run", **more})
    status, code, message = create()
    assert (status, code) == (409, "ResourceConflictException") and uuid in message
    assert create(FunctionName="nobody")[:2] == (404, "ResourceNotFoundException")
    assert create(EventSourceArn=QUEUE + "nobody")[1] == "InvalidParameterValueException"
    too_short = (400, "InvalidParameterValueException", "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds")
    assert create(FunctionName="slow") == error_of(aws.update_event_source_mapping, UUID=uuid, FunctionName="slow") == too_short
    assert create(FunctionName="other", BatchSize=11)[1] == "InvalidParameterValueException"
    assert create(FunctionName="other", FilterCriteria={"Filters": [{"Pattern": "{"}]})[1] == "InvalidParameterValueException"
    assert create(FunctionName="other", EventSourceArn=QUEUE + "f.fifo", BatchSize=11, MaximumBatchingWindowInSeconds=1)[2].endswith("FIFO queues.")
    assert error_of(aws.update_event_source_mapping, UUID=uuid, BatchSize=100)[1] == "InvalidParameterValueException"
    assert error_of(aws.update_event_source_mapping, UUID=declared["UUID"], Enabled=False)[:2] == (409, "ResourceConflictException")
    assert error_of(aws.delete_event_source_mapping, UUID=declared["UUID"])[:2] == (409, "ResourceConflictException")
    for call in (aws.get_event_source_mapping, aws.delete_event_source_mapping, aws.update_event_source_mapping):
        assert error_of(call, UUID="00000000-0000-0000-0000-000000000000") == (
            404, "ResourceNotFoundException", "The resource you requested does not exist.")

    assert aws.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    assert len(aws.list_event_source_mappings()["EventSourceMappings"]) == 1
    send(r, "a", "stays")
    assert [m["body"] for m in r.receive("a", 1)] == ["stays"]
    assert r.stop() == 0
