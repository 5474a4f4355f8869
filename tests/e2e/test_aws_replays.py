# SPDX-License-Identifier: Apache-2.0
"""StartReplay and its kin by the real clients, over archives of weir.yaml."""
import datetime
import json

import pytest

from conftest import Router, wait_until
from events_client import ARN, refused
from test_aws import aws, client

CONFIG = """
buses: {audit: {}}
queues: {one: {}, other: {}}
archives: {kept: {}, audited: {bus: audit}}
rules:
  one: {pattern: {source: [shop]}, targets: [one]}
  other: {pattern: {source: [shop]}, targets: [other]}
  audit: {bus: audit, pattern: {source: [shop]}, targets: [other]}
"""
START = datetime.datetime(2024, 1, 2, 3, 0, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
WHAT = {"EventSourceArn": ARN + "archive/kept", "EventStartTime": START, "EventEndTime": START + HOUR,
        "Destination": {"Arn": ARN + "event-bus/default"}}


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("replays"), CONFIG).start()
    entry = {"Source": "shop", "DetailType": "t"}
    client(router).put_events(Entries=[{**entry, "Detail": json.dumps({"n": n}), "Time": START + n * 10 * datetime.timedelta(minutes=1)}
                                       for n in range(8)])
    router.receive("one", 8), router.receive("other", 8)
    yield router
    router.stop()


def ended(events, name, state="COMPLETED"):
    def look():
        shown = events.describe_replay(ReplayName=name)
        return shown["State"] == state and shown
    return wait_until(look, what=f"{name} to be {state}")


def slow(r, name, **members):
    """One that stays active: its second event would come in a quarter of an hour."""
    status, answer = r.post("/_weir/v1/replays", {"name": name, "archive": "kept", "from": "2024-01-01T00:00:00Z",
                                                 "to": "2025-01-01T00:00:00Z", "rate": 0.001, **members})
    assert status == 201, answer


def test_a_replay_to_one_rule(r):
    events = client(r)
    answer = events.start_replay(ReplayName="first", Description="again", **{
        **WHAT, "Destination": {"Arn": ARN + "event-bus/default", "FilterArns": [ARN + "rule/one"]}})
    assert (answer["ReplayArn"], answer["State"]) == (ARN + "replay/first", "STARTING")
    assert abs(answer["ReplayStartTime"].timestamp() - datetime.datetime.now().timestamp()) < 60
    got = [json.loads(m["body"]) for m in r.receive("one", 6)]
    assert [(e["detail"]["n"], e["replay-name"]) for e in got] == [(n, "first") for n in range(6)]  # [start, end), by event time
    assert list(got[0]) == ["version", "id", "detail-type", "source", "account", "time", "region", "replay-name", "resources", "detail"]
    shown = ended(events, "first")
    assert {k: shown[k] for k in shown if k not in ("ResponseMetadata", "ReplayStartTime", "ReplayEndTime")} == {
        "ReplayName": "first", "ReplayArn": ARN + "replay/first", "Description": "again", "State": "COMPLETED",
        "EventSourceArn": ARN + "archive/kept", "EventStartTime": START, "EventEndTime": START + HOUR,
        "Destination": {"Arn": ARN + "event-bus/default", "FilterArns": [ARN + "rule/one"]},
        "EventLastReplayedTime": START + 50 * datetime.timedelta(minutes=1)}
    assert shown["ReplayStartTime"] <= shown["ReplayEndTime"]
    r.settled()
    assert not r.take("other")
    kept = [a for a in r.status()["archives"] if a["name"] == "kept"]
    assert kept[0]["events"] == 8  # what is replayed is not archived again
    code, out, err = aws(r, "events", "start-replay", "--replay-name", "by-command", "--event-source-arn", ARN + "archive/kept",
                         "--event-start-time", "2024-01-02T03:00:00Z", "--event-end-time", "2024-01-02T03:05:00Z",
                         "--destination", json.dumps({"Arn": ARN + "event-bus/default"}))
    assert code == 0 and json.loads(out)["State"] == "STARTING", err
    assert len(r.receive("one", 1)) == 1 and len(r.receive("other", 1)) == 1


