# SPDX-License-Identifier: Apache-2.0
"""EventBridge's operations on connections and API destinations, by the real clients: every operation, its errors, its
deliveries; secrets that stand nowhere in clear, a restart, kill -9 and a lost key."""
import base64
import datetime
import json
import os
import stat

import pytest

from conftest import Router, wait_until, weir
from events_client import ARN, put, raw, refused, violates
from test_api_destinations import SECRETS, Tokens, api  # noqa: F401: api is a fixture
from test_aws import aws, client

CONFIG = """
connections:
  filed: {authorization_type: API_KEY, auth_parameters: {api_key: {name: X-Key, value: {env: API_KEY}},
    invocation_http_parameters: {header_parameters: {X-Plain: plain, X-Secret: {env: TENANT}}}}}
api_destinations:
  filed: {connection: filed, invocation_endpoint: "http://127.0.0.1:9/", invocation_rate_limit_per_second: 7}
queues: {lost: {}}
"""
NOT_FOUND = "ResourceNotFoundException"
BASIC = {"BasicAuthParameters": {"Username": "ann", "Password": "v3ry-s3cret"}}
FAST = {"MaximumRetryAttempts": 20, "MaximumEventAgeInSeconds": 3600}


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    router = Router(tmp_path_factory.mktemp("connections"), CONFIG, SECRETS).start()
    yield router
    router.stop()


def connect(events, name, kind="BASIC", parameters=BASIC, **more):
    return events.create_connection(Name=name, AuthorizationType=kind, AuthParameters=parameters, **more)["ConnectionArn"]


def absent(kind, doing, name):
    what = "Connection" if kind == "connection" else "An api-destination"
    return NOT_FOUND, f"Failed to {doing} the {kind}(s). {what} '{name}' does not exist."


def is_now(time):
    return abs((datetime.datetime.now(datetime.timezone.utc) - time).total_seconds()) < 60


# ---- connections ----

def test_a_connection_comes_and_goes(r):
    events = client(r)
    made = events.create_connection(Name="crm", Description="a é", AuthorizationType="BASIC", AuthParameters=BASIC)
    arn = made["ConnectionArn"]
    assert arn.startswith(ARN + "connection/crm/") and len(arn.split("/")[2]) == 36
    assert made["ConnectionState"] == "AUTHORIZED" and is_now(made["CreationTime"]) and is_now(made["LastModifiedTime"])
    refused(events.create_connection, "ResourceAlreadyExistsException", "Connection 'crm' already exists.", Name="crm",
            AuthorizationType="BASIC", AuthParameters=BASIC)
    shown = events.describe_connection(Name="crm")
    del shown["ResponseMetadata"]
    times = [shown.pop(time) for time in ["CreationTime", "LastModifiedTime", "LastAuthorizedTime"]]
    assert all(map(is_now, times))
    assert shown == {"ConnectionArn": arn, "Name": "crm", "Description": "a é", "ConnectionState": "AUTHORIZED",
                     "AuthorizationType": "BASIC", "AuthParameters": {"BasicAuthParameters": {"Username": "ann"}},
                     "SecretArn": f"arn:aws:secretsmanager:us-east-1:000000000000:secret:events!connection/crm/{arn[-36:]}"}
    deleted = events.delete_connection(Name="crm")
    assert (deleted["ConnectionArn"], deleted["ConnectionState"]) == (arn, "DELETING")
    refused(events.describe_connection, *absent("connection", "describe", "crm"), Name="crm")
    refused(events.delete_connection, *absent("connection", "delete", "crm"), Name="crm")
    refused(events.deauthorize_connection, *absent("connection", "deauthorize", "crm"), Name="crm")
    refused(events.update_connection, *absent("connection", "update", "crm"), Name="crm", Description="x")


def parameters(*pairs):
    return [{"Key": key, "Value": value, "IsValueSecret": secret} for key, value, secret in pairs]


