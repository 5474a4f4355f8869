# SPDX-License-Identifier: Apache-2.0
"""SQS as bytes: what headers and forms mean, whatever client sends them; the operations that older clients do not have;
and the aws command."""
import json
import urllib.parse
import xml.etree.ElementTree as xml

import pytest

from conftest import Router, wait_until
from test_aws import aws

ACCOUNT = "000000000000"
SPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    made = Router(tmp_path_factory.mktemp("wire"), "queues:\n  q: {}\n  dead: {}\n").start()
    yield made
    made.stop()


def ask(r, operation, body=None, path="/", status=200, **headers):
    """One operation in JSON 1.0; gives (answer, headers)."""
    code, got, text = r.request("POST", path, body or {}, {
        "X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0", **headers})
    assert code == status, text
    assert got["Content-Type"] == "application/x-amz-json-1.0" and len(got["x-amzn-RequestId"]) == 36
    return json.loads(text), got


def form(r, method="POST", path="/", status=200, **parameters):
    """One operation as a form; gives the XML's root."""
    text = urllib.parse.urlencode({k.replace("__", "."): v for k, v in parameters.items()})
    if method == "GET":
        code, got, answer = r.request("GET", f"{path}?{text}")
    else:
        code, got, answer = r.request("POST", path, text, {"Content-Type": "application/x-www-form-urlencoded"})
    assert code == status, answer
    assert got["Content-Type"] == "text/xml"
    return xml.fromstring(answer)


def test_errors_in_json(r):
    url = f"{r.url}/{ACCOUNT}/nowhere"
    for operation, body, kind, old, message in (
            ("SendMessage", {"QueueUrl": url, "MessageBody": "x"}, "com.amazonaws.sqs#QueueDoesNotExist",
             "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."),
            ("ReceiveMessage", {}, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter",
             "The request must contain the parameter QueueUrl."),
            ("CreateQueue", {"QueueName": "q", "Attributes": {"DelaySeconds": "1"}}, "com.amazonaws.sqs#QueueNameExists",
             "QueueAlreadyExists",
             "A queue already exists with the same name and a different value for attribute DelaySeconds"),
            ("Dance", {}, "com.amazon.coral.service#UnknownOperationException", "InvalidAction",
             "The operation AmazonSQS.Dance is not known."),
            ("ReceiveMessage", {"QueueUrl": url.replace("nowhere", "q"), "MaxNumberOfMessages": "x"},
             "com.amazon.coral.service#SerializationException", "MalformedInput",
             "'maxNumberOfMessages' must be a whole number, not a string")):
        answer, headers = ask(r, operation, body, status=400, **{"x-amzn-query-mode": "true"})
        assert answer == {"__type": kind, "message": message}
        assert headers["x-amzn-query-error"] == f"{old};Sender"
        assert headers["x-amzn-errortype"] == kind.split("#")[1]


def test_urls_follow_the_client(r):
    answer, _ = ask(r, "GetQueueUrl", {"QueueName": "q"}, Host="localhost:4566")
    assert answer == {"QueueUrl": f"http://localhost:4566/{ACCOUNT}/q"}
    ask(r, "SendMessage", {"QueueUrl": f"https://elsewhere.test/{ACCOUNT}/q", "MessageBody": "by a foreign URL"})
    ask(r, "SendMessage", {"MessageBody": "by the path"}, path=f"/{ACCOUNT}/q")
    assert sorted(m["body"] for m in r.receive("q", 2)) == ["by a foreign URL", "by the path"]
    ask(r, "SendMessage", {"QueueUrl": "q", "MessageBody": "x"}, status=404)


