# SPDX-License-Identifier: Apache-2.0
"""Schedules of rules that the API made. Minutes are not waited for: what a stopped router remembers is set back instead."""
import json

from conftest import wait_until
from events_client import ARN, SQS, refused
from test_aws import client
from test_schedules import row, set_back, times

CONFIG = "buses: {audit: {}}\nqueues: {ticks: {}}\n"
NOT_VALID = "Parameter ScheduleExpression is not valid."


def made(router, expression="rate(1 minute)"):
    r = router(CONFIG)
    events = client(r)
    events.put_rule(Name="tick", ScheduleExpression=expression)
    events.put_targets(Rule="tick", Targets=[{"Id": "q", "Arn": SQS + "ticks"}])
    wait_until(lambda: row(r), what="the schedule's row")
    return r


def test_the_event_and_its_times(router):
    r = made(router)
    anchor = row(r)[0][1]
    r.kill()
    r.start()
    assert row(r)[0][1] == anchor  # it counts from when the rule was made
    r.stop()
    set_back(r, 5 * 60)
    r.start()
    messages = r.receive("ticks", 5)
    got = times(messages)
    assert got == [anchor // 1000 - 300 + 60 * n for n in range(1, 6)]  # the first one interval after it was made
    event = json.loads(messages[0]["body"])
    assert list(event) == ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"]
    assert {k: event[k] for k in event if k not in ("id", "time")} == {
        "version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "region": "us-east-1", "resources": [ARN + "rule/tick"], "detail": {}}
    assert client(r).describe_rule(Name="tick")["ScheduleExpression"] == "rate(1 minute)"


def test_it_changes_and_goes(router):
    r = made(router, "cron(0 10 ? * FRI-MON *)")
    events = client(r)
    events.disable_rule(Name="tick")
    wait_until(lambda: row(r)[0][3] == 0, what="the rule to be disabled")
    events.put_rule(Name="tick", ScheduleExpression="rate(5 minutes)", EventPattern='{"source":["shop"]}')
    wait_until(lambda: (row(r)[0][0], row(r)[0][3]) == ("rate(5 minutes)", 1), what="the new expression")
    events.put_rule(Name="tick", EventPattern='{"source":["shop"]}')  # the whole rule is said anew
    wait_until(lambda: not row(r), what="the schedule to go")
    events.put_rule(Name="tick", ScheduleExpression="rate(1 hour)")
    wait_until(lambda: row(r), what="the schedule to come back")
    events.remove_targets(Rule="tick", Ids=["q"])
    events.delete_rule(Name="tick")
    wait_until(lambda: not row(r), what="the rule to go")


def test_what_is_refused(router):
    r = router(CONFIG)
    events = client(r)
    for expression in ("rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(10 seconds)", "rate(60 seconds)", "5 minutes",
                       "cron(0 10 * * * *)", "cron(0 10 ? * 0 *)", "cron(0 10 * * ?)", "cron(* * * * ? * *)", "at(2030-01-01T00:00:00)"):
        refused(events.put_rule, "ValidationException", NOT_VALID, Name="tick", ScheduleExpression=expression)
    refused(events.put_rule, "ValidationException", "ScheduleExpression is supported only on the default event bus.", Name="tick",
            ScheduleExpression="rate(5 minutes)", EventBusName="audit")
    assert not row(r)