def test_what_is_refused(r):
    events = client(r)
    invalid = "ValidationException"
    for members, code, message in (
        ({"EventSourceArn": ARN + "archive/none"}, invalid, "Parameter EventSourceArn is not valid. Reason: Archive none does not exist."),
        ({"EventSourceArn": ARN + "rule/one"}, invalid, "Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN."),
        ({"EventSourceArn": ARN + "archive/audited"}, invalid,
         "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."),
        ({"Destination": {"Arn": ARN + "event-bus/none"}}, "ResourceNotFoundException", "Event bus none does not exist."),
        ({"Destination": {"Arn": "default"}}, invalid, "Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN."),
        ({"Destination": {"Arn": ARN + "event-bus/default", "FilterArns": [ARN + "rule/audit/audit"]}}, invalid,
         f"Parameter Destination.FilterArns is not valid. Reason: Rule {ARN}rule/audit/audit does not exist on the event bus."),
        ({"EventEndTime": START}, invalid, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."),
        ({"ReplayName": "a b"}, invalid, "1 validation error detected: Value 'a b' at 'replayName' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"),
    ):
        refused(events.start_replay, code, message, **{"ReplayName": "bad", **WHAT, **members})
    events.start_replay(ReplayName="twice", **WHAT)
    refused(events.start_replay, "ResourceAlreadyExistsException", "Replay twice already exists.", ReplayName="twice", **WHAT)
    ended(events, "twice")
    refused(events.start_replay, "ResourceAlreadyExistsException", "Replay twice already exists.", ReplayName="twice", **WHAT)
    refused(events.describe_replay, "ResourceNotFoundException", "Replay none does not exist.", ReplayName="none")
    refused(events.cancel_replay, "ResourceNotFoundException", "Replay none does not exist.", ReplayName="none")
    refused(events.cancel_replay, "IllegalStatusException", "Replay twice is not in a valid state for this operation.",
            ReplayName="twice")


def test_many_at_once(r):
    events = client(r)
    for n in range(10):
        slow(r, f"slow-{n}", rules=["one"])
    refused(events.start_replay, "LimitExceededException", "The requested resource exceeds the maximum number allowed.",
            ReplayName="eleventh", **WHAT)
    shown = events.describe_replay(ReplayName="slow-3")  # what another client started
    assert shown["Destination"] == {"Arn": ARN + "event-bus/default", "FilterArns": [ARN + "rule/one"]}
    assert r.post("/_weir/v1/replays/slow-3/pause", {})[0] == 200
    assert events.describe_replay(ReplayName="slow-3")["StateReason"] == "The replay is paused."
    for n in range(10):
        assert events.cancel_replay(ReplayName=f"slow-{n}")["State"] == "CANCELLING"
    assert "ReplayEndTime" in ended(events, "slow-3", "CANCELLED")
    assert events.start_replay(ReplayName="eleventh", **WHAT)["State"] == "STARTING"
    ended(events, "eleventh")


def test_lists(r):
    events = client(r)
    for name in ("list-b", "list-a", "list-c"):
        events.start_replay(ReplayName=name, **WHAT)
    names = lambda **members: [x["ReplayName"] for x in events.list_replays(**members)["Replays"]]
    assert names(NamePrefix="list-") == ["list-a", "list-b", "list-c"]
    ended(events, "list-c")
    assert "list-c" in names(State="COMPLETED") and names(State="FAILED") == []
    assert "list-c" in names(EventSourceArn=ARN + "archive/kept") and names(EventSourceArn=ARN + "archive/audited") == []
    first = events.list_replays(NamePrefix="list-", Limit=2)
    assert [x["ReplayName"] for x in first["Replays"]] == ["list-a", "list-b"]
    assert names(NamePrefix="list-", NextToken=first["NextToken"]) == ["list-c"]
    assert "Destination" not in first["Replays"][0] and first["Replays"][0]["EventSourceArn"] == ARN + "archive/kept"
    refused(events.list_replays, "ValidationException",
            "At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.",
            NamePrefix="a", State="FAILED")
    refused(events.list_replays, "ValidationException", "Parameter NextToken is not valid.", NextToken="a")
    refused(events.list_replays, "ValidationException",
            "1 validation error detected: Value 'DONE' at 'state' failed to satisfy constraint: Member must "
            "satisfy enum value set: [STARTING, RUNNING, CANCELLING, COMPLETED, CANCELLED, FAILED]", State="DONE")
    r.kill()
    r.start()
    assert client(r).describe_replay(ReplayName="first")["Description"] == "again"