def test_all_parameters_are_kept_and_secrets_are_not_shown(r):
    events = client(r)
    invocation = {"HeaderParameters": parameters(("X-A", "1", False), ("X-S", "s3cret-header", True)),
                  "QueryStringParameters": parameters(("q", "a b", False), ("t", "s3cret-query", True)),
                  "BodyParameters": parameters(("b", "é", False), ("u", "s3cret-body", True))}
    shown = {key: [p if not p["IsValueSecret"] else {"Key": p["Key"], "IsValueSecret": True} for p in value]
             for key, value in invocation.items()}
    oauth = {"ClientParameters": {"ClientID": "me", "ClientSecret": "s3cret-client"}, "HttpMethod": "PUT",
             "AuthorizationEndpoint": "https://example.com/token", "OAuthHttpParameters": invocation}
    assert raw(r, "CreateConnection", Name="oauth", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters={
        "OAuthParameters": oauth, "InvocationHttpParameters": invocation})[1]["ConnectionState"] == "AUTHORIZING"
    described = events.describe_connection(Name="oauth")
    assert described["ConnectionState"] == "AUTHORIZED"
    assert described["AuthParameters"] == {"OAuthParameters": {
        "ClientParameters": {"ClientID": "me"}, "HttpMethod": "PUT", "AuthorizationEndpoint": "https://example.com/token",
        "OAuthHttpParameters": shown}, "InvocationHttpParameters": shown}
    events.delete_connection(Name="oauth")
    connect(events, "key", "API_KEY", {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "s3cret-key"},
                                       "InvocationHttpParameters": {"HeaderParameters": parameters(
                                           ("X-A", "first", False), ("X-A", "last", False)), "BodyParameters": []}})
    assert events.describe_connection(Name="key")["AuthParameters"] == {
        "ApiKeyAuthParameters": {"ApiKeyName": "X-Key"},
        "InvocationHttpParameters": {"HeaderParameters": parameters(("X-A", "last", False))}}
    events.delete_connection(Name="key")


