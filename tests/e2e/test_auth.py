# SPDX-License-Identifier: Apache-2.0
"""Who may in: signatures by real clients and by hand, what attackers do to them, allow lists, tokens, and the refusal
to be open to everybody."""
import hashlib
import json
import os
import re
import subprocess

import boto3
import botocore
import pytest
from botocore.config import Config

from conftest import WEIR, Router, wait_until, weir
from sigv4 import Signer, canonical, now, send

SECRET, PUTTER = "hgHKdq2XU0ZqAdmin0Secret", "p9Yx0RrLwPutterSecret"
CONFIG = """
auth: {access_keys: keys.yaml, tokens: tokens.yaml}
buses: {audit: {}, team-a: {}}
queues: {q: {}, audited: {}}
rules:
  all: {pattern: {source: [{exists: true}]}, targets: [q]}
  audited: {bus: audit, pattern: {source: [{exists: true}]}, targets: [audited]}
"""
KEYS = f"""
AKIAADMIN: {{secret: {SECRET}}}
AKIAPUTTER:
  secret: {{env: PUTTER_SECRET}}
  user: putter
  actions: [events:PutEvents, "events:Test*", "sqs:SendMessage"]
  buses: [default, "team-*"]
  sources: [my.*, aws.mine]
AKIAOTHER: {{secret: another0account0secret, account: "111122223333"}}
"""
TOKENS = """
minio: {token: minio-token-0001, routes: [s3]}
shop: {token: shop-token-00002, routes: [events], buses: [default], sources: [shop.*]}
anything: {token: anything-token-3, routes: [events, cloudtrail]}
cli: {token: the-cli-token-04, routes: [v1, events]}
scraper: {token: scraper-token-05, routes: [metrics]}
"""


def write(folder, name, text, mode=0o600):
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


class Guarded(Router):
    """A router that asks who one is; readiness is open to everybody."""

    def __init__(self, folder, config=CONFIG):
        super().__init__(folder, config, {"PUTTER_SECRET": PUTTER})
        write(self.folder, "keys.yaml", KEYS)
        write(self.folder, "tokens.yaml", TOKENS)

    @property
    def address(self):
        host, port = self.url.split("//")[1].split(":")
        return host, int(port)

    @property
    def host(self):
        return self.url.split("//")[1]

    def metric(self, line):
        for one in self.request("GET", "/metrics", headers={"Authorization": "Bearer scraper-token-05"})[2].splitlines():
            if one.rsplit(" ", 1)[0] == line:
                return float(one.rsplit(" ", 1)[1])
        return None


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    r = Guarded(tmp_path_factory.mktemp("auth")).start()
    yield r
    r.stop()


