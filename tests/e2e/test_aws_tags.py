# SPDX-License-Identifier: Apache-2.0
"""Tags of EventBridge's rules and event buses, and that what the API made outlives the router."""
import json

import pytest

from conftest import Router, weir
from events_client import ARN, SQS, put, raw, refused, violates
from test_aws import client

CONFIG = """
buses: {audit: {}}
queues: {inbox: {}}
rules: {filed: {pattern: {source: [filed]}, targets: [inbox]}}
"""
NOT_FOUND = "ResourceNotFoundException"


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("tags"), CONFIG).start()
    yield router
    router.stop()


def tags_of(events, arn):
    return {t["Key"]: t["Value"] for t in events.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def as_list(tags):
    return [{"Key": k, "Value": v} for k, v in tags.items()]


@pytest.mark.parametrize("arn", ["rule/tagged", "rule/audit/tagged", "event-bus/tagged", "event-bus/default"])
def test_tags_come_and_go(r, arn):
    events = client(r)
    arn = ARN + arn
    bus = "audit" if "audit" in arn else "default"
    if ":rule/" in arn:
        events.put_rule(Name="tagged", EventBusName=bus, EventPattern='{"source":["s"]}', Tags=as_list({"é": "1", "b": ""}))
    elif "default" in arn:
        events.tag_resource(ResourceARN=arn, Tags=as_list({"é": "1", "b": ""}))
    else:
        events.create_event_bus(Name="tagged", Tags=as_list({"é": "1", "b": ""}))
    assert tags_of(events, arn) == {"é": "1", "b": ""}
    events.tag_resource(ResourceARN=arn, Tags=as_list({"b": "2", "c": "3"}))
    assert tags_of(events, arn) == {"é": "1", "b": "2", "c": "3"}
    events.untag_resource(ResourceARN=arn, TagKeys=["é", "c", "never"])
    assert tags_of(events, arn) == {"b": "2"}
    refused(events.tag_resource, "ValidationException", "A resource can have at most 50 tags; this one would have 51.", ResourceARN=arn,
            Tags=as_list({f"k{n}": "v" for n in range(50)}))
    events.tag_resource(ResourceARN=arn, Tags=as_list({f"k{n}": "v" for n in range(49)}))
    assert len(tags_of(events, arn)) == 50
    if ":rule/" in arn:
        assert events.describe_rule(Name="tagged", EventBusName=bus)["EventPattern"] == '{"source":["s"]}'
        events.delete_rule(Name="tagged", EventBusName=bus)
        refused(events.list_tags_for_resource, NOT_FOUND, f"Rule tagged does not exist on EventBus {bus}.", ResourceARN=arn)


def test_what_is_refused(r):
    events = client(r)
    many, message = as_list({f"k{n}": "v" for n in range(60)}), "A resource can have at most 50 tags; this one would have 60."
    refused(events.put_rule, "ValidationException", message, Name="many", EventPattern='{"source":["s"]}', Tags=many)
    refused(events.create_event_bus, "ValidationException", message, Name="many", Tags=many)
    assert tags_of(events, ARN + "rule/filed") == {}
    for arn, message in ((ARN + "rule/gone", "Rule gone does not exist on EventBus default."),
                         (ARN + "rule/audit/gone", "Rule gone does not exist on EventBus audit."),
                         (ARN + "rule/nowhere/gone", "Event bus nowhere does not exist."),
                         (ARN + "event-bus/nowhere", "Event bus nowhere does not exist.")):
        refused(events.list_tags_for_resource, NOT_FOUND, message, ResourceARN=arn)
        refused(events.tag_resource, NOT_FOUND, message, ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
        refused(events.untag_resource, NOT_FOUND, message, ResourceARN=arn, TagKeys=["a"])
    for arn in ("rule", ARN + "archive/a", "arn:aws:events:eu-west-1:000000000000:rule/filed"):
        refused(events.list_tags_for_resource, "ValidationException",
                "Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.", ResourceARN=arn)
    violates(r, "TagResource", "''", "tags.1.member.key", "Member must have length greater than or equal to 1",
             ResourceARN=ARN + "event-bus/default", Tags=[{"Key": "", "Value": ""}])
    violates(r, "UntagResource", "''", "tagKeys.1.member", "Member must have length greater than or equal to 1",
             ResourceARN=ARN + "event-bus/default", TagKeys=[""])
    violates(r, "UntagResource", "null", "tagKeys", "Member must not be null", ResourceARN=ARN + "event-bus/default")
    assert raw(r, "TagResource", ResourceARN=1)[1]["__type"] == "SerializationException"


def everything(events):
    rules = events.list_rules(EventBusName="made")["Rules"]
    shown = (rules, [events.list_targets_by_rule(Rule=x["Name"], EventBusName="made")["Targets"] for x in rules],
             events.describe_event_bus(Name="made"), tags_of(events, ARN + "rule/made/one"), tags_of(events, ARN + "event-bus/made"))
    shown[2].pop("ResponseMetadata")
    return shown


def test_a_router_finds_again_what_the_api_made(router):
    r = router(CONFIG)
    events = client(r)
    events.create_event_bus(Name="made", Tags=as_list({"a": "1"}))
    events.put_permission(EventBusName="made", Action="events:PutEvents", Principal="*", StatementId="s")
    events.put_rule(Name="one", EventBusName="made", EventPattern='{ "source": ["made"] }', Description="d", Tags=as_list({"b": "2"}))
    events.put_rule(Name="two", EventBusName="made", EventPattern='{"source":["x"]}', State="DISABLED")
    events.put_targets(Rule="one", EventBusName="made", Targets=[
        {"Id": "q", "Arn": SQS + "inbox", "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "{\"n\": <n>}"}},
        {"Id": "away", "Arn": SQS + "later", "DeadLetterConfig": {"Arn": SQS + "inbox"}, "Input": "1"}])
    before = everything(events)
    for end in (r.stop, r.kill):
        end()
        r.start()
        events = client(r)
        assert everything(events) == before
        put(events, source="made", bus="made", n=5)
        assert {m["body"] for m in r.receive("inbox", 2)} > {'{"n":5}'}
    events.delete_rule(Name="two", EventBusName="made")
    r.kill()
    r.start()
    assert [x["Name"] for x in client(r).list_rules(EventBusName="made")["Rules"]] == ["one"]


def test_what_the_api_made_becomes_a_file(router):
    """weir export gives rules that weir check takes, and that do the same in a router of their own."""
    r = router(CONFIG)
    events = client(r)
    events.create_event_bus(Name="made")
    events.put_rule(Name="one", EventBusName="made", Description="it's: a # rule",
                    EventPattern='{"source": ["made"], "detail": {"a": ["yes"]}, "detail": {"n": [{"numeric": [">", 1.50]}]}}')
    events.put_rule(Name="off", State="DISABLED", ScheduleExpression="rate(1 hour)")
    inputs = ['{"a": 1.50, "b": "yes"}', '{"a": 1, "a": 2}', '"text"', '"[1]"', "12", "null"]
    targets = [{"Id": str(n), "Arn": SQS + "inbox", "Input": text, "RetryPolicy": {"MaximumRetryAttempts": n}}
               for n, text in enumerate(inputs)]
    targets += [{"Id": "path", "Arn": "inbox", "InputPath": "$.detail"},
                {"Id": "away", "Arn": SQS + "later"},  # is not in the file, which takes no names of nothing
                {"Id": "template", "Arn": "queue/inbox",
                 "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '"line <n>"\n"two"'}}]
    events.put_targets(Rule="one", EventBusName="made", Targets=targets)
    code, out, err = r.cli("export")
    assert code == 0 and "# left out: rules/made/one/targets/away/target" in out, err
    put(events, source="made", bus="made", a="yes", n=2)
    bodies = sorted(m["body"] for m in r.receive("inbox", 8))
    r.stop()
    r.configure(CONFIG + "include: [made.yaml]\ndata: ./other\n")
    (r.folder / "made.yaml").write_text(out)
    assert weir("check", r.file)[0] == 0
    r.start()
    events = client(r)
    assert events.describe_rule(Name="one", EventBusName="made")["ManagedBy"] == "weir.yaml"
    put(events, source="made", bus="made", a="yes", n=2)
    assert sorted(m["body"] for m in r.receive("inbox", 8)) == bodies
    shown = {t["Id"]: t for t in events.list_targets_by_rule(Rule="one", EventBusName="made")["Targets"]}
    assert [shown[str(n)]["RetryPolicy"] for n in range(6)] == [t["RetryPolicy"] for t in targets[:6]]
    assert shown["template"]["InputTransformer"] == targets[-1]["InputTransformer"]