def test_forms(r):
    path = f"/{ACCOUNT}/q"
    root = form(r, path=path, Action="SendMessage", Version="2012-11-05", MessageBody="a+b é")
    assert root.tag == f"{SPACE}SendMessageResponse" and len(root.findtext(f".//{SPACE}RequestId")) == 36
    root = form(r, "GET", path, Action="ReceiveMessage", MaxNumberOfMessages="10", AttributeName__1="SentTimestamp",
                VisibilityTimeout="0")
    assert root.findtext(f".//{SPACE}Message/{SPACE}Body") == "a+b é"
    assert root.findtext(f".//{SPACE}Attribute/{SPACE}Name") == "SentTimestamp"
    assert r.receive("q", 1)
    root = form(r, "GET", Action="ListQueues", Version="2012-11-05")
    assert [e.text.rsplit("/", 1)[1] for e in root.iter(f"{SPACE}QueueUrl")] == ["dead", "dead-letters", "q"]
    assert "Weir" in r.get("/")[1]
    for wrong, code in (({"Action": "Dance"}, "InvalidAction"), ({"Action": "SendMessage"}, "MissingParameter"),
                        ({"Action": "SendMessage", "MessageBody": "x", "DelaySeconds": "soon"}, "MalformedInput"),
                        ({"Action": "SendMessage", "MessageBody": "x", "MessageAttribute__1__Name": "a"}, "MalformedQueryString")):
        root = form(r, path=path, status=400, Version="2012-11-05", **wrong)
        assert root.findtext(f"{SPACE}Error/{SPACE}Code") == code
        assert root.findtext(f"{SPACE}Error/{SPACE}Type") == "Sender"


def test_moving(r):
    arn = lambda name: f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    dead = f"{r.url}/{ACCOUNT}/dead"
    for i in range(5):
        ask(r, "SendMessage", {"QueueUrl": dead, "MessageBody": str(i)})
    start = {"SourceArn": arn("dead"), "DestinationArn": arn("q"), "MaxNumberOfMessagesPerSecond": 1}
    handle = ask(r, "StartMessageMoveTask", start)[0]["TaskHandle"]
    answer, _ = ask(r, "StartMessageMoveTask", start, status=400)
    assert answer["__type"] == "com.amazonaws.sqs#UnsupportedOperation"
    task, = ask(r, "ListMessageMoveTasks", {"SourceArn": arn("dead")})[0]["Results"]
    assert (task["TaskHandle"], task["Status"], task["DestinationArn"], task["MaxNumberOfMessagesPerSecond"],
            task["ApproximateNumberOfMessagesToMove"]) == (handle, "RUNNING", arn("q"), 1, 5)
    moved = ask(r, "CancelMessageMoveTask", {"TaskHandle": handle})[0]["ApproximateNumberOfMessagesMoved"]
    assert moved < 5
    wait_until(lambda: ask(r, "ListMessageMoveTasks", {"SourceArn": arn("dead")})[0]["Results"][0]["Status"] == "CANCELLED",
               what="the end")
    ask(r, "CancelMessageMoveTask", {"TaskHandle": handle}, status=400)
    ask(r, "StartMessageMoveTask", {"SourceArn": arn("dead"), "DestinationArn": arn("q")})
    r.receive("q", 5)
    tasks = lambda: ask(r, "ListMessageMoveTasks", {"SourceArn": arn("dead"), "MaxResults": 10})[0]["Results"]
    wait_until(lambda: [t["Status"] for t in tasks()] == ["COMPLETED", "CANCELLED"], what="the second task")
    for body in ({"SourceArn": arn("nowhere")}, {"SourceArn": arn("q"), "DestinationArn": arn("nowhere")}):
        answer, _ = ask(r, "StartMessageMoveTask", body, status=404)
        assert answer["__type"] == "com.amazonaws.sqs#ResourceNotFoundException"
    ask(r, "StartMessageMoveTask", {**start, "MaxNumberOfMessagesPerSecond": 501}, status=400)
    ask(r, "ListMessageMoveTasks", {"SourceArn": arn("q"), "MaxResults": 11}, status=400)
    ask(r, "CancelMessageMoveTask", {"TaskHandle": "bm90aGluZw=="}, status=400)


def test_the_aws_command(r):
    def sqs(*arguments):
        code, out, err = aws(r, "sqs", *arguments)
        assert code == 0, err
        return json.loads(out)

    url = sqs("create-queue", "--queue-name", "by-command", "--attributes", "VisibilityTimeout=9", "--tags", "a=b")["QueueUrl"]
    sqs("send-message", "--queue-url", url, "--message-body", "hello",
        "--message-attributes", '{"n":{"DataType":"Number","StringValue":"5"}}')
    message, = sqs("receive-message", "--queue-url", url, "--message-attribute-names", "All")["Messages"]
    assert message["MessageAttributes"] == {"n": {"StringValue": "5", "DataType": "Number"}}
    code, _, err = aws(r, "sqs", "get-queue-url", "--queue-name", "nowhere")
    assert code == 254 and "NonExistentQueue" in err
