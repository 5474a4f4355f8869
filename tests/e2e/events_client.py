# SPDX-License-Identifier: Apache-2.0
"""What the tests of EventBridge's operations share: exact errors, requests that an old client does not know, events."""
import json

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:events:us-east-1:000000000000:"
SQS = "arn:aws:sqs:us-east-1:000000000000:"
SNS = "arn:aws:sns:us-east-1:000000000000:"


def refused(call, code, message, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    assert error == {"Code": code, "Message": message}, error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def raw(r, operation, **members):
    """The operation without a client, which would check the request first: (status, answer)."""
    return r.post("/", members, {"X-Amz-Target": "AWSEvents." + operation, "Content-Type": "application/x-amz-json-1.1"})


def invalid(r, operation, message, **members):
    """The operation must be refused with this ValidationException."""
    answer = raw(r, operation, **members)
    assert answer == (400, {"__type": "ValidationException", "message": message}), answer


def violates(r, operation, value, member, constraint, **members):
    invalid(r, operation, f"1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}",
            **members)


def put(events, source="shop", bus=None, **detail):
    entry = {"Source": source, "DetailType": "t", "Detail": json.dumps(detail), **({"EventBusName": bus} if bus else {})}
    answer = events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    return answer["Entries"][0]["EventId"]
