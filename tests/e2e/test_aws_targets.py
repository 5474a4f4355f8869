# SPDX-License-Identifier: Apache-2.0
"""EventBridge's operations on the targets of rules, by the real clients."""
import concurrent.futures
import json

import pytest

from conftest import Router, wait_until
from events_client import ARN, SNS, SQS, put, raw, refused, violates
from test_aws import client

CONFIG = """
buses: {audit: {}}
queues: {inbox: {}, letters: {}, orders.fifo: {}, audited: {}}
topics: {news: {subscriptions: [{target: inbox, raw_message_delivery: true}]}}
functions: {thumbs: {command: [cat]}}
targets: {hook: {type: file, path: ./hook.ndjson}}
archives: {kept: {}}
rules:
  audited: {bus: audit, pattern: {source: [shop]}, targets: [audited]}
  filed:
    pattern: {source: [filed]}
    targets:
      - {target: inbox, id: path, input_path: $.detail, retry_policy: {maximum_retry_attempts: 3, maximum_event_age: 1h}}
      - {target: inbox, id: constant, input: {a: 1}, dead_letter: letters}
      - {target: orders.fifo, id: fifo, sqs_parameters: {message_group_id: $.detail.group}}
      - {target: hook, id: text, input_transformer: {input_paths_map: {n: $.detail.n}, input_template: '"<n>: <aws.events.rule-name>"'}}
"""
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:"
NOT_FOUND = "ResourceNotFoundException"


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("targets"), CONFIG).start()
    yield router
    router.stop()


@pytest.fixture
def events(r):
    """A client, and the rule `rule` for events of shop, without targets; both go."""
    events = client(r)
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    yield events
    ids = [t["Id"] for t in listed(events)]
    if ids:
        events.remove_targets(Rule="rule", Ids=ids)
    events.delete_rule(Name="rule")


def listed(events, rule="rule"):
    return events.list_targets_by_rule(Rule=rule)["Targets"]


def put_targets(events, *targets):
    answer = events.put_targets(Rule="rule", Targets=[{"Id": f"t{n}", **t} for n, t in enumerate(targets)])
    assert (answer["FailedEntryCount"], answer["FailedEntries"]) == (0, [])


def test_as_many_as_a_rule_may_have_with_inputs_as_long_as_they_may_be(events):
    targets = [{"Arn": SQS + "inbox", "Input": json.dumps("x" * 8190)} for _ in range(100)]
    put_targets(events, *targets)
    pages = events.get_paginator("list_targets_by_rule").paginate(Rule="rule")
    kept = {t["Id"]: t["Input"] for page in pages for t in page["Targets"]}
    assert kept == {f"t{n}": t["Input"] for n, t in enumerate(targets)}


def bodies(r, queue, count):
    return sorted(m["body"] for m in r.receive(queue, count))


def test_targets_come_change_and_go(r, events):
    first = {"Id": "a", "Arn": SQS + "inbox", "InputPath": "$.detail"}
    assert events.put_targets(Rule="rule", Targets=[first, {"Id": "b", "Arn": SQS + "audited"}])["FailedEntryCount"] == 0
    assert listed(events) == [first, {"Id": "b", "Arn": SQS + "audited"}]
    put(events, n=1)
    assert bodies(r, "inbox", 1) == ['{"n":1}'] and len(r.receive("audited", 1)) == 1
    first = {"Id": "a", "Arn": SQS + "inbox", "Input": '{ "fixed": 1.0 }'}
    events.put_targets(Rule="rule", Targets=[first])  # in the place of the earlier one
    assert listed(events) == [first, {"Id": "b", "Arn": SQS + "audited"}]
    put(events, n=2)
    assert bodies(r, "inbox", 1) == ['{"fixed":1.0}'] and len(r.receive("audited", 1)) == 1
    answer = events.remove_targets(Rule="rule", Ids=["b", "gone"])
    assert (answer["FailedEntryCount"], answer["FailedEntries"]) == (1, [
        {"TargetId": "gone", "ErrorCode": NOT_FOUND, "ErrorMessage": "Rule rule does not have a target with the Id gone."}])
    assert listed(events) == [first]
    put(events, n=3)
    assert bodies(r, "inbox", 1) == ['{"fixed":1.0}'] and r.receive("audited") == []


