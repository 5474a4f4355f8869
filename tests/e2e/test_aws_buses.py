# SPDX-License-Identifier: Apache-2.0
"""EventBridge's operations on event buses and their permissions, by the real clients."""
import datetime
import json

import pytest

from conftest import Router
from events_client import ARN, SQS, invalid, put, raw, refused, violates
from test_aws import client

CONFIG = """
buses: {audit: {description: What was done}}
queues: {inbox: {}}
rules:
  audit: {bus: audit, pattern: {source: [shop]}, targets: [inbox]}
"""
NOT_FOUND = "ResourceNotFoundException"


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("buses"), CONFIG).start()
    yield router
    router.stop()


def test_a_bus_comes_and_goes(r):
    events = client(r)
    assert events.create_event_bus(Name="orders", Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"] == ARN + "event-bus/orders"
    described = events.describe_event_bus(Name="orders")
    assert (described["Name"], described["Arn"]) == ("orders", ARN + "event-bus/orders")
    assert "Policy" not in described
    assert events.describe_event_bus(Name=ARN + "event-bus/orders")["Name"] == "orders"
    assert events.list_tags_for_resource(ResourceARN=ARN + "event-bus/orders")["Tags"] == [{"Key": "a", "Value": "1"}]
    refused(events.create_event_bus, "ResourceAlreadyExistsException", "Event bus orders already exists.", Name="orders")
    events.put_rule(Name="all", EventBusName="orders", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="all", EventBusName="orders", Targets=[{"Id": "q", "Arn": SQS + "inbox"}])
    put(events, bus="orders", n=1)
    assert json.loads(r.receive("inbox", 1)[0]["body"])["detail"] == {"n": 1}
    refused(events.delete_event_bus, "ValidationException", "EventBus can't be deleted since it has rules.", Name="orders")
    events.remove_targets(Rule="all", EventBusName="orders", Ids=["q"])
    events.delete_rule(Name="all", EventBusName="orders")
    events.delete_event_bus(Name="orders")
    refused(events.describe_event_bus, NOT_FOUND, "Event bus orders does not exist.", Name="orders")
    events.delete_event_bus(Name="orders")


def test_settings_are_kept(r):
    events = client(r)
    settings = {"Description": "a é", "KmsKeyIdentifier": "alias/k", "DeadLetterConfig": {"Arn": SQS + "inbox"},
                "LogConfig": {"IncludeDetail": "FULL", "Level": "INFO"}}
    assert raw(r, "CreateEventBus", Name="set", **settings) == (200, {"EventBusArn": ARN + "event-bus/set", **settings})
    status, shown = raw(r, "DescribeEventBus", Name="set")
    now = datetime.datetime.now().timestamp()
    assert status == 200 and abs(shown.pop("CreationTime") - now) < 60 and abs(shown.pop("LastModifiedTime") - now) < 60
    assert shown == {"Name": "set", "Arn": ARN + "event-bus/set", **settings}
    status, updated = raw(r, "UpdateEventBus", Name="set", Description="", LogConfig={"Level": "OFF"})
    assert (status, updated) == (200, {"Arn": ARN + "event-bus/set", "Name": "set", "LogConfig": {"Level": "OFF"},
                                       "DeadLetterConfig": {"Arn": SQS + "inbox"}})
    assert "Description" not in events.describe_event_bus(Name="set")
    assert raw(r, "UpdateEventBus", Description="ours")[1]["Name"] == "default"
    assert raw(r, "DescribeEventBus")[1]["Description"] == "ours"
    assert raw(r, "UpdateEventBus", Name="gone")[1] == {"__type": NOT_FOUND, "message": "Event bus gone does not exist."}
    events.delete_event_bus(Name="set")


def test_what_weir_yaml_declares_stays(r):
    events = client(r)
    assert raw(r, "DescribeEventBus", Name="audit") == (200, {"Name": "audit", "Arn": ARN + "event-bus/audit",
                                                              "Description": "What was done"})
    managed = ("ManagedRuleException", "Event bus audit is managed. It is declared in weir.yaml, and is changed there.")
    refused(events.delete_event_bus, *managed, Name="audit")
    refused(events.put_permission, *managed, EventBusName="audit", Action="events:PutEvents", Principal="*", StatementId="a")
    refused(events.tag_resource, *managed, ResourceARN=ARN + "event-bus/audit", Tags=[{"Key": "a", "Value": "b"}])
    assert raw(r, "UpdateEventBus", Name="audit", Description="")[1]["__type"] == "ManagedRuleException"
    refused(events.create_event_bus, "ResourceAlreadyExistsException", "Event bus audit already exists.", Name="audit")
    assert events.list_tags_for_resource(ResourceARN=ARN + "event-bus/audit")["Tags"] == []


def test_the_default_bus_may_stand_in_both(router):
    r = router("buses: {default: {description: ours, strict: aws}}")
    events = client(r)
    managed = {"__type": "ManagedRuleException", "message": "Event bus default is managed. It is declared in weir.yaml, and is changed there."}
    assert raw(r, "UpdateEventBus", Description="d") == (400, managed)
    assert raw(r, "UpdateEventBus", LogConfig={"Level": "OFF"})[0] == 200
    events.put_permission(Action="events:PutEvents", Principal="*", StatementId="a")
    status, shown = raw(r, "DescribeEventBus")
    assert (shown["Description"], shown["LogConfig"]) == ("ours", {"Level": "OFF"}) and "Policy" in shown
    refused(events.put_rule, "LimitExceededException", "The requested resource exceeds the maximum number allowed.", Name="a",
            EventPattern=json.dumps({"source": ["s" * 2048]}))


def test_names(r):
    events = client(r)
    refused(events.delete_event_bus, "ValidationException", "Cannot delete event bus default.", Name="default")
    refused(events.create_event_bus, "ValidationException", "EventBus name starting with 'aws.' is not valid.", Name="aws.mine")
    refused(events.create_event_bus, "ValidationException", "Event bus name must not contain '/'.", Name="a/b")
    refused(events.create_event_bus, NOT_FOUND, "Event source aws.partner/shop.example/a does not exist.",
            Name="aws.partner/shop.example/a", EventSourceName="aws.partner/shop.example/a")
    refused(events.describe_event_bus, NOT_FOUND, "Event bus audit does not exist.",
            Name="arn:aws:events:eu-west-1:000000000000:event-bus/audit")
    violates(r, "CreateEventBus", "'a b'", "name", r"Member must satisfy regular expression pattern: [/\.\-_A-Za-z0-9]+", Name="a b")
    violates(r, "CreateEventBus", "null", "name", "Member must not be null")
    violates(r, "CreateEventBus", "'HIGH'", "logConfig.level",
             "Member must satisfy enum value set: [OFF, ERROR, INFO, TRACE]", Name="a", LogConfig={"Level": "HIGH"})
    violates(r, "ListEventBuses", "'101'", "limit", "Member must have value less than or equal to 100", Limit=101)


def test_pages(r):
    events = client(r)
    names = [f"page-{n:02d}" for n in range(7)]
    for name in names:
        events.create_event_bus(Name=name)
    first = events.list_event_buses(NamePrefix="page-", Limit=3)
    assert [b["Name"] for b in first["EventBuses"]] == names[:3]
    events.delete_event_bus(Name=names[2])  # a page goes on behind a name, there or not
    second = events.list_event_buses(NamePrefix="page-", Limit=3, NextToken=first["NextToken"])
    assert [b["Name"] for b in second["EventBuses"]] == names[3:6]
    last = events.list_event_buses(NamePrefix="page-", Limit=3, NextToken=second["NextToken"])
    assert [b["Name"] for b in last["EventBuses"]] == names[6:] and "NextToken" not in last
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["audit", "default", *names[:2], *names[3:]]
    refused(events.list_event_buses, "ValidationException", "Parameter NextToken is not valid.", NextToken="made up")
    refused(events.list_rules, "ValidationException", "Parameter NextToken is not valid.", NextToken=first["NextToken"])
    for name in names:
        events.delete_event_bus(Name=name)


def test_permissions(r):
    events = client(r)
    arn = ARN + "event-bus/shared"
    policy = lambda: json.loads(events.describe_event_bus(Name="shared")["Policy"])
    refused(events.put_permission, NOT_FOUND, "Event bus shared does not exist.", EventBusName="shared", Action="events:PutEvents",
            Principal="*", StatementId="a")
    events.create_event_bus(Name="shared")
    refused(events.remove_permission, NOT_FOUND, "EventBus does not have a policy.", EventBusName="shared", StatementId="a")
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal="111122223333", StatementId="one")
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal="*", StatementId="org",
                          Condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"})
    one = {"Sid": "one", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "events:PutEvents",
           "Resource": arn}
    org = {**one, "Sid": "org", "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    assert policy() == {"Version": "2012-10-17", "Statement": [one, org]}
    assert {b["Name"]: json.loads(b["Policy"]) for b in events.list_event_buses()["EventBuses"] if "Policy" in b} == {"shared": policy()}
    events.put_permission(EventBusName="shared", Action="events:PutEvents", Principal="*", StatementId="one")
    assert policy()["Statement"] == [org, {**one, "Principal": "*"}]
    refused(events.remove_permission, NOT_FOUND, "Statement with the provided id does not exist.", EventBusName="shared", StatementId="x")
    events.remove_permission(EventBusName="shared", StatementId="org")
    events.remove_permission(EventBusName="shared", StatementId="one")
    assert "Policy" not in events.describe_event_bus(Name="shared")
    whole = '{ "Statement": {"Sid": "s", "Effect": "Allow"} }'
    events.put_permission(EventBusName="shared", Policy=whole)
    assert events.describe_event_bus(Name="shared")["Policy"] == whole
    events.remove_permission(EventBusName="shared", RemoveAllPermissions=True)
    assert "Policy" not in events.describe_event_bus(Name="shared")
    refused(events.put_permission, "PolicyLengthExceededException", "The policy of event bus shared would be longer than 10240 characters.",
            EventBusName="shared", Policy=json.dumps({"Statement": [{"Sid": "s" * 10240}]}))
    for members, message in (
        ({"Policy": whole, "Principal": "*"}, "Parameter Policy cannot be combined with Action, Principal, StatementId or Condition."),
        ({"Policy": "[]"}, "Parameter Policy is not valid. Reason: the policy is not a JSON object."),
        ({"Policy": "{}"}, "Parameter Policy is not valid. Reason: the policy has no statements."),
        ({"Principal": "*"}, "Parameter(s) Action, Principal and StatementId, or Policy must be specified."),
        ({"Principal": "*", "StatementId": "a", "Action": "events:PutRule"}, "Provided value in parameter 'action' is not supported."),
    ):
        refused(events.put_permission, "ValidationException", message, EventBusName="shared", **members)
    invalid(r, "RemovePermission", "Parameter(s) StatementId or RemoveAllPermissions must be specified.", EventBusName="shared")
    violates(r, "PutPermission", "'me'", "principal", r"Member must satisfy regular expression pattern: (\d{12}|\*)", Principal="me")
    events.put_permission(Action="events:PutEvents", Principal="*", StatementId="a")  # of the default bus
    assert json.loads(events.describe_event_bus()["Policy"])["Statement"][0]["Resource"] == ARN + "event-bus/default"
    events.remove_permission(StatementId="a")
    events.delete_event_bus(Name="shared")
