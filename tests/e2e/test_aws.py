# SPDX-License-Identifier: Apache-2.0
"""The AWS API of EventBridge by the real clients: boto3, and the aws command."""
import datetime
import json
import os
import subprocess

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from conftest import wait_until

CONFIG = """
buses: {audit: {}, tight: {strict: aws}}
queues: {inbox: {}, audited: {}}
rules:
  all: {pattern: {source: [{prefix: ""}]}, targets: [inbox]}
  audit: {bus: audit, pattern: {detail: {n: [{numeric: [">", 1]}]}}, targets: [audited]}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "eu-west-1"}
EVENT = {"id": "1", "account": "2", "source": "shop", "time": "2024-01-02T03:04:05Z", "region": "r", "detail-type": "t"}


def client(r, service="events"):
    return boto3.client(service, endpoint_url=r.url, region_name="eu-west-1", aws_access_key_id="any", aws_secret_access_key="any",
                        config=botocore.config.Config(retries={"total_max_attempts": 1}))


def aws(r, *arguments):
    """The aws command: (code, stdout, stderr)"""
    done = subprocess.run(["/usr/bin/aws", "--endpoint-url", r.url, "--output", "json", *arguments], capture_output=True, text=True,
                          env={**os.environ, **KEYS}, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_put_events_by_boto3(router):
    r = router(CONFIG)
    answer = client(r).put_events(Entries=[
        {"Source": "aws.s3", "DetailType": "Object Created", "Detail": json.dumps({"key": "a é 😀"}, indent=2),
         "Time": datetime.datetime(2024, 1, 2, 3, 4, 5, 999999, datetime.timezone.utc), "Resources": ["arn:aws:s3:::b"],
         "TraceHeader": "Root=1-2-3"},
        {"Source": "shop", "DetailType": "t", "Detail": "[1]"},
        {"Source": "shop", "DetailType": "t", "Detail": "{}", "EventBusName": "nowhere"},
        {"Source": "shop", "DetailType": "t", "Detail": '{"n": 2}', "EventBusName": "audit"},
        {"Source": "shop", "DetailType": "t", "Detail": '{"n": 3}',
         "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/audit"},
    ])
    assert answer["FailedEntryCount"] == 1
    first, second, *others = answer["Entries"]
    assert second == {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    assert len({e["EventId"] for e in (first, *others)}) == 4
    assert answer["ResponseMetadata"]["RequestId"]
    event = json.loads(r.receive("inbox", 1)[0]["body"])
    assert event == {"version": "0", "id": first["EventId"], "detail-type": "Object Created", "source": "aws.s3",
                     "account": "000000000000", "time": "2024-01-02T03:04:05Z", "region": "us-east-1",
                     "resources": ["arn:aws:s3:::b"], "detail": {"key": "a é 😀"}}
    audited = [json.loads(m["body"]) for m in r.receive("audited", 2)]
    assert [e["id"] for e in audited] == [others[1]["EventId"], others[2]["EventId"]]
    assert r.metric('weir_events_accepted_total{bus="default",source="aws"}') == 1
    assert r.metric('weir_events_accepted_total{bus="audit",source="aws"}') == 2
    assert r.metric('weir_events_refused_total{source="aws",reason="unknown_bus"}') == 1
    wait_until(lambda: "bus=nowhere" in r.logged() or '"bus":"nowhere"' in r.logged(), what="the log")


def test_errors_by_boto3(router):
    r = router(CONFIG)
    events = client(r)
    with pytest.raises(events.exceptions.InvalidEventPatternException) as caught:
        events.test_event_pattern(EventPattern='{"int": 42}', Event=json.dumps(EVENT))
    assert caught.value.response["Error"]["Message"] == (
        'Event pattern is not valid. Reason: "int" must be an object or an array\n'
        ' at [Source: (String)"{"int": 42}"; line: 1, column: 11]')
    for call, code in (
        (lambda: events.test_event_pattern(EventPattern='{"a": [1]}', Event="[]"), "ValidationException"),
        (lambda: events.put_events(Entries=[{"Source": "a" * (1 << 20), "DetailType": "t", "Detail": "{}"}]), "ValidationException"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    entry = {"Source": "aws.s3", "DetailType": "t", "Detail": "{}", "EventBusName": "tight"}
    assert events.put_events(Entries=[entry])["Entries"] == [
        {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}]
    assert events.test_event_pattern(EventPattern='{"source": ["shop"]}', Event=json.dumps(EVENT))["Result"] is True


def test_the_aws_command(router):
    r = router(CONFIG)
    entries = [{"Source": "shop", "DetailType": "t", "Detail": '{"n": 5}', "EventBusName": "audit", "Time": 1704164645}]
    code, out, err = aws(r, "events", "put-events", "--entries", json.dumps(entries))
    assert code == 0, err
    assert json.loads(r.receive("audited", 1)[0]["body"])["id"] == json.loads(out)["Entries"][0]["EventId"]
    code, out, err = aws(r, "events", "test-event-pattern", "--event-pattern", '{"a":"x"}', "--event", json.dumps(EVENT))
    assert code == 254 and "(InvalidEventPatternException)" in err and "line: 1, column: 7]" in err