def test_every_kind_of_target(r, events):
    put_targets(events, {"Arn": SQS + "inbox"}, {"Arn": SNS + "news", "InputPath": "$.detail"},
                {"Arn": LAMBDA + "thumbs"}, {"Arn": ARN + "event-bus/audit"}, {"Arn": ARN + "archive/kept"},
                {"Arn": SQS + "orders.fifo", "SqsParameters": {"MessageGroupId": "g"}})
    r.settled()
    invoked = r.metric('weir_deliveries_total{bus="default",rule="rule",target="function/thumbs",result="delivered"}') or 0
    ident = put(events, n=1)
    assert sorted(len(m["body"]) > 9 for m in r.receive("inbox", 2)) == [False, True]
    assert json.loads(r.receive("audited", 1)[0]["body"])["id"] == ident
    assert [json.loads(m["body"])["id"] for m in r.receive("orders.fifo", 1)] == [ident]
    r.settled()
    assert r.metric('weir_deliveries_total{bus="default",rule="rule",target="function/thumbs",result="delivered"}') == invoked + 1


def test_targets_by_name(r, events):
    targets = [{"Id": "a", "Arn": "inbox"}, {"Id": "b", "Arn": "bus/audit"}, {"Id": "c", "Arn": "hook"}]
    events.put_targets(Rule="rule", Targets=targets)
    assert listed(events) == targets
    assert "rule" in events.list_rule_names_by_target(TargetArn=SQS + "inbox")["RuleNames"]
    ident = put(events, n=1)
    assert [json.loads(m["body"])["id"] for q in ("inbox", "audited") for m in r.receive(q, 1)] == [ident] * 2
    wait_until(lambda: ident in (r.folder / "hook.ndjson").read_text(), what="the file")


def test_input_transformers(r, events):
    for paths, template, wanted in (
        ({"n": "$.detail.n", "who": "$.detail.who"}, '{"n": <n>, "text": "<who> said <n>"}', '{"n":7,"text":"me said 7"}'),
        ({}, '"<aws.events.rule-name> <aws.events.rule-arn>"', f'"rule {ARN}rule/rule"'),
        ({"n": "$.detail.n"}, '"line <n>"\n"two"', '"line 7"\n"two"'),
    ):
        transformer = {"InputPathsMap": paths, "InputTemplate": template}
        put_targets(events, {"Arn": SQS + "inbox", "InputTransformer": transformer})
        assert listed(events) == [{"Id": "t0", "Arn": SQS + "inbox", "InputTransformer": transformer}]
        put(events, n=7, who="me")
        assert bodies(r, "inbox", 1) == [wanted]


def test_inputs_that_are_no_objects(r, events):
    for text in ('"a \\u00e9 text"', "[1, 2]", "12", '{"a": 1, "a": 2}', "null", '"[1]"'):
        put_targets(events, {"Arn": SQS + "inbox", "Input": text})
        assert listed(events)[0]["Input"] == text
        put(events, n=1)
        assert [json.loads(b) for b in bodies(r, "inbox", 1)] == [json.loads(text)]


def test_what_is_kept_and_shown(r, events):
    """What Weir has no use for comes back as it was sent; what is no part of the model is left out."""
    target = {"Id": "t", "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c", "RoleArn": "arn:aws:iam::1:role/r",
              "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/d", "TaskCount": 2,
                                "LaunchType": "FARGATE", "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["s"]}}},
              "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": {"Arn": SQS + "letters"}}
    events.put_targets(Rule="rule", Targets=[target])
    assert listed(events) == [target]
    assert raw(r, "PutTargets", Rule="rule", Targets=[{**target, "Colour": "red", "Input": None}]) == (
        200, {"FailedEntryCount": 0, "FailedEntries": []})
    assert listed(events) == [target]
    wait_until(lambda: "a rule's target is not here" in r.logged(), what="the warning")
    put(events, n=1)
    letter = r.receive("letters", 1)[0]
    assert json.loads(letter["body"])["detail"] == {"n": 1} and letter["attributes"]["ERROR_CODE"] == "NO_RESOURCE"
    assert letter["attributes"]["TARGET_ARN"] == target["Arn"]


def test_a_queue_that_is_not_there(r, events):
    put_targets(events, {"Arn": SQS + "later", "DeadLetterConfig": {"Arn": SQS + "letters"}},
                {"Arn": SQS + "later.fifo", "SqsParameters": {"MessageGroupId": "g"}, "DeadLetterConfig": {"Arn": SQS + "letters"}})
    ident = put(events, n=1)
    letters = r.receive("letters", 2)
    assert [json.loads(m["body"])["id"] for m in letters] == [ident] * 2
    assert {m["attributes"]["TARGET_ARN"] for m in letters} == {SQS + "later", SQS + "later.fifo"}
    assert events.list_rule_names_by_target(TargetArn=SQS + "later")["RuleNames"] == ["rule"]