def test_what_an_update_leaves_out_stays(r):
    events = client(r)
    connect(events, "up", Description="one", parameters={
        **BASIC, "InvocationHttpParameters": {"HeaderParameters": parameters(("X-A", "1", False))}})
    before = events.describe_connection(Name="up")
    for key, shown in [("alias/k", "alias/k"), (None, "alias/k"), ("", None)]:  # a member that old clients do not know
        assert raw(r, "UpdateConnection", Name="up", **({} if key is None else {"KmsKeyIdentifier": key}))[0] == 200
        assert raw(r, "DescribeConnection", Name="up")[1].get("KmsKeyIdentifier") == shown
    assert events.update_connection(Name="up", Description="two")["ConnectionState"] == "AUTHORIZED"
    events.update_connection(Name="up", AuthParameters={"BasicAuthParameters": {"Username": "bob"}})
    shown = events.describe_connection(Name="up")
    assert shown["Description"] == "two" and shown["CreationTime"] == before["CreationTime"]
    assert shown["AuthParameters"] == {"BasicAuthParameters": {"Username": "bob"}, "InvocationHttpParameters": {
        "HeaderParameters": parameters(("X-A", "1", False))}}
    refused(events.update_connection, "ValidationException", "Parameter AuthParameters is not valid. Reason: ApiKeyName is "
            "required for authorization type API_KEY.", Name="up", AuthorizationType="API_KEY")
    events.update_connection(Name="up", AuthorizationType="API_KEY", AuthParameters={
        "ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "k"}, "InvocationHttpParameters": {}})
    shown = events.describe_connection(Name="up")
    assert shown["AuthorizationType"] == "API_KEY"
    assert shown["AuthParameters"] == {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key"}}
    assert events.deauthorize_connection(Name="up")["ConnectionState"] == "DEAUTHORIZING"
    shown = events.describe_connection(Name="up")
    assert (shown["ConnectionState"], shown["AuthParameters"]) == ("DEAUTHORIZED", {})
    assert events.update_connection(Name="up", Description="")["ConnectionState"] == "DEAUTHORIZED"
    assert events.update_connection(Name="up", AuthParameters={"ApiKeyAuthParameters": {
        "ApiKeyName": "X-Key", "ApiKeyValue": "k"}})["ConnectionState"] == "AUTHORIZED"
    events.delete_connection(Name="up")


def test_what_requests_may_not_say(r):
    name = "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"
    violates(r, "DescribeConnection", "'a b'", "name", name, Name="a b")
    violates(r, "CreateConnection", "'NTLM'", "authorizationType",
             "Member must satisfy enum value set: [BASIC, API_KEY, OAUTH_CLIENT_CREDENTIALS]", Name="x",
             AuthorizationType="NTLM", AuthParameters=BASIC)
    violates(r, "CreateConnection", "null", "authParameters.basicAuthParameters.password", "Member must not be null",
             Name="x", AuthorizationType="BASIC", AuthParameters={"BasicAuthParameters": {"Username": "u"}})
    violates(r, "CreateConnection", "'***Sensitive Data Redacted***'", "authParameters.basicAuthParameters.password",
             "Member must have length less than or equal to 512", Name="x", AuthorizationType="BASIC",
             AuthParameters={"BasicAuthParameters": {"Username": "u", "Password": "s" * 513}})
    violates(r, "CreateConnection", "'a b'",
             "authParameters.invocationHttpParameters.headerParameters.1.member.key",
             "Member must satisfy regular expression pattern: ^[!#$%&'*+-.^_`|~0-9a-zA-Z]+$", Name="x",
             AuthorizationType="BASIC", AuthParameters={**BASIC, "InvocationHttpParameters": {
                 "HeaderParameters": parameters(("a b", "c", False))}})
    status, answer = raw(r, "CreateConnection", Name="x", AuthorizationType="API_KEY", AuthParameters=BASIC)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["message"].endswith("ApiKeyName is required for authorization type API_KEY.")
    assert raw(r, "CreateConnection", Name="x", AuthorizationType="BASIC", AuthParameters={
        **BASIC, "InvocationHttpParameters": {"HeaderParameters": "x"}})[1]["__type"] == "SerializationException"
    refused(client(r).describe_connection, *absent("connection", "describe", "x"), Name="x")


def test_the_answer_of_a_create_has_the_members_of_the_model(r):
    status, made = raw(r, "CreateConnection", Name="members", AuthorizationType="BASIC", AuthParameters=BASIC)
    assert status == 200 and set(made) == {"ConnectionArn", "ConnectionState", "CreationTime", "LastModifiedTime"}
    assert "LastAuthorizedTime" in raw(r, "DeleteConnection", Name="members")[1]


def test_values_with_blanks(r):
    """Of the model's patterns the long ones are matched by others, which say the same in linear time."""
    events = client(r)
    for value in (" ", "\ta b\t \tc ", "a" + " b" * 255):
        connect(events, "blanks", parameters={"BasicAuthParameters": {"Username": value, "Password": value},
                                              "InvocationHttpParameters": {"HeaderParameters": parameters(("X-A", value, False))}})
        assert events.describe_connection(Name="blanks")["AuthParameters"]["BasicAuthParameters"]["Username"] == value
        events.delete_connection(Name="blanks")
    for value in ("\t", "a:b", " \x01", "a" + " b" * 254 + "\x7f"):
        violates(r, "CreateConnection", f"'{value}'", "authParameters.basicAuthParameters.username",
                 "Member must satisfy regular expression pattern: "
                 "^[ \\t]*[^\\x00-\\x1F:\\x7F]+([ \\t]+[^\\x00-\\x1F:\\x7F]+)*[ \\t]*$", Name="blanks",
                 AuthorizationType="BASIC", AuthParameters={"BasicAuthParameters": {"Username": value, "Password": "p"}})


def test_lists_come_in_pages(r):
    events = client(r)
    for name in ["l-c", "l-a", "l-b"]:
        connect(events, name)
    events.deauthorize_connection(Name="l-b")
    page = events.list_connections(NamePrefix="l-", Limit=2)
    assert [c["Name"] for c in page["Connections"]] == ["l-a", "l-b"]
    assert "AuthParameters" not in page["Connections"][0] and "SecretArn" not in page["Connections"][0]
    page = events.list_connections(NamePrefix="l-", Limit=2, NextToken=page["NextToken"])
    assert [c["Name"] for c in page["Connections"]] == ["l-c"] and "NextToken" not in page
    refused(events.list_connections, "ValidationException", "Parameter NextToken is not valid.", NextToken="made-up")
    named = lambda **only: [c["Name"] for c in events.list_connections(**only)["Connections"]]
    assert named(ConnectionState="DEAUTHORIZED") == ["l-b"]
    assert named(ConnectionState="AUTHORIZED") == ["filed", "l-a", "l-c"]
    arn = events.describe_connection(Name="l-a")["ConnectionArn"]
    for name in ["d-b", "d-a"]:
        events.create_api_destination(Name=name, ConnectionArn=arn, InvocationEndpoint="https://example.com/", HttpMethod="GET")
    page = events.list_api_destinations(NamePrefix="d-", Limit=1)
    assert [d["Name"] for d in page["ApiDestinations"]] == ["d-a"]
    page = events.list_api_destinations(NamePrefix="d-", NextToken=page["NextToken"])
    assert [d["Name"] for d in page["ApiDestinations"]] == ["d-b"] and "NextToken" not in page
    assert [d["Name"] for d in events.list_api_destinations(ConnectionArn=arn)["ApiDestinations"]] == ["d-a", "d-b"]
    for name in ["d-a", "d-b"]:
        events.delete_api_destination(Name=name)
    for name in ["l-a", "l-b", "l-c"]:
        events.delete_connection(Name=name)


# ---- API destinations ----

def test_an_api_destination_comes_and_goes(r):
    events = client(r)
    connection = connect(events, "c")
    made = events.create_api_destination(Name="d", Description="one", ConnectionArn=connection, HttpMethod="PATCH",
                                         InvocationEndpoint="https://example.com/*/x", InvocationRateLimitPerSecond=5)
    arn = made["ApiDestinationArn"]
    assert arn.startswith(ARN + "api-destination/d/") and len(arn.split("/")[2]) == 36
    assert made["ApiDestinationState"] == "ACTIVE" and is_now(made["CreationTime"]) and is_now(made["LastModifiedTime"])
    refused(events.create_api_destination, "ResourceAlreadyExistsException", "An api-destination 'd' already exists.",
            Name="d", ConnectionArn=connection, HttpMethod="GET", InvocationEndpoint="https://example.com/")

    def shown():
        described = events.describe_api_destination(Name="d")
        for gone in ["ResponseMetadata", "CreationTime", "LastModifiedTime"]:
            del described[gone]
        return described

    whole = {"ApiDestinationArn": arn, "Name": "d", "Description": "one", "ApiDestinationState": "ACTIVE",
             "ConnectionArn": connection, "InvocationEndpoint": "https://example.com/*/x", "HttpMethod": "PATCH",
             "InvocationRateLimitPerSecond": 5}
    assert shown() == whole
    events.update_api_destination(Name="d", HttpMethod="DELETE", InvocationRateLimitPerSecond=6)
    assert shown() == {**whole, "HttpMethod": "DELETE", "InvocationRateLimitPerSecond": 6}
    other = connect(events, "other")
    events.update_api_destination(Name="d", ConnectionArn=other, InvocationEndpoint="http://localhost/", Description="")
    assert shown()["ConnectionArn"] == other and "Description" not in shown()
    events.deauthorize_connection(Name="other")
    assert shown()["ApiDestinationState"] == "INACTIVE"
    events.delete_connection(Name="other")  # in use, as at AWS
    assert (shown()["ApiDestinationState"], shown()["ConnectionArn"]) == ("INACTIVE", other)
    assert events.update_api_destination(Name="d", ConnectionArn=connection)["ApiDestinationState"] == "ACTIVE"
    events.delete_api_destination(Name="d")
    refused(events.describe_api_destination, *absent("api-destination", "describe", "d"), Name="d")
    refused(events.delete_api_destination, *absent("api-destination", "delete", "d"), Name="d")
    refused(events.update_api_destination, *absent("api-destination", "update", "d"), Name="d")
    rest = {"HttpMethod": "GET", "InvocationEndpoint": "https://example.com/"}
    refused(events.create_api_destination, *absent("connection", "describe", "gone"), Name="d", **rest,
            ConnectionArn=connection.replace("/c/", "/gone/"))
    refused(events.create_api_destination, *absent("connection", "describe", "c"), Name="d", **rest,
            ConnectionArn=connection[:-1] + ("0" if connection[-1] != "0" else "1"))
    refused(events.create_api_destination, "ValidationException", "Parameter InvocationEndpoint is not valid. Reason: It must "
            "begin with https://, or with http:// on your own machine.", Name="d", ConnectionArn=connection,
            HttpMethod="GET", InvocationEndpoint="ftp://example.com/")
    assert events.create_api_destination(Name="d", ConnectionArn=connection, **rest)["ApiDestinationArn"] == arn
    assert events.describe_api_destination(Name="d")["InvocationRateLimitPerSecond"] == 300
    events.delete_api_destination(Name="d")
    events.delete_connection(Name="c")


def test_what_weir_yaml_declares_stays(r):
    events = client(r)
    shown = events.describe_connection(Name="filed")
    assert shown["AuthParameters"] == {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key"}, "InvocationHttpParameters": {
        "HeaderParameters": [{"Key": "X-Plain", "Value": "plain", "IsValueSecret": False},
                             {"Key": "X-Secret", "IsValueSecret": True}]}}
    assert shown["ConnectionState"] == "AUTHORIZED" and "CreationTime" not in shown
    managed = lambda what: ("ManagedRuleException", f"{what} 'filed' is managed. It is declared in weir.yaml, and is changed there.")
    refused(events.delete_connection, *managed("Connection"), Name="filed")
    refused(events.update_connection, *managed("Connection"), Name="filed", Description="x")
    refused(events.deauthorize_connection, *managed("Connection"), Name="filed")
    refused(events.create_connection, "ResourceAlreadyExistsException", "Connection 'filed' already exists.", Name="filed",
            AuthorizationType="BASIC", AuthParameters=BASIC)
    destination = events.describe_api_destination(Name="filed")
    assert (destination["ConnectionArn"], destination["InvocationRateLimitPerSecond"]) == (shown["ConnectionArn"], 7)
    refused(events.delete_api_destination, *managed("An api-destination"), Name="filed")
    refused(events.update_api_destination, *managed("An api-destination"), Name="filed", Description="x")
    made = events.create_api_destination(Name="on-filed", ConnectionArn=shown["ConnectionArn"], HttpMethod="GET",
                                         InvocationEndpoint="https://example.com/")
    assert made["ApiDestinationState"] == "ACTIVE"
    events.delete_api_destination(Name="on-filed")


def test_by_the_aws_command(r):
    code, out, err = aws(r, "events", "create-connection", "--name", "cli", "--authorization-type", "API_KEY", "--auth-parameters",
                         json.dumps({"ApiKeyAuthParameters": {"ApiKeyName": "X", "ApiKeyValue": "y"}}))
    assert code == 0 and json.loads(out)["ConnectionState"] == "AUTHORIZED", err


def test_a_strict_account_wants_https(tmp_path):
    r = Router(tmp_path / "router", """
buses: {default: {strict: aws}}
connections: {c: {authorization_type: BASIC, auth_parameters: {basic: {username: u, password: p}}}}
""").start()
    events = client(r)
    arn = events.describe_connection(Name="c")["ConnectionArn"]
    says = "Parameter {} is not valid. Reason: It must begin with https://."
    refused(events.create_api_destination, "ValidationException", says.format("InvocationEndpoint"), Name="d",
            ConnectionArn=arn, HttpMethod="GET", InvocationEndpoint="http://localhost/")
    client_parameters = {"ClientID": "a", "ClientSecret": "b"}
    refused(events.create_connection, "ValidationException",
            says.format("AuthParameters.OAuthParameters.AuthorizationEndpoint"), Name="d",
            AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters={"OAuthParameters": {
                "ClientParameters": client_parameters, "AuthorizationEndpoint": "http://localhost/", "HttpMethod": "GET"}})
    events.create_api_destination(Name="d", ConnectionArn=arn, HttpMethod="GET", InvocationEndpoint="https://localhost/")
    assert r.stop() == 0


# ---- deliveries ----

def deliver(events, name, arn, **target):
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    failed = events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": arn, "RetryPolicy": FAST, "RoleArn":
                                "arn:aws:iam::000000000000:role/any", **target}])["FailedEntryCount"]
    assert failed == 0


