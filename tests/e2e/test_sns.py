# SPDX-License-Identifier: Apache-2.0
"""SNS by the real clients: topics, subscriptions of all kinds, what is published and how it arrives."""
import base64
import json
import os
import subprocess
import urllib.request

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from conftest import Router, wait_until

ARN = "arn:aws:sns:us-east-1:000000000000:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:"
CONFIG = """
queues: {one: {}, two: {}, three: {}, letters: {}, declared: {}, sealed: {}, "line.fifo": {}, "other.fifo": {}}
functions: {taker: {command: [./taker]}}
topics:
  ours: {subscriptions: [declared]}
  sealed: {subscriptions: [queue/sealed], signature_version: "1"}
rules:
  alerts: {pattern: {source: [alarm]}, targets: [ours, topic/sealed]}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}


def client(r):
    return boto3.client("sns", endpoint_url=r.url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any",
                        config=botocore.config.Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    r = Router(tmp_path_factory.mktemp("sns"), CONFIG)
    (r.folder / "taker").write_text(f"#!/bin/sh\ncat >> {r.folder}/taken\n")
    (r.folder / "taker").chmod(0o755)
    r.start()
    yield r
    r.stop()


@pytest.fixture
def sns(shared):
    return client(shared)


def fails(code, status, message, call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    error = e.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), error
    assert message in error["Error"]["Message"], error
    assert error["Error"]["Type"] == "Sender" or status >= 500


def invalid(message, call, **arguments):
    fails("InvalidParameter", 400, message, call, **arguments)


def queue_of(r, name, expect):
    return sorted(r.receive(name, expect), key=lambda m: m["id"])


# ---- topics ----

def test_a_topic_from_its_beginning_to_its_end(sns):
    tags = [{"Key": "team", "Value": "blue"}]
    arn = sns.create_topic(Name="life", Attributes={"DisplayName": "Life"}, Tags=tags)["TopicArn"]
    assert arn == ARN + "life"
    assert sns.create_topic(Name="life")["TopicArn"] == arn
    assert sns.create_topic(Name="life", Attributes={"DisplayName": "Life"}, Tags=tags)["TopicArn"] == arn
    invalid("different attributes", sns.create_topic, Name="life", Attributes={"DisplayName": "Death"})
    invalid("different tags", sns.create_topic, Name="life", Tags=[{"Key": "team", "Value": "red"}])
    sns.set_topic_attributes(TopicArn=arn, AttributeName="SignatureVersion", AttributeValue="2")
    got = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert {k: got[k] for k in ("TopicArn", "Owner", "DisplayName", "SignatureVersion", "SubscriptionsConfirmed")} == {
        "TopicArn": arn, "Owner": "000000000000", "DisplayName": "Life", "SignatureVersion": "2", "SubscriptionsConfirmed": "0"}
    assert json.loads(got["Policy"])["Statement"][0]["Resource"] == arn
    assert json.loads(got["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert arn in [t["TopicArn"] for t in sns.list_topics()["Topics"]]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert arn not in [t["TopicArn"] for t in sns.list_topics()["Topics"]]
    fails("NotFound", 404, "Topic does not exist", sns.get_topic_attributes, TopicArn=arn)


def test_what_topics_refuse(sns):
    invalid("Topic Name", sns.create_topic, Name="no spaces")
    invalid("Topic Name", sns.create_topic, Name="x.fifo")
    invalid("Fifo Topic names must end with .fifo", sns.create_topic, Name="x", Attributes={"FifoTopic": "true"})
    invalid("Unknown attribute Colour", sns.create_topic, Name="x", Attributes={"Colour": "red"})
    invalid("ContentBasedDeduplication", sns.create_topic, Name="x", Attributes={"ContentBasedDeduplication": "true"})
    invalid("Tags", sns.create_topic, Name="x", Tags=[{"Key": "aws:x", "Value": ""}])
    invalid("AttributeName", sns.set_topic_attributes, TopicArn=ARN + "ours", AttributeName="FifoTopic", AttributeValue="true")
    invalid("SignatureVersion", sns.set_topic_attributes, TopicArn=ARN + "ours", AttributeName="SignatureVersion",
            AttributeValue="3")
    invalid("An ARN must have at least 6 elements, not 1", sns.get_topic_attributes, TopicArn="ours")
    invalid("NextToken", sns.list_topics, NextToken="made-up")
    fails("InvalidAction", 400, "", sns.check_if_phone_number_is_opted_out, phoneNumber="+1")


def test_what_the_file_declares_is_shown_and_never_changed(sns):
    arn = ARN + "ours"
    assert sns.create_topic(Name="ours")["TopicArn"] == arn
    denied = lambda call, **k: fails("AuthorizationError", 403, "weir.yaml", call, **k)
    denied(sns.set_topic_attributes, TopicArn=arn, AttributeName="DisplayName", AttributeValue="x")
    denied(sns.delete_topic, TopicArn=arn)
    denied(sns.tag_resource, ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    [declared] = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert (declared["Protocol"], declared["Endpoint"]) == ("sqs", QUEUE + "declared")
    got = sns.get_subscription_attributes(SubscriptionArn=declared["SubscriptionArn"])["Attributes"]
    assert (got["RawMessageDelivery"], got["PendingConfirmation"]) == ("false", "false")
    denied(sns.set_subscription_attributes, SubscriptionArn=declared["SubscriptionArn"], AttributeName="RawMessageDelivery",
           AttributeValue="true")
    denied(sns.unsubscribe, SubscriptionArn=declared["SubscriptionArn"])
    assert sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + "declared")["SubscriptionArn"] == \
        declared["SubscriptionArn"]


def test_tags_and_permissions(sns):
    arn = sns.create_topic(Name="tagged")["TopicArn"]
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    fails("ResourceNotFound", 404, "Resource does not exist", sns.list_tags_for_resource, ResourceArn=ARN + "nobody")
    fails("TagLimitExceeded", 400, "tag quota", sns.tag_resource, ResourceArn=arn,
          Tags=[{"Key": str(n), "Value": ""} for n in range(51)])
    sns.add_permission(TopicArn=arn, Label="friends", AWSAccountId=["111122223333"], ActionName=["Publish"])
    statements = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]
    assert statements[1] == {"Sid": "friends", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
                             "Action": ["SNS:Publish"], "Resource": arn}
    invalid("Statement already exists", sns.add_permission, TopicArn=arn, Label="friends", AWSAccountId=["1"],
            ActionName=["Publish"])
    sns.remove_permission(TopicArn=arn, Label="friends")
    fails("NotFound", 404, "friends", sns.remove_permission, TopicArn=arn, Label="friends")
    sns.delete_topic(TopicArn=arn)


def test_lists_have_pages(router):
    topics = "".join(f"  t{n:03}: {{}}\n" for n in range(105))
    subscriptions = ", ".join(f"{{target: q, name: s{n}}}" for n in range(105))
    s = client(router("queues: {q: {}}\ntopics:\n" + topics + f"  wide: {{subscriptions: [{subscriptions}]}}\n"))
    assert len(s.list_topics()["Topics"]) == 100
    assert [t["TopicArn"] for page in s.get_paginator("list_topics").paginate() for t in page["Topics"]] == \
        [f"{ARN}t{n:03}" for n in range(105)] + [ARN + "wide"]
    pages = list(s.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=ARN + "wide"))
    assert [len(p["Subscriptions"]) for p in pages] == [100, 5]
    arns = {x["SubscriptionArn"] for p in s.get_paginator("list_subscriptions").paginate() for x in p["Subscriptions"]}
    assert len(arns) == 105


# ---- publishing ----

def test_three_queues_with_filters(shared, sns):
    arn = sns.create_topic(Name="orders")["TopicArn"]
    subscribe = lambda queue, **attributes: sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + queue,
                                                          Attributes=attributes)["SubscriptionArn"]
    one = subscribe("one")
    subscribe("two", RawMessageDelivery="true", FilterPolicy='{"kind": ["order"], "n": [{"numeric": [">", 5]}]}')
    subscribe("three", FilterPolicyScope="MessageBody", FilterPolicy='{"user": {"vip": [true]}}')
    assert subscribe("one") == one
    sns.publish(TopicArn=arn, Message='{"user": {"vip": true}}', Subject="A subject", MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "order"}, "n": {"DataType": "Number", "StringValue": "6.5"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"}})
    sns.publish(TopicArn=arn, Message="no JSON", MessageAttributes={"kind": {"DataType": "String.Array",
                                                                             "StringValue": '["x", "order"]'}})
    first, second = (json.loads(m["body"]) for m in queue_of(shared, "one", 2))
    assert (first["Type"], first["TopicArn"], first["Subject"]) == ("Notification", arn, "A subject")
    assert (first["Message"], second["Message"]) == ('{"user": {"vip": true}}', "no JSON")
    assert first["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}, "n": {"Type": "Number", "Value": "6.5"},
                                          "raw": {"Type": "Binary", "Value": "AAE="}}
    assert "Subject" not in second
    [raw] = queue_of(shared, "two", 1)
    assert raw["body"] == '{"user": {"vip": true}}' and raw["attributes"]["kind"] == "order"
    [three] = queue_of(shared, "three", 1)
    assert json.loads(three["body"])["MessageId"] == first["MessageId"]
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (attributes["SubscriptionsConfirmed"], attributes["SubscriptionsPending"]) == ("3", "0")
    sns.unsubscribe(SubscriptionArn=one)
    sns.unsubscribe(SubscriptionArn=one)
    sns.publish(TopicArn=arn, Message="{}")
    sns.delete_topic(TopicArn=arn)
    assert shared.take("one") == []


def test_texts_by_protocol_and_batches(shared, sns):
    arn = sns.create_topic(Name="batches")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + "one", Attributes={"RawMessageDelivery": "true"})
    got = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=[
        {"Id": "a", "Message": '{"default": "for all", "sqs": "for queues"}', "MessageStructure": "json"},
        {"Id": "b", "Message": "{", "MessageStructure": "json"}, {"Id": "c", "Message": "plain"}])
    assert [e["Id"] for e in got["Successful"]] == ["a", "c"]
    [failed] = got["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("b", "InvalidParameter", True)
    assert [m["body"] for m in queue_of(shared, "one", 2)] == ["for queues", "plain"]
    entry = lambda n, text="x": {"Id": str(n), "Message": text}
    batch = lambda *entries: dict(call=sns.publish_batch, TopicArn=arn, PublishBatchRequestEntries=list(entries))
    fails("TooManyEntriesInBatchRequest", 400, "more entries", **batch(*map(entry, range(11))))
    fails("EmptyBatchRequest", 400, "any entries", **batch())
    fails("BatchEntryIdsNotDistinct", 400, "same Id", **batch(entry(1), entry(1)))
    fails("InvalidBatchEntryId", 400, "specification", **batch(entry("a b")))
    fails("BatchRequestTooLong", 400, "limit", **batch(entry(1, "x" * 200000), entry(2, "x" * 100000)))
    fails("NotFound", 404, "Topic does not exist", sns.publish_batch, TopicArn=ARN + "nobody",
          PublishBatchRequestEntries=[entry(1)])
    sns.delete_topic(TopicArn=arn)


def test_what_publish_refuses(sns):
    publish = lambda **k: dict(call=sns.publish, **{"TopicArn": ARN + "ours", "Message": "x", **k})
    fails("NotFound", 404, "Topic does not exist", **publish(TopicArn=ARN + "nobody"))
    invalid("TopicArn or TargetArn", sns.publish, Message="x")
    invalid("only one", **publish(TargetArn=ARN + "ours"))
    invalid("no SMS", sns.publish, PhoneNumber="+1", Message="x")
    invalid("Empty message", **publish(Message=""))
    invalid("Message too long", **publish(Message="x" * (256 * 1024 + 1)))
    invalid("Subject", **publish(Subject="two\nlines"))
    invalid("Subject", **publish(Subject="x" * 101))
    invalid("No default entry", **publish(Message="{}", MessageStructure="json"))
    invalid("failed to parse", **publish(MessageStructure="json"))
    invalid("MessageDeduplicationId", **publish(MessageDeduplicationId="x"))
    value = lambda **v: publish(MessageAttributes={"a": {"DataType": "String", **v}})
    fails("ParameterValueInvalid", 400, "non-empty message attribute value", **value())
    fails("ParameterValueInvalid", 400, "supported type prefixes", **value(DataType="Text", StringValue="x"))
    fails("ParameterValueInvalid", 400, "must use field 'String'", **value(BinaryValue=b"x"))
    fails("ParameterValueInvalid", 400, "number", **value(DataType="Number", StringValue="x"))


def test_functions_get_records(shared, sns):
    arn = sns.create_topic(Name="calls")["TopicArn"]
    subscription = sns.subscribe(TopicArn=arn, Protocol="lambda",
                                 Endpoint="arn:aws:lambda:us-east-1:000000000000:function:taker")["SubscriptionArn"]
    message_id = sns.publish(TopicArn=arn, Message="hello", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})[
        "MessageId"]
    taken = shared.folder / "taken"
    [record] = json.loads(wait_until(lambda: taken.exists() and taken.read_text(), what="the function"))["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", subscription)
    assert (record["Sns"]["MessageId"], record["Sns"]["Message"]) == (message_id, "hello")
    assert record["Sns"]["MessageAttributes"] == {"k": {"Type": "String", "Value": "v"}}
    invalid("does not support raw message delivery", sns.set_subscription_attributes, SubscriptionArn=subscription,
            AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.delete_topic(TopicArn=arn)


def test_fifo_topics_keep_order_and_know_what_was_there(shared, sns):
    arn = sns.create_topic(Name="line.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    assert sns.create_topic(Name="line.fifo", Attributes={"FifoTopic": "true"})["TopicArn"] == arn
    for queue in ("line.fifo", "other.fifo"):
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + queue)
    sent = [sns.publish(TopicArn=arn, Message=f"{n}", MessageGroupId="g") for n in range(3)]
    assert [s["SequenceNumber"] for s in sent] == sorted({s["SequenceNumber"] for s in sent})
    again = sns.publish(TopicArn=arn, Message="1", MessageGroupId="g")
    assert (again["MessageId"], again["SequenceNumber"]) == (sent[1]["MessageId"], sent[1]["SequenceNumber"])
    sns.publish(TopicArn=arn, Message="1", MessageGroupId="h", MessageDeduplicationId="mine")
    sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=[
        {"Id": "a", "Message": "4", "MessageGroupId": "h", "MessageDeduplicationId": "mine"},
        {"Id": "b", "Message": "5", "MessageGroupId": "h"}, {"Id": "c", "Message": "5", "MessageGroupId": "h"}])
    for queue in ("line.fifo", "other.fifo"):
        got = [(m["messageGroupId"], json.loads(m["body"])["Message"]) for m in shared.receive(queue, 5)]
        assert [text for group, text in got if group == "g"] == ["0", "1", "2"]
        assert [text for group, text in got if group == "h"] == ["1", "5"]
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (attributes["FifoTopic"], attributes["ContentBasedDeduplication"]) == ("true", "true")
    sns.set_topic_attributes(TopicArn=arn, AttributeName="ContentBasedDeduplication", AttributeValue="false")
    invalid("ContentBasedDeduplication", sns.publish, TopicArn=arn, Message="x", MessageGroupId="g")
    invalid("MessageGroupId parameter is required", sns.publish, TopicArn=arn, Message="x")
    sns.delete_topic(TopicArn=arn)


# ---- HTTP ----

class Endpoint:
    """A receiver that looks at what SNS's clients look at."""

    def __init__(self, receiver, answer=None):
        self.receiver = receiver(answer)
        self.url = self.receiver.url

    def message(self, number):
        wait_until(lambda: len(self.receiver.requests) > number, what=f"request {number}")
        headers, body = self.receiver.requests[number]
        return {k.lower(): v for k, v in headers.items()}, body

    def confirm(self, number=0):
        headers, body = self.message(number)
        message = json.loads(body)
        with urllib.request.urlopen(message["SubscribeURL"]) as answer:
            assert b"<SubscriptionArn>" in answer.read()
        return headers, message


