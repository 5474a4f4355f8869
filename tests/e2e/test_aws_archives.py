# SPDX-License-Identifier: Apache-2.0
"""CreateArchive and its kin by the real clients; what they make lives beside what weir.yaml declares."""
import datetime
import json
import sqlite3

import pytest

from conftest import Router, wait_until, weir
from events_client import ARN, refused
from test_aws import aws, client

CONFIG = """
buses: {audit: {}, tight: {strict: aws}}
queues: {one: {}, other: {}}
archives: {declared: {bus: audit, retention: 36h, pattern: {source: [shop]}, description: by hand}}
rules:
  one: {pattern: {source: [shop]}, targets: [one]}
  other: {pattern: {source: [shop]}, targets: [other]}
"""
BUS = ARN + "event-bus/default"
PATTERN = '{"detail": {"n": [{"numeric": ["<", 5]}]}}'


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("archives"), CONFIG).start()
    yield router
    router.stop()


def said(answer):
    return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", "CreationTime")}


def put(events, *numbers, source="shop"):
    answer = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": json.dumps({"n": n})} for n in numbers])
    assert answer["FailedEntryCount"] == 0


def files(r, archive):
    return sorted(p for p in (r.folder / "data" / "archives").glob(f"{archive}/**/*") if p.is_file())


def test_an_archive_from_beginning_to_end(r):
    events = client(r)
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    answer = events.create_archive(ArchiveName="orders", EventSourceArn=BUS, Description="all of them", EventPattern=PATTERN,
                                   RetentionDays=7)
    assert said(answer) == {"ArchiveArn": ARN + "archive/orders", "State": "ENABLED"}
    assert before < answer["CreationTime"] < before + datetime.timedelta(seconds=60)
    put(events, *range(8))
    r.settled()
    shown = events.describe_archive(ArchiveName="orders")
    text = files(r, "orders")[0].read_bytes()
    assert said(shown) == {"ArchiveArn": ARN + "archive/orders", "ArchiveName": "orders", "EventSourceArn": BUS,
                           "Description": "all of them", "EventPattern": PATTERN, "State": "ENABLED", "RetentionDays": 7, "SizeBytes": len(text), "EventCount": 5}
    assert shown["CreationTime"] == answer["CreationTime"] and text.count(b"\n") == 5

    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    for queue in ("one", "other"):
        r.receive(queue, 8)
    events.start_replay(ReplayName="again", EventSourceArn=ARN + "archive/orders", EventStartTime=start,
                        EventEndTime=start + datetime.timedelta(hours=2),
                        Destination={"Arn": BUS, "FilterArns": [ARN + "rule/one"]})
    got = [json.loads(m["body"]) for m in r.receive("one", 5)]
    assert [(e["detail"]["n"], e["replay-name"]) for e in got] == [(n, "again") for n in range(5)]
    r.settled()
    assert not r.take("other") and events.describe_archive(ArchiveName="orders")["EventCount"] == 5

    assert said(events.update_archive(ArchiveName="orders", EventPattern='{"source":["nobody"]}', RetentionDays=0)) == {
        "ArchiveArn": ARN + "archive/orders", "State": "ENABLED"}
    put(events, 1)
    r.settled()
    shown = events.describe_archive(ArchiveName="orders")
    assert (shown["EventPattern"], shown["RetentionDays"], shown["EventCount"], shown["Description"]) == (
        '{"source":["nobody"]}', 0, 5, "all of them")
    events.update_archive(ArchiveName="orders", EventPattern="", Description="some")
    put(events, 9)
    r.kill()  # what was answered stays
    r.start()
    r.settled()
    events = client(r)
    shown = events.describe_archive(ArchiveName="orders")
    assert "EventPattern" not in shown and (shown["EventCount"], shown["Description"]) == (6, "some")

    events.delete_archive(ArchiveName="orders")
    assert files(r, "orders") == [] and not (r.folder / "data" / "archives" / "orders").exists()
    refused(events.describe_archive, "ResourceNotFoundException", "Archive orders does not exist.", ArchiveName="orders")
    assert events.create_archive(ArchiveName="orders", EventSourceArn=BUS)["State"] == "ENABLED"
    assert events.describe_archive(ArchiveName="orders")["EventCount"] == 0
    put(events, 1)
    r.settled()
    assert events.describe_archive(ArchiveName="orders")["EventCount"] == 1
    assert r.metric('weir_archive_events{archive="orders"}') in (0, 1, None)
    events.delete_archive(ArchiveName="orders")


