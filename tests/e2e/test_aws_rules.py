# SPDX-License-Identifier: Apache-2.0
"""EventBridge's operations on rules, by the real clients."""
import json

import pytest

from conftest import Router, weir
from events_client import ARN, SNS, SQS, put, raw, refused, violates
from test_aws import aws, client

CONFIG = """
buses: {audit: {}, tight: {strict: aws}}
queues: {inbox: {}, one: {}, two: {}, three: {}}
topics: {news: {subscriptions: [{target: one, raw_message_delivery: true}, {target: two, raw_message_delivery: true}, three]}}
archives: {kept: {bus: audit, pattern: {source: [shop]}}}
rules:
  filed:
    description: by the file
    pattern: {source: [filed], detail: {n: [{numeric: [">", 1]}], $or: [{a: [1]}, {b: [2]}]}}
    targets: [inbox]
  off: {state: disabled, schedule: rate(5 minutes), targets: [inbox]}
  trail: {bus: audit, state: enabled_with_all_cloudtrail_management_events, pattern: {source: [shop]}, targets: [inbox]}
"""
NOT_FOUND = "ResourceNotFoundException"
PATTERN = '{ "source": ["shop"] }'
MANAGED = " is a managed rule. It is declared in weir.yaml, or belongs to an archive, and is changed there."


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("rules"), CONFIG).start()
    yield router
    router.stop()


def without_metadata(answer):
    answer.pop("ResponseMetadata")
    return answer


def remove(events, name, bus="default"):
    ids = [t["Id"] for t in events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]]
    if ids:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=ids)
    events.delete_rule(Name=name, EventBusName=bus)


def test_a_rule_comes_changes_and_goes(r):
    events = client(r)
    assert events.put_rule(Name="orders", EventPattern=PATTERN, Description="d", RoleArn="arn:aws:iam::1:role/r", State="DISABLED",
                           Tags=[{"Key": "a", "Value": "1"}])["RuleArn"] == ARN + "rule/orders"
    assert without_metadata(events.describe_rule(Name="orders")) == {
        "Name": "orders", "Arn": ARN + "rule/orders", "EventPattern": PATTERN, "State": "DISABLED", "Description": "d",
        "RoleArn": "arn:aws:iam::1:role/r", "EventBusName": "default", "CreatedBy": "000000000000"}
    events.put_targets(Rule="orders", Targets=[{"Id": "q", "Arn": SQS + "inbox"}])
    put(events, n=1)
    events.enable_rule(Name="orders")
    assert events.describe_rule(Name="orders")["State"] == "ENABLED"
    put(events, n=2)
    assert [json.loads(m["body"])["detail"] for m in r.receive("inbox", 1)] == [{"n": 2}]
    events.put_rule(Name="orders", EventPattern='{"source":["other"]}', Tags=[{"Key": "b", "Value": "2"}])  # all anew but targets, tags
    assert without_metadata(events.describe_rule(Name="orders")) == {
        "Name": "orders", "Arn": ARN + "rule/orders", "EventPattern": '{"source":["other"]}', "State": "ENABLED",
        "EventBusName": "default", "CreatedBy": "000000000000"}
    assert events.list_tags_for_resource(ResourceARN=ARN + "rule/orders")["Tags"] == [{"Key": "a", "Value": "1"}]
    put(events, n=3), put(events, source="other", n=4)
    assert [json.loads(m["body"])["detail"] for m in r.receive("inbox", 1)] == [{"n": 4}]
    events.disable_rule(Name="orders")
    assert events.describe_rule(Name="orders")["State"] == "DISABLED"
    refused(events.delete_rule, "ValidationException", "Rule can't be deleted since it has targets.", Name="orders")
    refused(events.delete_rule, "ValidationException", "Rule can't be deleted since it has targets.", Name="orders", Force=True)
    events.remove_targets(Rule="orders", Ids=["q"])
    events.delete_rule(Name="orders")
    refused(events.describe_rule, NOT_FOUND, "Rule orders does not exist on EventBus default.", Name="orders")
    events.delete_rule(Name="orders")