def test_what_is_refused(r, events):
    def one(message, **target):
        refused(events.put_targets, "ValidationException", message, Rule="rule", Targets=[{"Id": "X", "Arn": SQS + "inbox", **target}])

    transformer = lambda template, **paths: {"InputPathsMap": paths, "InputTemplate": template}
    both = "Only one of Input, InputPath, or InputTransformer must be provided for target X."
    one(both, Input="1", InputPath="$.a")
    one(both, InputPath="$.a", InputTransformer=transformer('"a"'))
    one("InputTemplate for target X contains invalid placeholder m.", InputTransformer=transformer('"<m>"', n="$.detail.n"))
    one("InputTemplate for target X contains invalid placeholder aws.events.rule.", InputTransformer=transformer('"<aws.events.rule>"'))
    one("Invalid InputPath for target X : input_path '$.a[*]' is not a path such as $.detail.id: brackets hold one index such as [0]; "
        "a key is written .key.", InputPath="$.a[*]")
    one("JSON syntax error in input for target X: [Source: (String)\"{'a': 1}\"; line: 1, column: 2]", Input="{'a': 1}")
    one("JSON syntax error in input for target X: [Source: (String)\"{'db_name':..<removed_extra_data>\"; line: 1, column: 2]",
        Input="{'db_name': 1}")
    one("Parameter(s) SqsParameters must be specified for target: X.", Arn=SQS + "orders.fifo")
    for arn in ("nothing", "arn:aws:sqs", "queue/nothing", "nosuch/inbox"):
        one(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.", Arn=arn)
    letters = "Parameter DeadLetterConfig is not valid for target X. Reason: a dead-letter queue is a standard queue of SQS."
    one(letters, DeadLetterConfig={"Arn": SQS + "orders.fifo"})
    one(letters, DeadLetterConfig={"Arn": SNS + "news"})
    one("Input, InputPath and InputTransformer are not supported for target X: an event bus takes the event as it is.",
        Arn=ARN + "event-bus/audit", InputPath="$.detail")
    for arn in (ARN + "event-bus/default", "bus/default"):
        one(f"Parameter {arn} is not valid. Reason: EventBus default cannot be a target of its own rules.", Arn=arn)
    refused(events.put_targets, "ValidationException", "Parameter archive/kept is not valid. Reason: Archive kept does not belong to "
            "EventBus audit.", Rule="rule", EventBusName="audit", Targets=[{"Id": "X", "Arn": "archive/kept"}])
    one("'message_group_id' is 1 to 128 letters, digits and punctuation marks, or a path that begins with $.",
        Arn=SQS + "orders.fifo", SqsParameters={"MessageGroupId": "a b"})
    missing = (NOT_FOUND, "Rule gone does not exist on EventBus default.")
    refused(events.put_targets, *missing, Rule="gone", Targets=[{"Id": "X", "Arn": SQS + "inbox"}])
    refused(events.remove_targets, *missing, Rule="gone", Ids=["X"])
    refused(events.list_targets_by_rule, *missing, Rule="gone")
    nowhere = (NOT_FOUND, "Event bus nowhere does not exist.")
    refused(events.put_targets, *nowhere, EventBusName="nowhere", Rule="rule", Targets=[{"Id": "X", "Arn": SQS + "inbox"}])
    refused(events.remove_targets, *nowhere, EventBusName="nowhere", Rule="rule", Ids=["X"])
    refused(events.list_targets_by_rule, *nowhere, EventBusName="nowhere", Rule="rule")
    assert listed(events) == []


def test_constraints(r, events):
    def one(value, member, constraint, **target):
        violates(r, "PutTargets", value, "targets.1.member." + member, constraint, Rule="rule",
                 Targets=[{"Id": "X", "Arn": SQS + "inbox", **target}])

    one("'a/b'", "id", r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+", Id="a/b")
    one("'186'", "retryPolicy.maximumRetryAttempts", "Member must have value less than or equal to 185",
        RetryPolicy={"MaximumRetryAttempts": 186})
    one("'59'", "retryPolicy.maximumEventAgeInSeconds", "Member must have value greater than or equal to 60",
        RetryPolicy={"MaximumEventAgeInSeconds": 59})
    one("null", "inputTransformer.inputTemplate", "Member must not be null", InputTransformer={"InputPathsMap": {}})
    one("null", "kinesisParameters.partitionKeyPath", "Member must not be null", KinesisParameters={})
    one("'" + "i" * 8193 + "'", "input", "Member must have length less than or equal to 8192", Input="i" * 8193)
    one("'{\"a.b\": \"$\"}'", "inputTransformer.inputPathsMap",
        "Map keys must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or "
        r"equal to 1, Member must satisfy regular expression pattern: [A-Za-z0-9\_\-]+]; map values: [Member must have length less than "
        "or equal to 256]", InputTransformer={"InputPathsMap": {"a.b": "$"}, "InputTemplate": "1"})
    violates(r, "RemoveTargets", "'a b'", "ids.1.member", r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+",
             Rule="rule", Ids=["a b"])
    violates(r, "PutTargets", "'[]'", "targets", "Member must have length greater than or equal to 1", Rule="rule", Targets=[])
    many = [{"Id": str(n), "Arn": SQS + "inbox"} for n in range(60)]
    put_targets(events, *many)
    refused(events.put_targets, "LimitExceededException", "The requested resource exceeds the maximum number allowed.", Rule="rule",
            Targets=[{"Id": f"u{n}", "Arn": SQS + "inbox"} for n in range(41)])


def test_pages(r, events):
    put_targets(events, *({"Arn": SQS + "inbox"} for _ in range(5)))
    pages = events.get_paginator("list_targets_by_rule").paginate(Rule="rule", PaginationConfig={"PageSize": 2})
    assert [[t["Id"] for t in page["Targets"]] for page in pages] == [["t0", "t1"], ["t2", "t3"], ["t4"]]


def test_targets_of_weir_yaml(r):
    assert listed(client(r), "filed") == [
        {"Id": "constant", "Arn": SQS + "inbox", "Input": '{"a":1}', "DeadLetterConfig": {"Arn": SQS + "letters"}},
        {"Id": "fifo", "Arn": SQS + "orders.fifo", "SqsParameters": {"MessageGroupId": "$.detail.group"}},
        {"Id": "path", "Arn": SQS + "inbox", "InputPath": "$.detail",
         "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600}},
        {"Id": "text", "Arn": "arn:weir:file:us-east-1:000000000000:hook",
         "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '"<n>: <aws.events.rule-name>"'}},
    ]


def test_an_api_destination(router, receiver):
    got = receiver()
    parameters = {"PathParameterValues": ["v1", "$.detail.n"], "HeaderParameters": {"X-Who": "$.detail.who"},
                  "QueryStringParameters": {"q": "a b"}}
    r = router(f"""
connections: {{c: {{authorization_type: BASIC, auth_parameters: {{basic: {{username: ann, password: {{env: PASSWORD}}}}}}}}}}
api_destinations: {{calls: {{connection: c, invocation_endpoint: "{got.url}/*/*"}}}}
queues: {{letters: {{}}}}
rules:
  filed:
    pattern: {{source: [filed]}}
    targets: [{{target: calls, id: c, http_parameters: {{path_parameter_values: [v1, $.detail.n],
               header_parameters: {{X-Who: $.detail.who}}, query_string_parameters: {{q: a b}}}}}}]
""", env={"PASSWORD": "p"})
    events = client(r)
    (filed,) = listed(events, "filed")
    assert filed.pop("Arn").startswith(ARN + "api-destination/calls/") and filed == {"Id": "c", "HttpParameters": parameters}
    arn = listed(events, "filed")[0]["Arn"]
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    targets = [{"Id": "c", "Arn": arn, "HttpParameters": parameters, "InputPath": "$.detail"},
               {"Id": "gone", "Arn": ARN + "api-destination/gone/1", "HttpParameters": parameters, "DeadLetterConfig": {"Arn": SQS + "letters"}},
               {"Id": "queue", "Arn": SQS + "letters", "HttpParameters": parameters}]
    events.put_targets(Rule="rule", Targets=targets)
    assert listed(events) == targets
    put(events, n=7, who="me")
    assert len(r.receive("letters", 2)) == 2
    wait_until(lambda: got.requests, what="the request")
    headers, body = got.requests[0]
    assert (headers["X-Who"], json.loads(body)) == ("me", {"n": 7, "who": "me"})


def test_changes_at_once(r, events):
    """Every change sees the ones before it, whoever makes them."""
    def change(n):
        mine = client(r)
        for i in range(5):
            assert mine.put_targets(Rule="rule", Targets=[{"Id": f"{n}-{i}", "Arn": SQS + "inbox"}])["FailedEntryCount"] == 0
        mine.remove_targets(Rule="rule", Ids=[f"{n}-0"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    assert [t["Id"] for t in listed(events)] == [f"{n}-{i}" for n in range(8) for i in range(1, 5)]


def test_a_queue_that_comes_and_goes(r, events):
    sqs = client(r, "sqs")
    put_targets(events, {"Arn": SQS + "passing", "DeadLetterConfig": {"Arn": SQS + "letters"}})
    for name in ("passing", "letters", "passing", "letters"):
        if name == "passing":
            url = sqs.create_queue(QueueName="passing")["QueueUrl"]
        ident = put(events, n=1)
        assert [json.loads(m["body"])["id"] for m in r.receive(name, 1)] == [ident]
        if name == "passing":
            sqs.delete_queue(QueueUrl=url)
    assert listed(events)[0]["Arn"] == SQS + "passing"