def verify(r, message, tmp_path):
    """As SNS documents it, by OpenSSL."""
    assert message["SigningCertURL"].startswith(r.url + "/SimpleNotificationService-")
    certificate = urllib.request.urlopen(message["SigningCertURL"]).read()
    names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    (tmp_path / "text").write_text(text)
    (tmp_path / "signature").write_bytes(base64.b64decode(message["Signature"]))
    (tmp_path / "key").write_bytes(subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=certificate, check=True,
                                                  capture_output=True).stdout)
    digest = {"1": "-sha1", "2": "-sha256"}[message["SignatureVersion"]]
    done = subprocess.run(["openssl", "dgst", digest, "-verify", tmp_path / "key", "-signature", tmp_path / "signature",
                           tmp_path / "text"], capture_output=True, text=True)
    assert done.stdout == "Verified OK\n", (done, text)


def test_an_endpoint_confirms_and_gets_signed_messages(shared, sns, receiver, tmp_path):
    endpoint = Endpoint(receiver)
    arn = sns.create_topic(Name="hooks")["TopicArn"]
    subscribe = dict(TopicArn=arn, Protocol="http", Endpoint=endpoint.url)
    assert sns.subscribe(**subscribe)["SubscriptionArn"] == "pending confirmation"
    subscription = sns.subscribe(**subscribe, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert subscription.startswith(arn + ":")
    assert [s["SubscriptionArn"] for s in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]] == \
        ["PendingConfirmation"]
    sns.publish(TopicArn=arn, Message="too early")
    invalid("Token", sns.confirm_subscription, TopicArn=arn, Token="made-up")
    headers, message = endpoint.confirm()
    assert (message["Type"], headers["x-amz-sns-message-type"]) == ("SubscriptionConfirmation",) * 2
    assert headers["x-amz-sns-topic-arn"] == arn and headers["content-type"] == "text/plain; charset=UTF-8"
    verify(shared, message, tmp_path)
    assert sns.confirm_subscription(TopicArn=arn, Token=message["Token"])["SubscriptionArn"] == subscription
    assert endpoint.message(1)[1] != "" and json.loads(endpoint.message(1)[1])["Token"] == message["Token"]

    message_id = sns.publish(TopicArn=arn, Message="hello", Subject="Hi")["MessageId"]
    headers, body = endpoint.message(2)
    assert json.loads(body)["MessageId"] == headers["x-amz-sns-message-id"] == message_id
    assert headers["x-amz-sns-subscription-arn"] == subscription and headers["x-amz-sns-message-type"] == "Notification"
    verify(shared, json.loads(body), tmp_path)
    sns.set_topic_attributes(TopicArn=arn, AttributeName="SignatureVersion", AttributeValue="2")
    sns.publish(TopicArn=arn, Message="hello", MessageStructure="")
    verify(shared, json.loads(endpoint.message(3)[1]), tmp_path)
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.publish(TopicArn=arn, Message="bare")
    headers, body = endpoint.message(4)
    assert body == "bare" and headers["x-amz-sns-rawdelivery"] == "true"

    sns.unsubscribe(SubscriptionArn=subscription)
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    fails("NotFound", 404, "Subscription does not exist", sns.get_subscription_attributes, SubscriptionArn=subscription)
    message = json.loads(endpoint.message(5)[1])
    assert message["Type"] == "UnsubscribeConfirmation" and subscription in message["Message"]
    verify(shared, message, tmp_path)
    sns.confirm_subscription(TopicArn=arn, Token=message["Token"])
    assert [s["SubscriptionArn"] for s in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]] == [subscription]
    urllib.request.urlopen(f"{shared.url}/?Action=Unsubscribe&SubscriptionArn={subscription}").read()
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    sns.delete_topic(TopicArn=arn)