def test_on_another_bus(r):
    events = client(r)
    bus = ARN + "event-bus/audit"
    assert events.put_rule(Name="there", EventBusName=bus, EventPattern=PATTERN)["RuleArn"] == ARN + "rule/audit/there"
    shown = events.describe_rule(Name="there", EventBusName="audit")
    assert (shown["Arn"], shown["EventBusName"]) == (ARN + "rule/audit/there", "audit")
    refused(events.describe_rule, NOT_FOUND, "Rule there does not exist on EventBus default.", Name="there")
    events.put_rule(Name="there", EventPattern='{"source":["here"]}')  # another one of the same name
    assert events.describe_rule(Name="there", EventBusName=bus)["EventPattern"] == PATTERN
    events.delete_rule(Name="there", EventBusName=bus)
    assert events.describe_rule(Name="there")["EventPattern"] == '{"source":["here"]}'
    events.delete_rule(Name="there")
    nowhere = (NOT_FOUND, "Event bus nowhere does not exist.")
    refused(events.put_rule, *nowhere, Name="a", EventBusName="nowhere", EventPattern=PATTERN)
    for call in (events.describe_rule, events.enable_rule, events.disable_rule, events.delete_rule):
        refused(call, *nowhere, Name="a", EventBusName="nowhere")
    refused(events.list_rules, *nowhere, EventBusName="nowhere")
    refused(events.list_rule_names_by_target, *nowhere, EventBusName="nowhere", TargetArn="a")
    for call in (events.enable_rule, events.disable_rule):
        refused(call, NOT_FOUND, "Rule a does not exist on EventBus audit.", Name="a", EventBusName="audit")


