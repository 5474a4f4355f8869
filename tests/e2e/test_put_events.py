# SPDX-License-Identifier: Apache-2.0
"""PutEvents to the letter: what AWS's answers say, entry by entry, and what strict: aws changes."""
import datetime
import json

import pytest
from botocore.exceptions import ClientError

from conftest import Router
from test_aws import client

CONFIG = """
region: eu-central-1
account: "123456789012"
buses: {tight: {strict: aws}}
queues: {inbox: {}}
rules:
  all: {pattern: {source: [{prefix: ""}]}, targets: [inbox]}
  tight: {bus: tight, pattern: {source: [{prefix: ""}]}, targets: [inbox]}
"""
GOOD = {"Source": "shop", "DetailType": "t", "Detail": "{}"}


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("put"), CONFIG).start()
    yield router
    router.stop()


def failed(code, message):
    return {"ErrorCode": code, "ErrorMessage": message}


def missing(name):
    return failed("InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument.")


def test_each_entry_by_itself(r):
    entries = [GOOD, {}, {"Source": "shop"}, {"Source": "shop", "DetailType": "t"}, {**GOOD, "Source": ""}, {**GOOD, "Detail": ""},
               {**GOOD, "Detail": "text"}, {**GOOD, "Detail": '"text"'}, {**GOOD, "Detail": "{} {}"}, {**GOOD, "EventBusName": "none"}]
    answer = client(r).put_events(Entries=entries)
    first, *middle, last = answer["Entries"]
    malformed = failed("MalformedDetail", "Detail is malformed.")
    assert middle == [missing("Source"), missing("DetailType"), missing("Detail"), missing("Source"), missing("Detail"),
                      malformed, malformed, malformed]
    assert answer["FailedEntryCount"] == 8 and set(first) == set(last) == {"EventId"}
    message, = r.receive("inbox", 1)
    event = json.loads(message["body"])
    assert event["id"] == first["EventId"]
    assert list(event) == ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"]
    assert (event["version"], event["account"], event["region"], event["resources"]) == ("0", "123456789012", "eu-central-1", [])


def test_times(r):
    zone = datetime.timezone(datetime.timedelta(hours=5))
    events = client(r)
    entries = [{**GOOD, "Time": datetime.datetime(2024, 1, 2, 3, 4, 5, 999999, zone)}, {**GOOD, "Time": 0}, {**GOOD, "Time": "2030-05-06"}]
    events.put_events(Entries=entries)
    got = [json.loads(m["body"])["time"] for m in r.receive("inbox", 3)]
    assert got == ["2024-01-01T22:04:05Z", "1970-01-01T00:00:00Z", "2030-05-06T00:00:00Z"]
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    events.put_events(Entries=[GOOD])
    now = datetime.datetime.fromisoformat(json.loads(r.receive("inbox", 1)[0]["body"])["time"].replace("Z", "+00:00"))
    assert before <= now <= before + datetime.timedelta(seconds=30)


def test_the_whole_request(r):
    events = client(r)

    def refused(entries):
        with pytest.raises(ClientError) as caught:
            events.put_events(Entries=entries)
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationException"
        return error["Message"]

    assert refused([GOOD] * 11) == ("1 validation error detected: Value '[PutEventsRequestEntry(...)...]' at 'entries' failed to satisfy "
                                    "constraint: Member must have length less than or equal to 10")
    over = "Total size of the entries in the request is over the limit."
    large = lambda size, **members: {**GOOD, "Detail": json.dumps({"a": "x" * (size - len('{"a": ""}') - 5)}), **members}
    assert refused([large(1 << 19), large((1 << 19) + 1)]) == over
    assert events.put_events(Entries=[large(1 << 19), large(1 << 19)])["FailedEntryCount"] == 0
    assert refused([large(1 << 17), large((1 << 17) + 1, EventBusName="tight")]) == over  # the limit of before 2026
    assert events.put_events(Entries=[large(1 << 17), large(1 << 17, EventBusName="tight")])["FailedEntryCount"] == 0
    message = refused([{**GOOD, "Resources": ["a", "x" * 2049]}, {**GOOD, "EventBusName": "a bus"}])
    assert message.startswith("2 validation errors detected: Value '[a, xxx")
    assert ("]' at 'entries.1.member.resources' failed to satisfy constraint: Member must satisfy constraint: [Member must have length "
            "less than or equal to 2048]; Value 'a bus' at 'entries.2.member.eventBusName' failed") in message
    assert len(r.receive("inbox", 4)) == 4


def test_sources_of_aws(r):
    """On one's own machine whoever tests a rule for S3 puts S3's events; strict: aws refuses them as AWS does."""
    entries = [{**GOOD, "Source": "aws.s3"}, {**GOOD, "Source": "aws.s3", "EventBusName": "tight"},
               {**GOOD, "Source": "awsome", "EventBusName": "arn:aws:events:eu-central-1:123456789012:event-bus/tight"}]
    one, two, three = client(r).put_events(Entries=entries)["Entries"]
    assert two == failed("NotAuthorizedForSourceException", "Not authorized for the source.")
    assert sorted(json.loads(m["body"])["source"] for m in r.receive("inbox", 2)) == ["aws.s3", "awsome"]


def test_an_endpoint_is_checked_and_changes_nothing(r):
    headers = {"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"}
    status, answer = r.post("/", {"EndpointId": "abcde.veo", "Entries": [GOOD]}, headers)
    assert status == 200 and answer["FailedEntryCount"] == 0
    assert len(r.receive("inbox", 1)) == 1
    status, answer = r.post("/", {"EndpointId": "abcde", "Entries": [GOOD]}, headers)
    assert status == 400 and "at 'endpointId' failed to satisfy constraint" in answer["message"]