def test_what_weir_yaml_declares(r):
    events = client(r)
    shown = events.describe_archive(ArchiveName="declared")
    assert said(shown) == {"ArchiveArn": ARN + "archive/declared", "ArchiveName": "declared", "EventSourceArn": ARN + "event-bus/audit",
                           "Description": "by hand", "EventPattern": '{"source":["shop"]}', "State": "ENABLED", "RetentionDays": 2,
                           "SizeBytes": 0, "EventCount": 0}
    managed = ("ManagedRuleException", "Archive declared is managed. It is declared in weir.yaml, and is changed there.")
    refused(events.update_archive, *managed, ArchiveName="declared", Description="by script")
    refused(events.delete_archive, *managed, ArchiveName="declared")
    refused(events.create_archive, "ResourceAlreadyExistsException", "Archive declared already exists.", ArchiveName="declared",
            EventSourceArn=ARN + "event-bus/audit")
    same = events.update_archive(ArchiveName="declared", EventPattern='{"source": ["shop"]}', RetentionDays=2, Description="by hand")
    assert same["CreationTime"] == shown["CreationTime"]


def test_what_is_refused(r):
    events = client(r)
    refused(events.create_archive, "ResourceNotFoundException", "Event bus none does not exist.", ArchiveName="bad",
            EventSourceArn=ARN + "event-bus/none")
    refused(events.create_archive, "ValidationException",
            "1 validation error detected: Value 'default' at 'eventSourceArn' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^arn:aws([a-z]|\\-)*:events:([a-z]|\\d|\\-)*:([0-9]{12})?:.+\\/.+$",
            ArchiveName="bad", EventSourceArn="default")
    refused(events.create_archive, "ValidationException",
            "1 validation error detected: Value 'a b' at 'archiveName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", ArchiveName="a b",
            EventSourceArn=BUS)
    refused(events.create_archive, "ValidationException",
            "1 validation error detected: Value '40000' at 'retentionDays' failed to satisfy constraint: "
            "Member must have value less than or equal to 36525", ArchiveName="bad", EventSourceArn=BUS,
            RetentionDays=40000)
    refused(events.create_archive, "InvalidEventPatternException",
            'Event pattern is not valid. Reason: "a" must be an object or an array\n'
            ' at [Source: (String)"{"a":1}"; line: 1, column: 7]', ArchiveName="bad", EventSourceArn=BUS,
            EventPattern='{"a":1}')
    refused(events.create_archive, "LimitExceededException", "The requested resource exceeds the maximum number allowed.",
            ArchiveName="bad", EventSourceArn=ARN + "event-bus/tight", EventPattern=json.dumps({"source": ["x" * 2048]}))
    missing = ("ResourceNotFoundException", "Archive none does not exist.")
    refused(events.describe_archive, *missing, ArchiveName="none")
    refused(events.update_archive, *missing, ArchiveName="none", Description="x")
    refused(events.delete_archive, *missing, ArchiveName="none")
    refused(events.update_archive, "ValidationException",
            "At least one of EventPattern, RetentionDays or Description must be provided.",
            ArchiveName="none")
    code, out, err = aws(r, "events", "delete-archive", "--archive-name", "none")
    assert code == 254 and "(ResourceNotFoundException)" in err