def test_events_reach_the_api_and_an_update_counts_from_the_next_attempt(r, api):  # noqa: F811
    new = "Basic " + base64.b64encode(b"ann:n3w-s3cret").decode()
    server = api(lambda request: 200 if request["headers"]["Authorization"] == new else 401)
    events = client(r)
    arn = events.create_api_destination(Name="live", ConnectionArn=connect(events, "live"), HttpMethod="POST",
                                        InvocationEndpoint=server.url + "/*")["ApiDestinationArn"]
    deliver(events, "live", arn, InputPath="$.detail", HttpParameters={
        "PathParameterValues": ["$.detail.n"], "HeaderParameters": {"X-N": "$.detail.n"}, "QueryStringParameters": {"a": "b"}})
    put(events, "live", n=1)
    server.wait(1)
    events.update_connection(Name="live", AuthParameters={"BasicAuthParameters": {"Password": "n3w-s3cret"}})
    r.settled()
    last = server.requests[-1]
    assert (last["url"], last["body"], last["headers"]["X-N"]) == ("/1?a=b", '{"n":1}', "1")
    assert last["headers"]["Authorization"] == new and server.requests[0]["headers"]["Authorization"] != new
    events.deauthorize_connection(Name="live")
    put(events, "live", n=2)
    (letter,) = r.receive("dead-letters", 1)
    assert letter["attributes"]["ERROR_CODE"] == "NO_PERMISSIONS"
    events.delete_connection(Name="live")
    put(events, "live", n=3)
    (letter,) = r.receive("dead-letters", 1)
    assert letter["attributes"]["ERROR_MESSAGE"] == "the connection of the API destination does not exist"
    events.delete_api_destination(Name="live")
    put(events, "live", n=4)
    (letter,) = r.receive("dead-letters", 1)
    assert letter["attributes"]["ERROR_CODE"] == "NO_RESOURCE"