def test_what_rules_send_to_a_topic_is_signed_too(shared, sns, receiver, tmp_path):
    endpoint = Endpoint(receiver)
    sns.subscribe(TopicArn=ARN + "ours", Protocol="http", Endpoint=endpoint.url)
    _, message = endpoint.confirm()
    shared.send({"source": "alarm", "detail-type": "t", "detail": {"n": 1}})
    [message] = shared.receive("sealed", 1)
    verify(shared, json.loads(message["body"]), tmp_path)
    verify(shared, json.loads(endpoint.message(1)[1]), tmp_path)  # auto: by HTTP only
    [message] = shared.receive("declared", 1)
    assert "Signature" not in json.loads(message["body"])
    sns.unsubscribe(SubscriptionArn=json.loads(endpoint.message(1)[1])["UnsubscribeURL"].rpartition("SubscriptionArn=")[2])
    mode = (shared.folder / "data" / "sns-signing.pem").stat().st_mode
    assert mode & 0o777 == 0o600
    assert shared.request("GET", "/SimpleNotificationService-0.pem")[0] == 404


def test_retried_then_in_the_dead_letter_queue(shared, sns, receiver):
    endpoint = Endpoint(receiver, lambda number, body: (500 if "hello" in body else 200, {}))
    arn = sns.create_topic(Name="failing")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=endpoint.url, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": QUEUE + "letters"}),
        "DeliveryPolicy": json.dumps({"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}})})
    endpoint.confirm()
    message_id = sns.publish(TopicArn=arn, Message="hello")["MessageId"]
    [letter] = shared.receive("letters", 1)
    assert json.loads(letter["body"])["MessageId"] == message_id
    assert letter["attributes"]["TOPIC_ARN"] == arn and letter["attributes"]["ERROR_CODE"] == "HTTP_500"
    assert letter["attributes"]["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert len([1 for _, body in endpoint.receiver.requests if "hello" in body]) == 2
    sns.delete_topic(TopicArn=arn)


def test_a_queue_that_is_not_there(shared, sns):
    arn = sns.create_topic(Name="nowhere")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + "never-was",
                  Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": QUEUE + "letters"})})
    sns.publish(TopicArn=arn, Message="lost")
    [letter] = shared.receive("letters", 1)
    assert json.loads(letter["body"])["Message"] == "lost" and letter["attributes"]["ERROR_CODE"] == "NO_RESOURCE"
    sns.delete_topic(TopicArn=arn)


def test_what_subscribe_refuses(sns, shared):
    arn = sns.create_topic(Name="closed")["TopicArn"]
    subscribe = lambda protocol, endpoint, **attributes: dict(call=sns.subscribe, TopicArn=arn, Protocol=protocol,
                                                              Endpoint=endpoint, Attributes=attributes)
    queue = lambda **attributes: subscribe("sqs", QUEUE + "one", **attributes)
    fails("NotFound", 404, "Topic does not exist", **{**queue(), "TopicArn": ARN + "nobody"})
    invalid("SQS endpoint ARN", **subscribe("sqs", "one"))
    invalid("FIFO SQS Queues", **subscribe("sqs", QUEUE + "line.fifo"))
    invalid("must match the specified protocol", **subscribe("https", "http://127.0.0.1/"))
    invalid("'url' has a blank", **subscribe("http", "http://127.0.0.1/a b"))
    invalid("Lambda endpoint ARN", **subscribe("lambda", "taker"))
    invalid("does not support this protocol string: smoke", **subscribe("smoke", "signal"))
    invalid("email is not served here", **subscribe("email", "a@b.example"))
    invalid("sms is not served here", **subscribe("sms", "+1"))
    invalid("Unknown attribute: Colour", **queue(Colour="red"))
    invalid("RawMessageDelivery", **queue(RawMessageDelivery="perhaps"))
    invalid("FilterPolicyScope", **queue(FilterPolicyScope="Subject"))
    invalid("failed to parse JSON", **queue(FilterPolicy="{"))
    invalid("does not support nested filter policy", **queue(FilterPolicy='{"a": {"b": ["c"]}}'))
    invalid("more than 5 keys", **queue(FilterPolicy=json.dumps({k: ["v"] for k in "abcdef"})))
    invalid("too complex", **queue(FilterPolicy=json.dumps({k: list("123456") for k in "abc"})))
    invalid("FilterPolicy: ", **queue(FilterPolicy='{"a": [{"regex": "x"}]}'))
    invalid("deadLetterTargetArn is an invalid arn", **queue(RedrivePolicy='{"deadLetterTargetArn": "letters"}'))
    subscription = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + "one")["SubscriptionArn"]
    invalid("different attributes", **queue(RawMessageDelivery="true"))
    invalid("AttributeName", sns.set_subscription_attributes, SubscriptionArn=subscription, AttributeName="Owner",
            AttributeValue="me")
    invalid("An ARN must have", sns.unsubscribe, SubscriptionArn="x")
    status, _, body = shared.request("POST", "/", "Action=Unsubscribe&Version=2010-03-31",
                                {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 400 and "<Code>InvalidParameter</Code>" in body
    fails("NotFound", 404, "Topic does not exist", sns.remove_permission, TopicArn=arn + "-gone", Label="l")
    fails("NotFound", 404, "Topic does not exist", sns.add_permission, TopicArn=arn + "-gone", Label="l",
          AWSAccountId=["1" * 12], ActionName=["Publish"])
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue='{"k": ["v"]}')
    got = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert (got["FilterPolicy"], got["FilterPolicyScope"], got["Owner"]) == ('{"k": ["v"]}', "MessageAttributes", "000000000000")
    sns.delete_topic(TopicArn=arn)


# ---- push gateways ----

def test_push_gateways_and_their_devices(shared, sns, receiver):
    gateway = receiver()
    create = lambda **k: sns.create_platform_application(Name="app", Platform="GCM", Attributes=k)["PlatformApplicationArn"]
    invalid("URL of a push gateway", sns.create_platform_application, Name="app", Platform="GCM",
            Attributes={"PlatformCredential": "secret"})
    application = create(PlatformCredential=gateway.url, EventEndpointCreated=ARN + "ours")
    assert application == ARN + "app/GCM/app" and create(PlatformCredential=gateway.url) == application
    sns.set_platform_application_attributes(PlatformApplicationArn=application, Attributes={"SuccessFeedbackSampleRate": "1"})
    attributes = sns.get_platform_application_attributes(PlatformApplicationArn=application)["Attributes"]
    assert attributes == {"SuccessFeedbackSampleRate": "1", "Enabled": "true"}
    assert [a["PlatformApplicationArn"] for a in sns.list_platform_applications()["PlatformApplications"]] == [application]

    device = lambda token, **k: sns.create_platform_endpoint(PlatformApplicationArn=application, Token=token, **k)["EndpointArn"]
    phone, tablet = device("t1", CustomUserData="mine"), device("t2")
    assert phone.startswith(ARN + "endpoint/GCM/app/") and device("t1", CustomUserData="mine") == phone
    invalid("already exists with the same Token", sns.create_platform_endpoint, PlatformApplicationArn=application, Token="t1",
            CustomUserData="yours")
    assert sns.get_endpoint_attributes(EndpointArn=phone)["Attributes"] == {"Enabled": "true", "Token": "t1",
                                                                          "CustomUserData": "mine"}
    endpoints = sns.list_endpoints_by_platform_application(PlatformApplicationArn=application)["Endpoints"]
    assert [e["EndpointArn"] for e in endpoints] == [phone, tablet]

    sns.publish(TargetArn=phone, Message='{"default": "d", "GCM": "for GCM"}', MessageStructure="json", Subject="s")
    pushed = json.loads(Endpoint(lambda answer: gateway).message(0)[1])
    assert (pushed["Token"], pushed["CustomUserData"], pushed["Message"], pushed["Subject"]) == ("t1", "mine", "for GCM", "s")
    topic = sns.create_topic(Name="pushed")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=tablet)["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["Endpoint"] == tablet
    assert [t for t in sns.list_topics()["Topics"] if "endpoint/" in t["TopicArn"]] == []
    sns.publish(TopicArn=topic, Message="for all")
    assert json.loads(Endpoint(lambda answer: gateway).message(1)[1])["Token"] == "t2"

    sns.set_endpoint_attributes(EndpointArn=phone, Attributes={"Enabled": "false"})
    fails("EndpointDisabled", 400, "Endpoint is disabled", sns.publish, TargetArn=phone, Message="x")
    invalid("Application endpoint arn invalid", sns.subscribe, TopicArn=topic, Protocol="application", Endpoint=application)
    invalid("EndpointArn", sns.get_endpoint_attributes, EndpointArn=application)
    invalid("Invalid attribute Colour", sns.set_endpoint_attributes, EndpointArn=phone, Attributes={"Colour": "red"})
    sns.delete_endpoint(EndpointArn=phone)
    sns.delete_endpoint(EndpointArn=phone)
    fails("NotFound", 404, "Endpoint does not exist", sns.get_endpoint_attributes, EndpointArn=phone)
    sns.delete_platform_application(PlatformApplicationArn=application)
    fails("NotFound", 404, "PlatformApplication does not exist", sns.list_endpoints_by_platform_application,
          PlatformApplicationArn=application)
    sns.delete_topic(TopicArn=topic)


# ---- crashes, and the command ----

def test_a_crash_keeps_topics_subscriptions_and_messages(router, receiver):
    away = receiver(lambda number, body: (200 if "Confirmation" in body or number > 3 else 503, {}))
    r = router("queues: {one: {}, line.fifo: {}}\n")
    s = client(r)
    line = s.create_topic(Name="line.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    s.subscribe(TopicArn=line, Protocol="sqs", Endpoint=QUEUE + "line.fifo", Attributes={"RawMessageDelivery": "true"})
    once = lambda text, key: client(r).publish(TopicArn=line, Message=text, MessageGroupId="g", MessageDeduplicationId=key)
    first = once("first", "a")
    arn = s.create_topic(Name="kept")["TopicArn"]
    s.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=QUEUE + "one", Attributes={"RawMessageDelivery": "true"})
    s.subscribe(TopicArn=arn, Protocol="http", Endpoint=away.url)
    wait_until(lambda: away.requests, what="the confirmation")
    s.confirm_subscription(TopicArn=arn, Token=json.loads(away.requests[0][1])["Token"])
    before = s.list_subscriptions()["Subscriptions"]
    message_id = s.publish(TopicArn=arn, Message="hello")["MessageId"]
    wait_until(lambda: len(away.requests) == 2, what="the first attempt")
    r.kill()
    away.requests.append(None)
    away.requests.append(None)
    r.start()
    s = client(r)
    assert s.list_subscriptions()["Subscriptions"] == before
    assert [m["body"] for m in r.receive("one", 1)] == ["hello"]
    assert once("again", "a")["MessageId"] == first["MessageId"]
    assert once("second", "b")["SequenceNumber"] > first["SequenceNumber"]
    assert [m["body"] for m in r.receive("line.fifo", 2)] == ["first", "second"]
    wait_until(lambda: len(away.requests) > 4 and json.loads(away.requests[-1][1])["MessageId"] == message_id, what="a retry")


def test_the_aws_command(shared):
    def aws(*arguments):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", shared.url, "--output", "json", "sns", *arguments],
                              capture_output=True, text=True, env={**os.environ, **KEYS}, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, got = aws("publish", "--topic-arn", ARN + "ours", "--message", "from the command", "--message-attributes",
                    '{"k": {"DataType": "String", "StringValue": "v"}}')
    assert code == 0 and got["MessageId"]
    [message] = shared.receive("declared", 1)
    assert json.loads(message["body"])["Message"] == "from the command"
    code, error = aws("get-topic-attributes", "--topic-arn", ARN + "nobody")
    assert code == 254 and "An error occurred (NotFound)" in error