def test_lists(r):
    events = client(r)
    for name in ("list-b", "list-a", "list-c"):
        events.create_archive(ArchiveName=name, EventSourceArn=BUS)
    names = lambda **members: [x["ArchiveName"] for x in events.list_archives(**members)["Archives"]]
    assert names() == ["declared", "list-a", "list-b", "list-c"]
    assert names(NamePrefix="list-") == ["list-a", "list-b", "list-c"]
    assert names(EventSourceArn=ARN + "event-bus/audit") == ["declared"] and names(EventSourceArn="none") == []
    assert names(State="ENABLED") == names() and names(State="DISABLED") == []
    first = events.list_archives(NamePrefix="list-", Limit=2)
    assert [x["ArchiveName"] for x in first["Archives"]] == ["list-a", "list-b"]
    assert names(NamePrefix="list-", NextToken=first["NextToken"]) == ["list-c"]
    assert said(first["Archives"][0]) == {"ArchiveName": "list-a", "EventSourceArn": BUS, "State": "ENABLED", "RetentionDays": 0,
                                          "SizeBytes": 0, "EventCount": 0}
    refused(events.list_archives, "ValidationException",
            "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.",
            NamePrefix="a", State="ENABLED")
    refused(events.list_archives, "ValidationException", "Parameter NextToken is not valid.", NextToken="a")
    refused(events.list_archives, "ValidationException",
            "1 validation error detected: Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy "
            "enum value set: [ENABLED, DISABLED, CREATING, UPDATING, CREATE_FAILED, UPDATE_FAILED]", State="ON")
    for name in ("list-b", "list-a", "list-c"):
        events.delete_archive(ArchiveName=name)


def test_a_crash_while_one_is_deleted(r):
    events = client(r)
    for name in ("half", "kept"):
        events.create_archive(ArchiveName=name, EventSourceArn=BUS)
    put(events, 1)
    r.settled()
    r.kill()
    with sqlite3.connect(r.folder / "data" / "weir.db") as db:  # half has left the rule set, kept was only marked
        db.execute("UPDATE archive SET doomed = 1 WHERE name IN ('half', 'kept')")
        assert db.execute("DELETE FROM resource WHERE section = 'archives' AND key = 'half'").rowcount == 1
    r.start()
    events = client(r)
    assert files(r, "half") == [] and len(files(r, "kept")) == 1 and "an archive that was deleted loses its files" in r.logged()
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 1
    assert [x["ArchiveName"] for x in events.list_archives()["Archives"]] == ["declared", "kept"]
    events.delete_archive(ArchiveName="kept")


def test_a_replay_of_one_that_is_deleted(r):
    events = client(r)
    events.create_archive(ArchiveName="short", EventSourceArn=BUS)
    put(events, 1, 2)
    r.settled()
    status, answer = r.post("/_weir/v1/replays", {"name": "cut-off", "archive": "short", "from": "2020-01-01T00:00:00Z",
                                                 "to": "2090-01-01T00:00:00Z", "rate": 0.001})
    assert status == 201, answer
    events.delete_archive(ArchiveName="short")
    shown = wait_until(lambda: (x := events.describe_replay(ReplayName="cut-off"))["State"] == "FAILED" and x, what="the replay to fail")
    assert shown["StateReason"] == "its archive or bus is not configured any more"
    assert shown["EventSourceArn"] == ARN + "archive/short" and "Destination" not in shown
    assert files(r, "short") == []


def test_exported(r, tmp_path):
    events = client(r)
    events.create_archive(ArchiveName="given", EventSourceArn=ARN + "event-bus/audit", EventPattern='{"source": [{"prefix": "sh"}]}',
                          RetentionDays=3, Description="to be written down")
    code, out, err = r.cli("export")
    assert code == 0, err
    file = tmp_path / "weir.yaml"
    file.write_text("version: 1\nbuses: {audit: {}}\n" + "\n".join(l for l in out.splitlines() if not l.startswith("version:")) + "\n")
    code, shown, err = weir("check", "-c", file)
    assert code == 0, err + out
    for line in ("  given:", "bus: audit", "3d", "pattern: {source: [{prefix: sh}]}", "to be written down"):
        assert line in out, out
    assert "declared" not in out and "x-aws" not in out
    events.delete_archive(ArchiveName="given")
