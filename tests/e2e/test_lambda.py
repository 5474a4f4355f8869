# SPDX-License-Identifier: Apache-2.0
"""The Lambda API with AWS's own clients: Invoke, and what it says of functions."""
import base64
import json
import os
import subprocess

import boto3
import botocore.config
import botocore.exceptions
import pytest

from conftest import Router, wait_until

CONFIG = """
functions:
  echo: {command: [cat], description: says it again}
  upper: {command: [tr, a-z, A-Z], environment: {LANG: C}}
  broken: {command: [sh, -c, "echo first >&2; echo it hurts >&2; exit 3"]}
  slow: {command: [sleep, "60"], timeout: 100ms}
  one: {command: [sh, -c, "touch started; while ! test -e go; do sleep 0.02; done; cat"], concurrency: 1, working_directory: .}
  missing: {command: [./is-not-there]}
  env: {command: [sh, -c, 'echo "{\\"a\\":\\"$A\\",\\"attempt\\":$WEIR_ATTEMPT,\\"name\\":\\"$AWS_LAMBDA_FUNCTION_NAME\\"}"'], environment: {A: "b c"}}
"""
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def client_of(router, service="lambda", **more):
    config = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=30, **more)
    return boto3.client(service, endpoint_url=router.url, region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", config=config)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    r = Router(tmp_path_factory.mktemp("lambda"), CONFIG).start()
    yield r
    r.stop()


@pytest.fixture(scope="module")
def aws(served):
    return client_of(served)


def error_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_function_answers(aws):
    got = aws.invoke(FunctionName="echo", Payload=b'{"a": [1, "\xc3\xa4"]}')
    assert (got["StatusCode"], got["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in got and "LogResult" not in got
    assert got["Payload"].read() == b'{"a": [1, "\xc3\xa4"]}'
    for name in (ARN + "echo", "000000000000:function:echo", "echo:$LATEST", ARN + "echo:$LATEST"):
        assert aws.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"
    assert aws.invoke(FunctionName="echo", Qualifier="$LATEST")["Payload"].read() == b"{}"
    assert json.loads(aws.invoke(FunctionName="env")["Payload"].read()) == {"a": "b c", "attempt": 1, "name": "env"}


def test_a_function_that_fails_is_an_answer(aws):
    got = aws.invoke(FunctionName="broken", LogType="Tail")
    assert (got["StatusCode"], got["FunctionError"]) == (200, "Unhandled")
    said = json.loads(got["Payload"].read())
    assert said["errorType"] == "Runtime.ExitError"
    assert said["errorMessage"].endswith("Error: Runtime exited with error: exit status 3: it hurts")
    log = base64.b64decode(got["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "first\nit hurts\nEND RequestId: " in log and "REPORT RequestId" in log
    got = aws.invoke(FunctionName="slow")
    said = json.loads(got["Payload"].read())
    assert (said["errorType"], got["FunctionError"]) == ("Sandbox.Timedout", "Unhandled")
    assert said["errorMessage"].endswith("Error: Task timed out after 0.10 seconds")
    said = json.loads(aws.invoke(FunctionName="missing")["Payload"].read())
    assert said["errorType"] == "Runtime.InvalidEntrypoint" and "is-not-there" in said["errorMessage"]


def test_what_invoke_refuses(aws):
    assert error_of(aws.invoke, FunctionName="nobody") == (
        404, "ResourceNotFoundException", f"Function not found: {ARN}nobody")
    assert error_of(aws.invoke, FunctionName="echo", Qualifier="7") == (
        404, "ResourceNotFoundException", f"Function not found: {ARN}echo:7")
    elsewhere = ARN.replace("us-east-1", "eu-west-1") + "echo"
    assert error_of(aws.invoke, FunctionName=elsewhere)[:2] == (404, "ResourceNotFoundException")
    status, code, message = error_of(aws.invoke, FunctionName="echo", Payload=b"{no")
    assert (status, code) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json: line 1, column 2: ")
    status, code, message = error_of(aws.invoke, FunctionName="echo", InvocationType="Sometimes")
    assert (status, code) == (400, "ValidationException")
    assert message.endswith("Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
    large = b'"' + b"x" * (6 << 20) + b'"'
    assert error_of(aws.invoke, FunctionName="echo", Payload=large) == (
        413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
    answer = aws.invoke(FunctionName="echo", Payload=large[:-3] + b'"')["Payload"].read()
    assert len(answer) == (6 << 20) and answer == large[:-3] + b'"'


def test_a_dry_run_runs_nothing(aws):
    got = aws.invoke(FunctionName="one", InvocationType="DryRun")
    assert (got["StatusCode"], got["Payload"].read()) == (204, b"")
    assert error_of(aws.invoke, FunctionName="nobody", InvocationType="DryRun")[1] == "ResourceNotFoundException"


def test_concurrency_is_a_bound(served, aws):
    """While the one run goes on, others are told to come again; the aws command waits for its answer."""
    out = served.folder / "out"
    first = subprocess.Popen(["/usr/bin/aws", "--endpoint-url", served.url, "lambda", "invoke", "--function-name", "one", "--payload",
                              '{"n":1}', "--cli-binary-format", "raw-in-base64-out", str(out)],
                             env={**os.environ, **KEYS}, stdout=subprocess.PIPE, text=True)
    wait_until((served.folder / "started").exists, what="the first run")
    assert error_of(aws.invoke, FunctionName="one") == (429, "TooManyRequestsException", "Rate Exceeded.")
    (served.folder / "go").touch()
    assert json.loads(first.communicate()[0]) == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert out.read_text() == '{"n":1}'


# ---- what there is ----

def test_functions_are_shown(aws):
    got = aws.get_function(FunctionName="echo")
    shown = got["Configuration"]
    assert (shown["FunctionName"], shown["FunctionArn"], shown["Version"]) == ("echo", ARN + "echo", "$LATEST")
    assert (shown["Description"], shown["Timeout"], shown["MemorySize"], shown["State"]) == ("says it again", 10, 128, "Active")
    assert got["Concurrency"] == {"ReservedConcurrentExecutions": 4}
    assert aws.get_function_configuration(FunctionName="env")["Environment"] == {"Variables": {"A": "b c"}}
    assert aws.get_function_concurrency(FunctionName="one")["ReservedConcurrentExecutions"] == 1
    assert [v["Version"] for v in aws.list_versions_by_function(FunctionName="one")["Versions"]] == ["$LATEST"]
    assert aws.list_aliases(FunctionName="one")["Aliases"] == []
    assert aws.list_tags(Resource=ARN + "one")["Tags"] == {}
    assert aws.get_account_settings()["AccountUsage"]["FunctionCount"] == 7
    for call in (aws.get_function, aws.get_function_configuration, aws.list_versions_by_function, aws.get_function_concurrency):
        assert error_of(call, FunctionName="nobody") == (404, "ResourceNotFoundException", f"Function not found: {ARN}nobody")


def test_pages_of_functions(aws):
    names = [f["FunctionName"] for page in aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
             for f in page["Functions"]]
    assert names == sorted(names) and len(names) == 7 and "echo" in names
    assert error_of(aws.list_functions, Marker="nonsense")[1] == "InvalidParameterValueException"


def test_event_invoke_configs(tmp_path):
    r = Router(tmp_path / "r", """
queues: {good: {}, bad: {}}
functions:
  plain: {command: [cat]}
  kept: {command: [cat], async: {maximum_retry_attempts: 1, maximum_event_age: 2m, on_success: good, on_failure: bad}}
""").start()
    aws = client_of(r)
    got = aws.get_function_event_invoke_config(FunctionName="kept")
    assert (got["MaximumRetryAttempts"], got["MaximumEventAgeInSeconds"], got["FunctionArn"]) == (1, 120, ARN + "kept:$LATEST")
    assert got["DestinationConfig"] == {"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:000000000000:good"},
                                        "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:bad"}}
    assert len(aws.list_function_event_invoke_configs(FunctionName="kept")["FunctionEventInvokeConfigs"]) == 1
    assert error_of(aws.get_function_event_invoke_config, FunctionName="plain") == (
        404, "ResourceNotFoundException", f"The function {ARN}plain:$LATEST doesn't have an EventInvokeConfig")
    r.stop()


def test_what_the_file_declares_is_not_changed(aws):
    code = {"ZipFile": b"PK"}
    role = "arn:aws:iam::000000000000:role/r"
    assert error_of(aws.create_function, FunctionName="echo", Role=role, Code=code)[:2] == (409, "ResourceConflictException")
    assert error_of(aws.create_function, FunctionName="new", Role=role, Code=code)[:2] == (403, "AccessDeniedException")
    for call, more in ((aws.delete_function, {}), (aws.update_function_code, {"ZipFile": b"PK"}), (aws.update_function_configuration, {"Timeout": 3}),
                       (aws.put_function_concurrency, {"ReservedConcurrentExecutions": 1}), (aws.delete_function_concurrency, {}),
                       (aws.put_function_event_invoke_config, {"MaximumRetryAttempts": 0}),
                       (aws.update_function_event_invoke_config, {"MaximumRetryAttempts": 0}), (aws.delete_function_event_invoke_config, {})):
        assert error_of(call, FunctionName="echo", **more) == (
            409, "ResourceConflictException", "Function echo is declared in weir.yaml, and is changed there.")
        assert error_of(call, FunctionName="nobody", **more)[:2] == (404, "ResourceNotFoundException")
    assert error_of(aws.tag_resource, Resource=ARN + "echo", Tags={"a": "b"})[:2] == (409, "ResourceConflictException")
    assert error_of(aws.untag_resource, Resource=ARN + "echo", TagKeys=["a"])[:2] == (409, "ResourceConflictException")


def test_permissions(router):
    r = router(CONFIG)
    aws = client_of(r)
    statement = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    rule = "arn:aws:events:us-east-1:000000000000:rule/r"
    assert error_of(aws.get_policy, FunctionName="echo") == (404, "ResourceNotFoundException", "The resource you requested does not exist.")
    for call, more in ((aws.add_permission, {"StatementId": "s", **statement}), (aws.remove_permission, {"StatementId": "s"}), (aws.get_policy, {})):
        assert error_of(call, FunctionName="nobody", **more)[:2] == (404, "ResourceNotFoundException")
    added = aws.add_permission(FunctionName=ARN + "echo", StatementId="by-rule", SourceArn=rule, SourceAccount="123456789012", **statement)
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    made = {"Sid": "by-rule", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "lambda:InvokeFunction",
            "Resource": ARN + "echo", "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": rule}}}
    assert json.loads(added["Statement"]) == made
    aws.add_permission(FunctionName="echo", StatementId="all", Action="*", Principal="*")
    aws.add_permission(FunctionName="echo", StatementId="other", Action="lambda:*", Principal="210987654321")
    r.kill()
    r.start()
    aws = client_of(r)
    shown = aws.get_policy(FunctionName="echo")
    policy = json.loads(shown["Policy"])
    assert (policy["Version"], policy["Id"], [s["Sid"] for s in policy["Statement"]]) == ("2012-10-17", "default", ["all", "by-rule", "other"])
    assert policy["Statement"][0]["Principal"] == "*" and policy["Statement"][1] == made
    assert policy["Statement"][2]["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"} and "Condition" not in policy["Statement"][2]
    assert error_of(aws.add_permission, FunctionName="echo", StatementId="all", **statement) == (
        409, "ResourceConflictException", "The statement id (all) provided already exists. Please provide a new statement id, or remove the existing statement.")
    assert error_of(aws.add_permission, FunctionName="echo", StatementId="no blank", **statement)[:2] == (400, "ValidationException")
    assert aws.remove_permission(FunctionName="echo", StatementId="all")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(aws.remove_permission, FunctionName="echo", StatementId="all") == (
        404, "ResourceNotFoundException", "Statement all is not found in resource policy.")
    assert aws.get_policy(FunctionName="echo")["RevisionId"] != shown["RevisionId"]
    for i in range(100):
        error = None
        try:
            aws.add_permission(FunctionName="upper", StatementId=f"s{i}", SourceArn=rule + "x" * 200, **statement)
        except botocore.exceptions.ClientError as e:
            error = e.response["Error"]
            break
    assert error["Code"] == "PolicyLengthExceededException" and "bigger than the limit (20480)" in error["Message"]


def test_what_is_not_served_says_so(served, aws):
    status, code, message = error_of(aws.publish_version, FunctionName="echo")
    assert (status, code) == (400, "UnknownOperationException") and "$LATEST" in message
    assert error_of(aws.list_layers)[1] == "UnknownOperationException"
    status, answer = served.post("/2015-03-31/functions/echo/nothing", {})
    assert status == 404 and "no operation" in answer["message"]