def exports(r):
    """What weir export says, which weir check takes."""
    code, out, err = r.cli("export")
    assert code == 0, err
    (r.folder / "exported.yaml").write_text(out)
    variables = {line.split()[-1]: "x" for line in out.splitlines() if line.startswith("# secret: set ")}
    assert weir("check", r.folder / "exported.yaml", env=variables)[0] == 0, out
    return out


def test_secrets_are_sealed_and_survive_until_the_key_is_lost(tmp_path, api):  # noqa: F811
    tokens = Tokens()
    server, authority = api(tokens.guard), api(tokens.answer)
    r = Router(tmp_path / "router", "queues: {q: {}}").start()
    events = client(r)
    key = r.folder / "data" / "secret.key"
    assert not key.exists()
    connection = connect(events, "o", "OAUTH_CLIENT_CREDENTIALS", {
        "OAuthParameters": {"ClientParameters": {"ClientID": "me", "ClientSecret": "cl1ent-s3cret"}, "HttpMethod": "POST",
                            "AuthorizationEndpoint": authority.url},
        "InvocationHttpParameters": {"HeaderParameters": parameters(("X-T", "t3nant-s3cret", True))}})
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and key.stat().st_size == 32
    arn = events.create_api_destination(Name="o", ConnectionArn=connection, HttpMethod="POST",
                                        InvocationEndpoint=server.url)["ApiDestinationArn"]
    deliver(events, "o", arn)
    r.kill()
    r.start()
    put(client(r), "o", n=1)
    r.settled()
    assert server.requests[-1]["headers"]["X-T"] == "t3nant-s3cret"
    assert base64.b64decode(authority.requests[-1]["headers"]["Authorization"].split()[1]) == b"me:cl1ent-s3cret"
    assert r.stop() == 0
    for file in r.folder.rglob("*"):
        assert not file.is_file() or not any(secret in file.read_bytes() for secret in [
            b"cl1ent-s3cret", b"t3nant-s3cret", b"t0ken-1"]), file

    kept = key.read_bytes()
    key.unlink()
    r.start()
    events = client(r)
    shown = events.describe_connection(Name="o")
    assert shown["ConnectionState"] == "DEAUTHORIZED" and "secret.key': No such file" in shown["StateReason"]
    assert events.describe_api_destination(Name="o")["ApiDestinationState"] == "INACTIVE"
    put(events, "o", n=2)
    wait_until(lambda: "connection 'o' is deauthorized: cannot open" in r.logged(), what="the reason in the log")
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, kept)
    os.close(descriptor)
    r.settled()
    assert len(server.requests) == 2 and not r.receive("dead-letters")

    key.write_bytes(bytes(32))  # another key: what was sealed does not open, and new secrets mend it
    assert "another secret.key" in events.describe_connection(Name="o")["StateReason"]
    events.update_connection(Name="o", AuthorizationType="BASIC", AuthParameters={
        **BASIC, "InvocationHttpParameters": {"HeaderParameters": []}})
    assert events.describe_connection(Name="o")["ConnectionState"] == "AUTHORIZED"
    exported = exports(r)
    assert "password: {env: CONNECTIONS_O_AUTH_PARAMETERS_BASIC_PASSWORD}" in exported and "encrypted" not in exported
    assert "target: api_destination/o" in exported and BASIC["BasicAuthParameters"]["Password"] not in exported
    events.delete_connection(Name="o")  # takes the destination along, and that the rule's target
    assert "api_destination" not in "".join(line for line in exports(r).splitlines() if line[0] != "#")
    assert r.stop() == 0