def test_what_is_refused(r):
    events = client(r)
    refused(events.put_rule, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.", Name="a")
    for schedule in ("rate(1 minutes)", "rate(5 minute)", "cron(0 10 * * MON *)", "at noon"):
        refused(events.put_rule, "ValidationException", "Parameter ScheduleExpression is not valid.", Name="a", ScheduleExpression=schedule)
    refused(events.put_rule, "ValidationException", "ScheduleExpression is supported only on the default event bus.", Name="a",
            EventBusName="audit", ScheduleExpression="rate(1 minute)")
    invalid = "Event pattern is not valid. Reason: "
    for pattern, reason in (
        ('{"a": [{"regex": "x"}]}', 'Unrecognized match type regex\n at [Source: (String)"{"a": [{"regex": "x"}]}"; line: 1, column: 19]'),
        ("{}", "Empty objects are not allowed\n at [Source: (String)\"{}\"; line: 1, column: 3]"),
        (json.dumps({"a": [{"wildcard": "a*" * 30}]}), "Rule is too complex - try using fewer wildcard characters or fewer repeating "
         "character sequences after a wildcard character"),
    ):
        refused(events.put_rule, "InvalidEventPatternException", invalid + reason, Name="a", EventPattern=pattern)
    refused(events.put_rule, "ValidationException", "1 validation error detected: Value 'ON' at 'state' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]",
            Name="a", EventPattern=PATTERN, State="ON")
    violates(r, "PutRule", "'" + "p" * 4097 + "'", "eventPattern", "Member must have length less than or equal to 4096", Name="a",
             EventPattern="p" * 4097)
    violates(r, "PutRule", "'a b'", "name", r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+", Name="a b",
             EventPattern=PATTERN)
    status, answer = raw(r, "PutRule", Name="n" * 65, EventPattern=PATTERN, Tags=[{"Key": ""}], Description="d" * 513)
    assert (status, answer["message"].split(":")[0]) == (400, "4 validation errors detected")
    assert "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null" in answer["message"]
    assert events.list_rules()["Rules"][0]["Name"] == "filed"


def test_schedules_and_states(r):
    events = client(r)
    events.put_rule(Name="both", ScheduleExpression="rate(1 hour)", EventPattern=PATTERN,
                    State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    shown = events.describe_rule(Name="both")
    assert (shown["ScheduleExpression"], shown["EventPattern"], shown["State"]) == (
        "rate(1 hour)", PATTERN, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    events.put_rule(Name="both", ScheduleExpression="cron(0 10 ? * MON-FRI *)")
    shown = events.describe_rule(Name="both")
    assert "EventPattern" not in shown and shown["State"] == "ENABLED"
    events.delete_rule(Name="both")


def test_a_pattern_that_repeats_a_key(r):
    """AWS takes the last of two equal paths; what was sent is what is shown."""
    events = client(r)
    pattern = '{"detail": {"a": [1], "b": [1]}, "source": ["twice"], "detail": {"a": [2]}}'
    events.put_rule(Name="twice", EventPattern=pattern)
    events.put_targets(Rule="twice", Targets=[{"Id": "q", "Arn": SQS + "inbox"}])
    assert events.describe_rule(Name="twice")["EventPattern"] == pattern
    put(events, source="twice", a=1, b=1), put(events, source="twice", a=2), put(events, source="twice", a=2, b=1)
    assert [json.loads(m["body"])["detail"] for m in r.receive("inbox", 1)] == [{"a": 2, "b": 1}]
    remove(events, "twice")


def test_what_weir_yaml_declares_is_shown_and_stays(r):
    events = client(r)
    shown = events.describe_rule(Name="filed")
    assert json.loads(shown.pop("EventPattern")) == {"source": ["filed"], "detail": {"n": [{"numeric": [">", 1]}]},
                                                     "$or": [{"detail": {"a": [1]}}, {"detail": {"b": [2]}}]}
    assert without_metadata(shown) == {"Name": "filed", "Arn": ARN + "rule/filed", "State": "ENABLED", "Description": "by the file",
                                       "ManagedBy": "weir.yaml", "EventBusName": "default", "CreatedBy": "000000000000"}
    off = without_metadata(events.describe_rule(Name="off"))
    assert (off["State"], off["ScheduleExpression"], off["ManagedBy"]) == ("DISABLED", "rate(5 minutes)", "weir.yaml")
    assert events.describe_rule(Name="trail", EventBusName="audit")["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    for call, members in (
        (events.put_rule, {"Name": "filed", "EventPattern": PATTERN}),
        (events.disable_rule, {"Name": "filed"}),
        (events.delete_rule, {"Name": "filed"}),
        (events.delete_rule, {"Name": "filed", "Force": True}),
        (events.put_targets, {"Rule": "filed", "Targets": [{"Id": "x", "Arn": SQS + "one"}]}),
        (events.remove_targets, {"Rule": "filed", "Ids": ["inbox"], "Force": True}),
        (events.tag_resource, {"ResourceARN": ARN + "rule/filed", "Tags": [{"Key": "a", "Value": "b"}]}),
    ):
        refused(call, "ManagedRuleException", "filed" + MANAGED, **members)
    events.enable_rule(Name="filed")  # as it is: no change
    events.put_rule(Name="filed", Description="by the file",
                    EventPattern=json.dumps({"$or": [{"detail.a": [1]}, {"detail": {"b": [2]}}],
                                             "detail": {"n": [{"numeric": [">", 1.0]}]}, "source": ["filed"]}))
    events.put_targets(Rule="filed", Targets=[{"Id": "inbox", "Arn": SQS + "inbox"}])
    archive = events.describe_rule(Name="Events-Archive-kept", EventBusName="audit")
    assert archive["ManagedBy"] == "weir.yaml" and archive["EventPattern"] == '{"source":["shop"],"replay-name":[{"exists":false}]}'
    refused(events.disable_rule, "ManagedRuleException", "Events-Archive-kept" + MANAGED, Name="Events-Archive-kept", EventBusName="audit")


def test_pages(r):
    events = client(r)
    names = [f"page-{n:02d}" for n in range(5)]
    for name in reversed(names):
        events.put_rule(Name=name, EventPattern=PATTERN)
        events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": SQS + "three"}])
    first = events.list_rules(NamePrefix="page-", Limit=2)
    assert [x["Name"] for x in first["Rules"]] == names[:2] and first["Rules"][0]["EventPattern"] == PATTERN
    pages = events.get_paginator("list_rules").paginate(NamePrefix="page-", PaginationConfig={"PageSize": 2})
    assert [[x["Name"] for x in page["Rules"]] for page in pages] == [names[:2], names[2:4], names[4:]]
    pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=SQS + "three", PaginationConfig={"PageSize": 3})
    assert [page["RuleNames"] for page in pages] == [names[:3], names[3:]]
    assert events.list_rule_names_by_target(TargetArn="queue/three")["RuleNames"] == names
    assert events.list_rule_names_by_target(TargetArn=SQS + "two")["RuleNames"] == []
    assert events.list_rule_names_by_target(TargetArn=SQS + "inbox")["RuleNames"] == ["filed", "off"]
    assert [x["Name"] for x in events.list_rules(EventBusName="audit")["Rules"]] == ["Events-Archive-kept", "trail"]
    for operation, members in (("ListRules", {}), ("ListRuleNamesByTarget", {"TargetArn": "a"}), ("ListTargetsByRule", {"Rule": "filed"})):
        status, answer = raw(r, operation, NextToken="x", **members)
        assert (status, answer["message"]) == (400, "Parameter NextToken is not valid.")
    violates(r, "ListRules", "'0'", "limit", "Member must have value greater than or equal to 1", Limit=0)
    for name in names:
        remove(events, name)


def test_quotas_of_a_strict_bus(r):
    events = client(r)
    limit = ("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    refused(events.put_rule, *limit, Name="long", EventBusName="tight", EventPattern=json.dumps({"source": ["s" * 2048]}))
    events.put_rule(Name="five", EventBusName="tight", EventPattern=PATTERN)
    wild = '{"source": [{"anything-but": {"wildcard": "a*b"}}]}'
    for n in range(30):
        events.put_rule(Name=f"wild-{n}", EventBusName="tight", EventPattern=wild)
    events.put_rule(Name="wild-0", EventBusName="tight", EventPattern=wild)
    refused(events.put_rule, *limit, Name="five", EventBusName="tight", EventPattern=wild)
    for n in range(30):
        events.delete_rule(Name=f"wild-{n}", EventBusName="tight")
    targets = [{"Id": str(n), "Arn": SQS + "inbox"} for n in range(6)]
    refused(events.put_targets, *limit, Rule="five", EventBusName="tight", Targets=targets)
    events.put_targets(Rule="five", EventBusName="tight", Targets=targets[:5])
    refused(events.put_targets, *limit, Rule="five", EventBusName="tight", Targets=targets[5:])
    remove(events, "five", "tight")


def test_a_fan_out(r):
    """A rule, a topic, three queues."""
    events = client(r)
    events.put_rule(Name="fan", EventPattern='{"source": ["fan"], "detail": {"n": [{"numeric": [">", 1]}]}}')
    events.put_targets(Rule="fan", Targets=[{"Id": "t", "Arn": SNS + "news", "InputPath": "$.detail"}])
    put(events, source="fan", n=1), put(events, source="fan", n=2)
    assert [m["body"] for m in r.receive("one", 1)] == ['{"n":2}']
    assert [m["body"] for m in r.receive("two", 1)] == ['{"n":2}']
    assert [json.loads(m["body"])["Message"] for m in r.receive("three", 1)] == ['{"n":2}']
    remove(events, "fan")


def test_a_rule_is_live_at_the_answer(r):
    events = client(r)
    for n in range(100):
        name = f"live-{n % 5}"
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["live"], "detail": {"n": [n]}}))
        if n < 5:
            events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": SQS + "inbox"}])
        put(events, source="live", n=n)
    assert [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 100)] == list(range(100))
    for n in range(5):
        remove(events, f"live-{n}")


def test_the_aws_command(r):
    client(r).put_rule(Name="by-hand", EventPattern=PATTERN)
    code, out, err = aws(r, "events", "put-targets", "--rule", "by-hand", "--targets", f"Id=a,Arn={SQS}inbox,InputPath=$.detail")
    assert code == 0 and json.loads(out) == {"FailedEntryCount": 0, "FailedEntries": []}, err
    assert client(r).list_targets_by_rule(Rule="by-hand")["Targets"] == [{"Id": "a", "Arn": SQS + "inbox", "InputPath": "$.detail"}]
    remove(client(r), "by-hand")
