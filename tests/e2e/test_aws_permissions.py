# SPDX-License-Identifier: Apache-2.0
"""Permissions of event buses (PutPermission), where requests are signed: who of another account may put events."""
import json

import pytest

from events_client import ARN
from test_auth import SECRET, Guarded, client

OTHER = "111122223333"
USER = f"arn:aws:iam::{OTHER}:user/AKIAOTHER"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    r = Guarded(tmp_path_factory.mktemp("permissions")).start()
    events = client(r, "events")
    events.create_event_bus(Name="shared")
    yield r
    r.stop()


def answer(events, source="shop", bus="shared"):
    (entry,) = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}", "EventBusName": bus}])["Entries"]
    return entry.get("ErrorCode"), entry.get("ErrorMessage")


def denied(reason, user=USER):
    return ("AccessDeniedException", f"User: {user} is not authorized to perform: events:PutEvents on resource: "
            f"{ARN}event-bus/shared {reason}")


NOBODY = denied("because no resource-based policy allows the events:PutEvents action")
EXPLICIT = denied("with an explicit deny in a resource-based policy")


def statement(effect="Allow", principal="*", action="events:PutEvents", **more):
    return {"Sid": "s", "Effect": effect, "Principal": principal, "Action": action, "Resource": ARN + "event-bus/shared", **more}


@pytest.mark.parametrize("statements, wanted", [
    ([statement()], None),
    ([statement(principal={"AWS": OTHER})], None),
    ([statement(principal={"AWS": ["arn:aws:iam::444455556666:root", f"arn:aws:iam::{OTHER}:root"]})], None),
    ([statement(principal={"AWS": USER}, action=["events:PutRule", "events:put*"])], None),
    ([statement(principal={"AWS": USER + "s"})], NOBODY),
    ([statement(principal={"AWS": "444455556666"})], NOBODY),
    ([statement(principal={"Service": "*"})], NOBODY),
    ([statement(action="events:PutRule")], NOBODY),
    ([statement(action="events:PutEvent?")], NOBODY),
    ([statement(Resource=ARN + "event-bus/audit")], NOBODY),
    ([statement(Resource=ARN + "event-bus/*")], None),
    ([statement(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})], NOBODY),
    ([statement(Condition={"StringEquals": {"events:source": ["a", "shop"], "AWS:principalaccount": OTHER}})], None),
    ([statement(Condition={"StringEquals": {"events:source": "sho*"}})], NOBODY),
    ([statement(Condition={"StringLike": {"events:source": "sho*"}})], None),
    ([statement(NotAction="events:PutRule")], NOBODY),
    ([statement(), statement("Deny", {"AWS": OTHER})], EXPLICIT),
    ([statement(), statement("Deny", Condition={"StringEquals": {"events:source": "other"}})], None),
    ([statement(), statement("Deny", Condition={"NumericLessThan": {"events:source": "other"}})], EXPLICIT),
    ([statement(), 7, {"Effect": "Allow"}, {"Effect": 1}], None),
    (statement(), None),
])
def test_policies(guarded, statements, wanted):
    client(guarded, "events").put_permission(EventBusName="shared", Policy=json.dumps({"Statement": statements}))
    assert answer(client(guarded, "events", "AKIAOTHER", "another0account0secret")) == (wanted or (None, None))


def test_another_account(guarded):
    ours, theirs = client(guarded, "events"), client(guarded, "events", "AKIAOTHER", "another0account0secret")
    ours.put_permission(EventBusName="shared", Policy='{"Statement": []}')
    assert answer(theirs) == NOBODY and answer(ours) == (None, None)
    ours.remove_permission(EventBusName="shared", RemoveAllPermissions=True)
    assert answer(theirs) == NOBODY and answer(theirs, bus="default")[0] == "AccessDeniedException"
    ours.put_permission(EventBusName="shared", StatementId="a", Action="events:PutEvents", Principal=OTHER)
    assert answer(theirs) == (None, None) and answer(theirs, bus="default")[0] == "AccessDeniedException"
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDeniedException"):
        theirs.list_rules(EventBusName="shared")
    ours.put_permission(EventBusName="shared", Policy=json.dumps({"Statement": statement("Deny")}))
    assert answer(ours) == denied("with an explicit deny in a resource-based policy", "arn:aws:iam::000000000000:user/AKIAADMIN")
    assert SECRET not in guarded.logged()
