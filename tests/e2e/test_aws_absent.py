# SPDX-License-Identifier: Apache-2.0
"""What EventBridge has and one's own machine has not: partner event sources and global endpoints answer cleanly."""
import pytest

from conftest import Router
from events_client import refused
from test_aws import client

SOURCE = "aws.partner/shop.example/orders"
BUSES = [{"EventBusArn": f"arn:aws:events:{region}:000000000000:event-bus/default"} for region in ("us-east-1", "us-west-2")]
ROUTING = {"FailoverConfig": {"Primary": {"HealthCheck": "arn:aws:route53:::healthcheck/a-1"}, "Secondary": {"Route": "us-west-2"}}}


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("absent"), "").start()
    yield router
    router.stop()


def test_partner_event_sources(r):
    events = client(r)
    assert events.list_event_sources()["EventSources"] == []
    assert events.list_event_sources(NamePrefix="aws.partner/a", Limit=1)["EventSources"] == []
    assert events.list_partner_event_sources(NamePrefix="aws.partner/shop.example/")["PartnerEventSources"] == []
    missing = ("ResourceNotFoundException", f"Event source {SOURCE} does not exist.")
    refused(events.describe_event_source, *missing, Name=SOURCE)
    refused(events.describe_partner_event_source, *missing, Name=SOURCE)
    refused(events.list_partner_event_source_accounts, *missing, EventSourceName=SOURCE)
    disabled = ("OperationDisabledException", "The operation you are attempting is not available in this region.")
    refused(events.activate_event_source, *disabled, Name=SOURCE)
    refused(events.deactivate_event_source, *disabled, Name=SOURCE)
    refused(events.create_partner_event_source, *disabled, Name=SOURCE, Account="0" * 12)
    refused(events.delete_partner_event_source, *disabled, Name=SOURCE, Account="0" * 12)
    refused(events.put_partner_events, *disabled, Entries=[{"Source": SOURCE, "DetailType": "t", "Detail": "{}"}])
    refused(events.put_partner_events, "ValidationException",
            "1 validation error detected: Value 'shop' at 'entries.1.member.source' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: aws\\.partner(/[\\.\\-_A-Za-z0-9]+){2,}", Entries=[{"Source": "shop"}])
    with pytest.raises(events.exceptions.OperationDisabledException):
        events.activate_event_source(Name=SOURCE)


def test_global_endpoints(r):
    events = client(r)
    assert events.list_endpoints()["Endpoints"] == []
    assert events.list_endpoints(NamePrefix="a", HomeRegion="us-east-1", MaxResults=1)["Endpoints"] == []
    missing = ("ResourceNotFoundException", "Endpoint one does not exist.")
    refused(events.describe_endpoint, *missing, Name="one")
    refused(events.delete_endpoint, *missing, Name="one")
    refused(events.update_endpoint, *missing, Name="one", Description="d")
    refused(events.create_endpoint, "OperationDisabledException",
            "The operation you are attempting is not available in this region.", Name="one", RoutingConfig=ROUTING, EventBuses=BUSES)
    refused(events.describe_endpoint, "ValidationException",
            "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: [\\.\\-_A-Za-z0-9]+", Name="a b")