def client(r, service, key="AKIAADMIN", secret=SECRET, **more):
    return boto3.client(service, endpoint_url=r.url, region_name="eu-central-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, config=Config(retries={"max_attempts": 0}), **more)


def entry(source="my.app", bus=None):
    return {"Source": source, "DetailType": "t", "Detail": '{"a":"é & ü"}', **({"EventBusName": bus} if bus else {})}


def refused(call, **arguments):
    """(status, code, message) of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


# ---- real clients ----

MISMATCH = ("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
            "Key and signing method. Consult the service documentation for details.")
INVALID = "The security token included in the request is invalid."


def test_boto3_signs_and_is_taken(guarded):
    assert client(guarded, "events").put_events(Entries=[entry(), entry(bus="audit")])["FailedEntryCount"] == 0
    pattern = client(guarded, "events", "AKIAPUTTER", PUTTER).test_event_pattern(
        EventPattern='{"source":["a"]}', Event=json.dumps({"id": "1", "source": "a", "detail-type": "t", "account": "1", "time":
                                                           "2020-01-01T00:00:00Z", "region": "r", "resources": [], "detail": {}}))
    assert pattern["Result"] is True


def test_keys_that_are_not(guarded):
    assert refused(client(guarded, "events", secret="x" * 20).put_events, Entries=[entry()]) == \
        (400, "InvalidSignatureException", MISMATCH)
    assert refused(client(guarded, "events", key="AKIANOBODY").put_events, Entries=[entry()]) == \
        (400, "UnrecognizedClientException", INVALID)
    assert refused(client(guarded, "events", aws_session_token="token").put_events, Entries=[entry()]) == \
        (400, "UnrecognizedClientException", INVALID)
    newer = {"X-Amz-Target": "AmazonSQS.ListQueues", "x-amzn-query-mode": "true"}  # as SQS's newer clients ask
    status, headers, _ = guarded.request("POST", "/", "{}", newer)
    assert (status, headers["x-amzn-query-error"]) == (400, "MissingAuthenticationToken;Sender")
    sqs = client(guarded, "sqs", "AKIAPUTTER", PUTTER)
    assert refused(sqs.list_queues)[:2] == (403, "AccessDenied")
    assert refused(client(guarded, "sns", "AKIAPUTTER", PUTTER).list_topics)[:2] == (403, "AuthorizationError")
    sns = client(guarded, "sns", secret="x" * 20)
    assert refused(sns.list_topics) == (403, "SignatureDoesNotMatch", MISMATCH)
    assert refused(client(guarded, "sns", key="AKIANOBODY").list_topics) == (403, "InvalidClientTokenId", INVALID)
    assert refused(client(guarded, "lambda", secret="x" * 20).invoke, FunctionName="f")[:2] == (403, "InvalidSignatureException")


def test_the_aws_command(guarded):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIAADMIN", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        environment.pop(variable, None)
    command = ["/usr/bin/aws", "--endpoint-url", guarded.url, "events", "put-events", "--entries", json.dumps([entry()])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["FailedEntryCount"] == 0, done.stderr


# ---- allow lists ----

def test_actions(guarded):
    putter = client(guarded, "events", "AKIAPUTTER", PUTTER)
    status, code, message = refused(putter.list_replays)
    assert (status, code) == (400, "AccessDeniedException")
    assert message == ("User: arn:aws:iam::000000000000:user/putter is not authorized to perform: events:ListReplays on resource: * "
                       "because no identity-based policy allows the events:ListReplays action")
    assert refused(client(guarded, "lambda", "AKIAPUTTER", PUTTER).invoke, FunctionName="f")[:2] == (403, "AccessDeniedException")
    assert refused(client(guarded, "lambda").invoke, FunctionName="f")[:2] == (404, "ResourceNotFoundException")


def test_entries_fail_by_themselves(guarded):
    entries = [entry(), entry("aws.s3"), entry(bus="audit"), entry("aws.mine", "team-a"), entry("your.app"), entry(bus="team-x")]
    answer = client(guarded, "events", "AKIAPUTTER", PUTTER).put_events(Entries=entries)
    assert [e.get("ErrorCode") for e in answer["Entries"]] == [None, "NotAuthorizedForSourceException", "AccessDeniedException", None,
                                                               "NotAuthorizedForSourceException", None]
    assert answer["Entries"][1]["ErrorMessage"] == "Not authorized for the source."
    assert "events:PutEvents on resource: arn:aws:events:us-east-1:000000000000:event-bus/audit" in answer["Entries"][2]["ErrorMessage"]
    admin = client(guarded, "events").put_events(Entries=[entry("aws.s3"), entry()])
    assert admin["FailedEntryCount"] == 1, "nobody sends as AWS does unless somebody wrote it down"


def test_buses_of_operations(guarded):
    putter = client(guarded, "events", "AKIAPUTTER", PUTTER)
    keys = KEYS.replace("[events:PutEvents,", '["events:*",')
    write(guarded.folder, "keys.yaml", keys)
    reload(guarded)
    for call, arguments in [(putter.list_rules, {"EventBusName": "audit"}), (putter.delete_event_bus, {"Name": "audit"}),
                            (putter.describe_rule, {"Name": "audited", "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/audit"}),
                            (putter.list_tags_for_resource, {"ResourceARN": "arn:aws:events:us-east-1:000000000000:rule/audit/audited"})]:
        status, code, message = refused(call, **arguments)
        assert (code, "event-bus/audit" in message) in [("AccessDeniedException", True), ("UnknownOperationException", False)], message
    putter.put_rule(Name="sly", EventPattern='{"source":["my.app"]}')
    for name in ("arn:aws:events:us-east-1:000000000000:event-bus/audit", "bus/audit", "audit"):
        targets = [{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}, {"Id": "audit", "Arn": name}]
        status, code, message = refused(putter.put_targets, Rule="sly", Targets=targets)
        assert code == "AccessDeniedException" and "event-bus/audit" in message, message
    assert putter.put_targets(Rule="sly", Targets=targets[:1])["FailedEntryCount"] == 0
    putter.remove_targets(Rule="sly", Ids=["q"])
    putter.delete_rule(Name="sly")
    write(guarded.folder, "keys.yaml", KEYS)
    reload(guarded)


# ---- by hand ----

TARGET = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutEvents")]
BODY = json.dumps({"Entries": [entry()]}).encode()


@pytest.fixture
def signer():
    return Signer("AKIAADMIN", SECRET)


def post(r, headers, body=BODY, target="/"):
    status, head, text = send(r.address, "POST", target, headers, body)
    answer = json.loads(text) if text.startswith("{") else {"__type": re.search("<Code>(.*?)</Code>", text)[1], "message": text}
    return status, answer.get("__type", "").rpartition("#")[2], answer.get("message", "")


def test_signed_by_hand(guarded, signer):
    assert post(guarded, signer.headers("POST", "/", guarded.host, TARGET, BODY))[0] == 200
    digest = hashlib.sha256(BODY).hexdigest()
    assert post(guarded, signer.headers("POST", "/", guarded.host, TARGET, BODY, payload=digest))[0] == 200
    odd = TARGET + [("X-Odd", "  a   b "), ("x-odd", "c\td")]
    assert post(guarded, signer.headers("POST", "/", guarded.host, odd, BODY))[0] == 200
    for target in ("/?b=2&a=1&a=0&c", "/?x=%c3%A9&y=a+b%20c&z=%2F~", "/?", "/?a=%zz"):
        assert post(guarded, signer.headers("POST", target, guarded.host, TARGET, BODY), target=target)[0] == 200, target


def test_unsigned(guarded):
    status, code, message = post(guarded, [("Host", guarded.host), *TARGET])
    assert (status, code, message) == (400, "MissingAuthenticationTokenException", "Missing Authentication Token")
    status, _, text = send(guarded.address, "POST", "/", [("Host", guarded.host)], b"Action=ListQueues&Version=2012-11-05")
    assert status == 403 and "<Code>MissingAuthenticationToken</Code>" in text
    for headers in ([("Authorization", "Bearer the-cli-token-04")], [("Authorization", "Basic YTpi")], [("Authorization", "")]):
        assert post(guarded, [("Host", guarded.host), *TARGET, *headers])[1] == "MissingAuthenticationTokenException"


def without(headers, name):
    return [h for h in headers if h[0].lower() != name.lower()]


def replaced(headers, name, change):
    return [(n, change(v)) if n.lower() == name.lower() else (n, v) for n, v in headers]


def test_attacks_on_what_is_signed(guarded, signer):
    """Somebody saw a signed request, and would like it to say something else."""
    good = signer.headers("POST", "/", guarded.host, TARGET, BODY)
    hashed = signer.headers("POST", "/", guarded.host, TARGET, BODY, payload=hashlib.sha256(BODY).hexdigest())
    evil = BODY.replace(b"my.app", b"my.evil")
    cases = {
        "another body": (good, evil, "/"),
        "another body behind a signed hash": (hashed, evil, "/"),
        "a hash that fits another body": (replaced(hashed, "X-Amz-Content-Sha256", lambda v: hashlib.sha256(evil).hexdigest()), evil, "/"),
        "the hash taken away": (without(hashed, "X-Amz-Content-Sha256"), evil, "/"),
        "a hash added": (good + [("X-Amz-Content-Sha256", hashlib.sha256(evil).hexdigest())], evil, "/"),
        "the body said to be unsigned": (good + [("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")], evil, "/"),
        "another operation": (replaced(good, "X-Amz-Target", lambda v: "AWSEvents.ListReplays"), BODY, "/"),
        "another date": (replaced(good, "X-Amz-Date", lambda v: now(60)), BODY, "/"),
        "another host": (replaced(good, "Host", lambda v: "localhost:1"), BODY, "/"),
        "a query added": (good, BODY, "/?Action=PutEvents"),
        "another signature": (replaced(good, "Authorization", lambda v: v[:-1] + ("0" if v[-1] != "0" else "1")), BODY, "/"),
        "upper case": (replaced(good, "Authorization", lambda v: v[:-64] + v[-64:].upper()), BODY, "/"),
        "an empty signature": (replaced(good, "Authorization", lambda v: v[:-64]), BODY, "/"),
        "half a signature": (replaced(good, "Authorization", lambda v: v[:-32]), BODY, "/"),
        "another region": (replaced(good, "Authorization", lambda v: v.replace("us-east-1", "us-east-2")), BODY, "/"),
        "another service": (replaced(good, "Authorization", lambda v: v.replace("/events/", "/sqs/")), BODY, "/"),
        "another key": (replaced(good, "Authorization", lambda v: v.replace("AKIAADMIN", "AKIAPUTTER")), BODY, "/"),
        "a header taken out of the list": (replaced(good, "Authorization", lambda v: v.replace(";x-amz-target", "")), BODY, "/"),
        "a header put into the list": (replaced(good, "Authorization", lambda v: v.replace("host;", "host;user-agent;")), BODY, "/"),
        "a second target": (good + [("X-Amz-Target", "AWSEvents.ListReplays")], BODY, "/"),
        "a second target before": ([("X-Amz-Target", "AWSEvents.ListReplays")] + good, BODY, "/"),
        "a second date": (good + [("X-Amz-Date", now(60))], BODY, "/"),
        "a second authorization": (good + [("Authorization", "AWS4-HMAC-SHA256 Credential=x")], BODY, "/"),
        "the same authorization twice": (good + good[-1:], BODY, "/"),
        "an unsigned header of AWS's": (good + [("X-Amz-Security-Token", "t")], BODY, "/"),
        "an unsigned header to come": (good + [("x-amz-future", "t")], BODY, "/"),
    }
    for name, (headers, body, target) in cases.items():
        status, code, _ = post(guarded, headers, body, target)
        assert status in (400, 403) and code in ("InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException",
                                                 "SignatureDoesNotMatch", "IncompleteSignature"), (name, status, code)
    assert post(guarded, good)[0] == 200, "the request itself was good all the time"


def test_what_must_be_signed(guarded, signer):
    for left_out, text in [("host", "'Host' must be a 'SignedHeader' in the AWS Authorization."),
                           ("x-amz-target", "There were headers present in the request which were not signed: X-Amz-Target")]:
        stamp = now()
        signed = [h for h in [("Host", guarded.host), *TARGET, ("X-Amz-Date", stamp)] if h[0].lower() != left_out]
        signature, scope = signer.sign(canonical("POST", "/", "", signed, hashlib.sha256(BODY).hexdigest()), stamp)
        names = ";".join(sorted(n.lower() for n, _ in signed))
        headers = [("Host", guarded.host), *TARGET, ("X-Amz-Date", stamp),
                   ("Authorization", f"AWS4-HMAC-SHA256 Credential=AKIAADMIN/{scope}, SignedHeaders={names}, Signature={signature}")]
        assert post(guarded, headers) == (400, "InvalidSignatureException", text)


def test_incomplete(guarded, signer):
    good = signer.headers("POST", "/", guarded.host, TARGET, BODY)
    scope = good[-1][1].split("Credential=")[1].split(",")[0]
    for authorization, wanted in [
            ("AWS4-HMAC-SHA256", "requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
                                 "Authorization header requires 'SignedHeaders' parameter."),
            (good[-1][1].replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "Unsupported AWS 'algorithm'"),
            (good[-1][1] + ", Signature=00", "is not a valid key=value pair"),
            (good[-1][1].replace(scope, "AKIAADMIN/20200101"), "exactly 5 slash-delimited elements"),
            (good[-1][1].replace(scope, scope + "/more"), "exactly 5 slash-delimited elements")]:
        status, code, message = post(guarded, good[:-1] + [("Authorization", authorization)])
        assert (status, code) == (400, "IncompleteSignatureException") and wanted in message, message
    assert "existence of a 'X-Amz-Date' header" in post(guarded, without(good, "X-Amz-Date"))[2]
    for scope_of, wanted in [(("20200101", None), "Date in Credential scope does not match YYYYMMDD"), ((None, "aws5_request"), "valid terminator")]:
        changed = scope.split("/")
        changed[1], changed[4] = scope_of[0] or changed[1], scope_of[1] or changed[4]
        status, code, message = post(guarded, replaced(good, "Authorization", lambda v: v.replace(scope, "/".join(changed))))
        assert code == "InvalidSignatureException" and wanted in message
    status, code, message = post(guarded, Signer("AKIAADMIN", SECRET, "s3").headers("POST", "/", guarded.host, TARGET, BODY))
    assert message == "Credential should be scoped to correct service."
    status, code, message = post(guarded, Signer("AKIAADMIN", SECRET, "sqs").headers("POST", "/", guarded.host, TARGET, BODY))
    assert message == "Credential should be scoped to correct service: 'events'. "


def test_clock_skew(guarded, signer):
    for offset, ok, text in [(-280, True, None), (280, True, None), (-320, False, r"Signature expired: (\w+) is now earlier than \w+ \(\w+ - 5 min\.\)"),
                             (320, False, r"Signature not yet current: (\w+) is still later than \w+ \(\w+ \+ 5 min\.\)")]:
        stamp = now(offset)
        status, code, message = post(guarded, signer.headers("POST", "/", guarded.host, TARGET, BODY, time=stamp))
        assert (status == 200) == ok, (offset, message)
        assert ok or (code == "InvalidSignatureException" and re.fullmatch(text, message)[1] == stamp)
    for stamp in ("20200101", "2020-01-01T00:00:00Z", "20209999T999999Z", "20200101T000000X"):
        assert post(guarded, signer.headers("POST", "/", guarded.host, TARGET, BODY, time=stamp))[0] == 400


def test_presigned(guarded, signer):
    target = signer.presign("POST", "/", guarded.host, TARGET, BODY)
    headers = [("Host", guarded.host), *TARGET]
    assert post(guarded, headers, target=target)[0] == 200
    assert post(guarded, headers, BODY.replace(b"my.app", b"my.evil"), target)[1] == "InvalidSignatureException"
    assert post(guarded, headers, target=target + "&more=1")[1] == "InvalidSignatureException"
    assert post(guarded, headers, target=target.replace("Expires=60", "Expires=600"))[1] == "InvalidSignatureException"
    assert post(guarded, headers, target=target + "&X-Amz-Expires=600")[1] == "IncompleteSignatureException"
    assert post(guarded, headers + [("Authorization", "AWS4-HMAC-SHA256 Credential=")], target=target)[1] == "IncompleteSignatureException"
    assert post(guarded, headers, target=re.sub("&X-Amz-Signature=.*", "", target))[1] == "IncompleteSignatureException"
    link = client(guarded, "sqs").generate_presigned_url("list_queues", HttpMethod="GET")[len(guarded.url):]
    assert "<ListQueuesResponse" in guarded.request("GET", link)[2]
    status, _, text = guarded.request("GET", link + "&QueueNamePrefix=a")
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in text, text
    late = signer.presign("POST", "/", guarded.host, TARGET, BODY, time=now(-61))
    assert post(guarded, headers, target=late)[1:] == ("RequestExpired", "Request has expired.")
    long = signer.presign("POST", "/", guarded.host, TARGET, BODY, time=now(-3000), expires=3600)
    assert post(guarded, headers, target=long)[0] == 200, "a presigned request is good as long as it says"
    for expires in (0, 604801, "x", -1):
        assert post(guarded, headers, target=signer.presign("POST", "/", guarded.host, TARGET, BODY, expires=expires))[1] == \
            "IncompleteSignatureException"
    unsigned_target = signer.presign("POST", "/", guarded.host, TARGET[:1], BODY)
    assert "not signed: X-Amz-Target" in post(guarded, headers, target=unsigned_target)[2]


def chunked(r, signer, parts, payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", trailer=None, length=None):
    stamp = now()
    size = str(sum(map(len, parts)) if length is None else length)
    headers = signer.headers("POST", "/", r.host, [*TARGET, ("X-Amz-Decoded-Content-Length", size), ("Content-Encoding", "aws-chunked")],
                             time=stamp, payload=payload)
    return headers, signer.chunks(headers[-1][1][-64:], stamp, parts, trailer)


def test_signed_chunks(guarded, signer):
    parts = [BODY[:10], BODY[10:60], BODY[60:]]
    headers, body = chunked(guarded, signer, parts)
    assert post(guarded, headers, body)[0] == 200
    trailing = chunked(guarded, signer, parts, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "x-amz-checksum-crc32c:sOO8/Q==")
    assert post(guarded, *trailing)[0] == 200
    bad = {
        "a byte of a chunk": body.replace(b"my.app", b"my.apq"),
        "a chunk cut off": body[:body.index(b"\r\n", 200)],
        "the last chunk missing": body[:body.rindex(b"0;chunk")],
        "more behind": body + b"x",
        "an unsigned chunk": body.replace(b"0;chunk-signature", b"1;chunk-signature"),
        "no chunks": BODY,
        "nothing": b"",
        "a huge size": b"ffffffff" + body[1:],
    }
    for name, text in bad.items():
        assert post(guarded, headers, text)[1] in ("InvalidSignatureException", "IncompleteSignatureException"), name
    swapped = chunked(guarded, signer, [BODY[:40], BODY[40:]])
    pieces = re.findall(rb"[0-9a-f]+;chunk-signature=.{64}\r\n", swapped[1])
    assert post(guarded, swapped[0], swapped[1].replace(pieces[0], pieces[1]))[1] in ("InvalidSignatureException", "IncompleteSignatureException")
    assert post(guarded, trailing[0], trailing[1].replace(b"sOO8", b"sOO9"))[1] == "InvalidSignatureException"
    assert post(guarded, *chunked(guarded, signer, parts, length=7))[1] == "IncompleteSignatureException"


def test_unsigned_payloads_want_tls(guarded, signer):
    headers = signer.headers("POST", "/", guarded.host, TARGET, payload="UNSIGNED-PAYLOAD")
    status, code, message = post(guarded, headers)
    assert code == "InvalidSignatureException" and message.startswith("The payload must be signed")
    assert post(guarded, signer.headers("POST", "/", guarded.host, TARGET, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER"))[0] == 400


def test_paths(guarded):
    """Paths that mean the same to a signer and different things to a server."""
    lambda_signer = Signer("AKIAADMIN", SECRET, "lambda")
    good = "/2015-03-31/functions/f/invocations"
    headers = lambda_signer.headers("POST", good, guarded.host, (), b"{}")
    assert send(guarded.address, "POST", good, headers, b"{}")[0] == 404
    for path in ("/2015-03-31/functions/g/../f/invocations", "/2015-03-31//functions/f/invocations", "/./2015-03-31/functions/f/invocations"):
        status, _, text = send(guarded.address, "POST", path, headers, b"{}")
        assert status in (403, 404) and "function:g" not in text.replace("function:g/../f", ""), (path, text)
    for path in ("/2015-03-31/functions/%66/invocations", "/2015-03-31/functions/f%2Finvocations", "/2015-03-31/functions/F/invocations"):
        assert send(guarded.address, "POST", path, headers, b"{}")[0] == 403, path
    odd = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af~/invocations"
    assert send(guarded.address, "POST", odd, lambda_signer.headers("POST", odd, guarded.host, (), b"{}"), b"{}")[0] == 404


def test_every_route_asks(guarded):
    """Nothing but health and the front page is open."""
    for method, path in [("POST", "/"), ("POST", "/000000000000/q"), ("GET", "/000000000000/q?Action=ReceiveMessage"), ("POST", "/events"),
                         ("POST", "/events/audit"), ("POST", "/s3"), ("POST", "/cloudtrail"), ("GET", "/metrics"), ("GET", "/_weir/v1/status"),
                         ("GET", "/_weir/v1/config"), ("GET", "/_weir/v1/queues"), ("POST", "/_weir/v1/queues/q/receive"), ("POST", "/_weir/v1/pause"),
                         ("GET", "/_weir/v1/dlq"), ("POST", "/_weir/v1/replays"), ("POST", "/_weir/v1/taps"), ("DELETE", "/_weir/v1/taps/x"),
                         ("POST", "/2015-03-31/functions/f/invocations"), ("GET", "/?Action=ListQueues&Version=2012-11-05")]:
        status, _, text = guarded.request(method, path, b"{}" if method == "POST" else None)
        assert status in (401, 403) or (path.startswith("/?") and "queue" not in text.lower()), (method, path, status, text)
    for path in ("/", "/healthz", "/readyz"):
        assert guarded.request("GET", path)[0] == 200
    assert guarded.request("HEAD", "/")[0] == 200


# ---- tokens ----

def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def plain(source="shop.orders"):
    return {"source": source, "detail-type": "t", "detail": {}}


def test_tokens(guarded):
    status, headers, text = guarded.request("POST", "/events", plain())
    assert status == 401 and headers["WWW-Authenticate"] == 'Bearer realm="weir"' and "Authorization: Bearer TOKEN" in text
    for token in ("shop-token-00003", "shop-token-0000", "", "shop-token-00002x", "é" * 16):
        status, headers, _ = guarded.request("POST", "/events", plain(), bearer(token.encode().decode("latin-1")))
        assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer")
    assert guarded.request("POST", "/events", plain(), bearer("shop-token-00002"))[0] == 200
    assert guarded.request("POST", "/events", plain(), {"Authorization": "bearer   shop-token-00002 "})[0] == 200
    for path, event, why in [("/events", plain("your.orders"), 'events of the source "your.orders" may not be put with this token'),
                             ("/events", plain("aws.s3"), "may not be put"), ("/events/audit", plain(), "token 'shop' may not use event bus 'audit'"),
                             ("/events/nowhere", plain(), "may not use event bus 'nowhere'"), ("/s3", {}, "it has no route 's3'"),
                             ("/_weir/v1/status", {}, "no route 'v1'")]:
        status, _, text = guarded.request("POST" if path != "/_weir/v1/status" else "GET", path,
                                          event if path != "/_weir/v1/status" else None, bearer("shop-token-00002"))
        assert status == 403 and why in json.loads(text)["message"], (path, status, text)
    two = [("Host", guarded.host), ("Authorization", "Bearer shop-token-00002"), ("Authorization", "Bearer anything-token-3")]
    assert send(guarded.address, "POST", "/events", two, b"{}")[0] == 400


def test_nobody_sends_as_aws(guarded):
    mixed = json.dumps(plain("a.b")) + "\n" + json.dumps(plain("aws.ec2"))
    status, _, text = guarded.request("POST", "/events", mixed, bearer("anything-token-3"))
    assert status == 403 and json.loads(text)["line"] == 2
    escaped = '{"source":"\\u0061ws.ec2","detail-type":"t","detail":{}}'
    assert guarded.request("POST", "/events", escaped, bearer("anything-token-3"))[0] == 403
    event = {"specversion": "1.0", "id": "1", "source": "aws.ec2", "type": "t", "data": {}}
    assert guarded.request("POST", "/events", event, {**bearer("anything-token-3"), "Content-Type": "application/cloudevents+json"})[0] == 403
    record = {"eventSource": "iam.amazonaws.com", "eventName": "X", "eventID": "e1", "eventTime": "2024-01-01T00:00:00Z", "awsRegion": "r",
              "eventType": "AwsApiCall", "eventVersion": "1.08", "userIdentity": {}, "recipientAccountId": "000000000000"}
    status, _, text = guarded.request("POST", "/cloudtrail", {"Records": [record]}, bearer("anything-token-3"))
    assert status == 200, text  # the route itself says whose they are


def test_minio(guarded):
    record = {"eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2024-01-01T00:00:00.000Z",
              "eventName": "s3:ObjectCreated:Put", "userIdentity": {"principalId": "m"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
              "responseElements": {}, "s3": {"s3SchemaVersion": "1.0", "configurationId": "Config",
                                             "bucket": {"name": "b", "ownerIdentity": {"principalId": "m"}, "arn": "arn:aws:s3:::b"},
                                             "object": {"key": "k", "size": 1, "eTag": "e", "sequencer": "1"}}}
    body = {"EventName": "s3:ObjectCreated:Put", "Key": "b/k", "Records": [record]}
    assert guarded.request("POST", "/s3", body)[0] == 401
    status, _, text = guarded.request("POST", "/s3", body, bearer("minio-token-0001"))
    assert status == 200, text


def test_metrics_count_refusals(guarded):
    before = guarded.metric('weir_auth_refused_total{route="events",reason="unknown_token"}') or 0
    guarded.request("POST", "/events", plain(), bearer("no-such-token-99"))
    assert guarded.metric('weir_auth_refused_total{route="events",reason="unknown_token"}') == before + 1


# ---- starting, reloading ----

def test_open_addresses_are_refused(tmp_path):
    file = write(tmp_path, "weir.yaml", "version: 1\nlisten: 0.0.0.0:0\ndata: ./data\n")
    for command in (["run", "-c", file], ["check", file]):
        code, _, error = weir(*command)
        assert code == 78 and "weir.yaml:2:9: error: listen '0.0.0.0' can be reached from other machines" in error, error
        assert "auth: {access_keys: keys.yaml, tokens: tokens.yaml}" in error
    file.write_text("version: 1\ndata: ./data\n")
    for address in ("0.0.0.0:0", "[::]:0", "*:0", "0:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"):
        code, _, error = weir("run", "-c", file, "--listen", address)
        assert code == 78 and "can be reached from other machines" in error, (address, error)
    assert not (tmp_path / "data").exists(), "nothing is made before"


def test_open_with_keys(tmp_path):
    r = Guarded(tmp_path / "r")
    r.configure("listen: 0.0.0.0:0\n" + CONFIG)
    process = subprocess.Popen([WEIR, "run", "-c", str(r.file)], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL, env={**os.environ, **r.env})
    try:
        assert "http://0.0.0.0:" in process.stdout.readline()
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


def status_of(r):
    return json.loads(r.request("GET", "/_weir/v1/status", headers=bearer("the-cli-token-04"))[2])


def reload(r):
    before = status_of(r)
    r.process.send_signal(1)

    def done():
        now_ = status_of(r)
        return now_ if (now_["generation"], now_.get("reload_failed")) != (before["generation"], before.get("reload_failed")) else None
    return wait_until(done, what="a reload")


def test_reload_takes_keys_all_or_nothing(tmp_path):
    r = Guarded(tmp_path / "r").start()
    try:
        write(r.folder, "keys.yaml", KEYS.replace(SECRET, "short"))
        write(r.folder, "tokens.yaml", TOKENS.replace("shop-token-00002", "shop-token-00009"))
        assert "must have 16..1024 characters" in reload(r)["reload_failed"]["error"]
        assert client(r, "events").put_events(Entries=[entry()])["FailedEntryCount"] == 0, "the old key is still good"
        assert r.request("POST", "/events", plain(), bearer("shop-token-00009"))[0] == 401
        write(r.folder, "keys.yaml", KEYS.replace(SECRET, "a0new0and0long0secret"))
        reload(r)
        assert refused(client(r, "events").put_events, Entries=[entry()])[1] == "InvalidSignatureException"
        assert client(r, "events", secret="a0new0and0long0secret").put_events(Entries=[entry()])["FailedEntryCount"] == 0
        assert r.request("POST", "/events", plain(), bearer("shop-token-00009"))[0] == 200
    finally:
        r.stop()


def test_watch_sees_keys(tmp_path):
    r = Guarded(tmp_path / "r").start("--watch")
    try:
        write(r.folder, "tokens.yaml", TOKENS.replace("shop-token-00002", "shop-token-00009"))
        wait_until(lambda: r.request("POST", "/events", plain(), bearer("shop-token-00009"))[0] == 200, what="the new token")
    finally:
        r.stop()


def test_no_auth_no_questions(router):
    r = router()
    assert client(r, "events", "any", "thing").put_events(Entries=[entry("aws.s3")])["FailedEntryCount"] == 0
    assert r.request("POST", "/events", plain("aws.s3"))[0] == 200


@pytest.mark.parametrize("keys, tokens, mode, wanted", [
    ("A: {secret: 0123456789abcdef}", "{}", 0o644, "holds secrets and can be read by everybody; say 'chmod o-rwx' of it"),
    ("A: {secret: 0123456789abcdef}", "{}", 0o602, "can be written by everybody"),
    ("A: {secret: short}", "{}", 0o600, "must have 16..1024 characters"),
    ("A: {secret: {env: NOT_SET}}", "{}", 0o600, "environment variable 'NOT_SET' is not set"),
    ("A: {actions: []}", "{}", 0o600, "missing key 'secret' in access key 'A'"),
    ("A: {secret: 0123456789abcdef, action: [x]}", "{}", 0o600, "unknown key 'action' in access key 'A'; did you mean 'actions'?"),
    ("A: {secret: 0123456789abcdef, actions: [event:PutEvents]}", "{}", 0o600, "unknown service in action 'event:PutEvents'; did you mean 'events'?"),
    ("A: {secret: 0123456789abcdef, account: '12'}", "{}", 0o600, "account '12' is not 12 digits"),
    ("'a/b': {secret: 0123456789abcdef}", "{}", 0o600, "must have 1..128 characters of"),
    ("{}", "t: {token: 0123456789abcdef}", 0o600, "missing key 'routes'"),
    ("{}", "t: {token: 0123456789abcdef, routes: [event]}", 0o600, "unknown route 'event'; did you mean 'events'?"),
    ("{}", "t: {token: 0123456789abcdef, routes: [s3]}\nu: {token: 0123456789abcdef, routes: [s3]}", 0o600, "token 'u' is the same as token 't'"),
    ("{}", "t: {token: 'with a blank inside', routes: [s3]}", 0o600, "none of them a blank"),
    ("[]", "{}", 0o600, "must be a mapping"),
])
def test_faulty_files(tmp_path, keys, tokens, mode, wanted):
    file = write(tmp_path, "weir.yaml", "version: 1\nauth: {access_keys: keys.yaml, tokens: tokens.yaml}\n")
    write(tmp_path, "keys.yaml", keys + "\n", mode)
    write(tmp_path, "tokens.yaml", tokens + "\n")
    code, _, error = weir("check", file)
    assert code == 78 and wanted in error, error
    assert re.match(r"\S+(keys|tokens|weir)\.yaml:\d+:\d+: error: ", error)


def test_actions_that_are_none(tmp_path):
    file = write(tmp_path, "weir.yaml", "version: 1\nauth: {access_keys: keys.yaml}\n")
    write(tmp_path, "keys.yaml", "A: {secret: 0123456789abcdef, actions: [events:PutEvent, 'events:Put*', lambda:InvokeFunction, "
                                 "sqs:SendMessage, sqs:SendMessageBatch]}\n")
    code, _, error = weir("check", file)
    assert code == 0 and re.findall("no operation is called '(.*?)'", error) == ["events:PutEvent", "sqs:SendMessageBatch"]


def test_missing_files(tmp_path):
    file = write(tmp_path, "weir.yaml", "version: 1\nauth: {access_keys: none.yaml}\n")
    code, _, error = weir("check", file)
    assert code == 78 and "weir.yaml:2:21: error: cannot open" in error
    file.write_text("version: 1\nauth: {}\n")
    assert "warning: 'auth' lets nobody in" in weir("check", file)[2]
