# SPDX-License-Identifier: Apache-2.0
"""Room for events: the bound of the data folder, a disk that gets full, and service that comes back by itself."""
import base64
import json
import os
import subprocess
import time

import boto3
import botocore.config
import botocore.exceptions
import pytest

from conftest import event, wait_until

HOOK = """
%s
targets: {hook: {type: http, url: "%s", retry_policy: {base: 500ms, cap: 1s}, circuit: {failures: 0}}}
queues: {inbox: {}}
rules: {r: {pattern: {source: [test.app]}, targets: [hook]}}
"""
BIG = 900_000  # characters that cannot be packed: what is owed is compressed


def post(r, n, pad=BIG):
    if isinstance(pad, int):
        pad = base64.b64encode(os.urandom(pad * 3 // 4)).decode()
    return r.request("POST", "/events", json.dumps(event(n, pad=pad)))


def fill(r, pad, first=0):
    """Posts until the router has no room, and has none after what it took was dispatched; gives the number of the first
    event that it did not take, and the refusal."""
    for n in range(first, first + 400):
        status, headers, body = post(r, n, pad)
        if status != 200:
            wait_until(lambda: r.status()["journal"]["lag"] == 0, what="dispatch")
            time.sleep(0.3)  # it looks again
            status, headers, body = post(r, n, pad)
        if status != 200:
            return n, (status, headers, json.loads(body)["message"])
    raise AssertionError("it never gets full")


def test_at_its_limit_the_folder_takes_no_more_and_names_who_holds_most(router, receiver, tmp_path):
    hook = receiver(lambda n, body: (503, {}) if not hook.up else (200, {}))
    hook.up = False
    r = router(HOOK % ("data_limit: 128MiB\nsources: {in: {type: folder, path: ./in}}", hook.url))
    taken, (status, headers, message) = fill(r, BIG)
    assert status == 503 and headers["Retry-After"] and 60 < taken < 200  # what is owed is packed, or not yet
    assert "of its data_limit, 128MiB, and 16 MiB are kept for settling; most is owed to http/hook (" in message
    # every way in says so, in its own words
    assert r.request("POST", "/s3", json.dumps({"Records": []}))[0] in (200, 400)
    trail = {"Records": [{"eventSource": "iam.amazonaws.com", "eventName": "x", "eventID": "1", "awsRegion": "r",
                          "eventTime": "2026-01-01T00:00:00Z", "eventVersion": "1.08", "userIdentity": {}}]}
    assert r.request("POST", "/cloudtrail", json.dumps(trail))[0] == 503
    assert r.post("/_weir/v1/queues/inbox/send", {"body": "x"})[0] == 503
    client = boto3.client("events", endpoint_url=r.url, region_name="us-east-1", aws_access_key_id="x",
                          aws_secret_access_key="x", config=botocore.config.Config(retries={"total_max_attempts": 1}))
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}"}
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        client.put_events(Entries=[entry])
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "owed to http/hook" in failed.value.response["Error"]["Message"]
    (r.folder / "in").mkdir()
    (r.folder / "in" / "one.ndjson").write_text(json.dumps(event(1000)) + "\n")  # waits
    # shown
    assert "NO ROOM" in r.cli("status")[1] and r.status()["data"]["refusing"]
    assert r.metric('weir_events_refused_total{source="events",reason="data_limit"}') >= 2
    assert r.metric("weir_data_limit_bytes") == 128 << 20 and r.metric("weir_data_refusing") == 1
    assert r.metric("weir_data_bytes") > 100 << 20
    # after kill -9 it is as full as before; deliveries go on, and make room
    r.kill()
    r.start()
    taken, (status, _, message) = fill(r, BIG, taken)  # no more than what the last look had left
    assert status == 503 and "most is owed to http/hook (" in message
    hook.up = True
    wait_until(lambda: post(r, 2000, "")[0] == 200, 40, "room")
    whole = lambda: (body for headers, body in hook.requests if len(body) == int(headers["Content-Length"]))
    seen = lambda: {json.loads(body)["detail"]["n"] for body in whole()}  # the kill cut some short
    wait_until(lambda: seen() >= {*range(taken), 1000, 2000}, 40, "everything that was taken")
    assert not r.receive("dead-letters")


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_before_the_ledger_fails(router, receiver, small_disk):
    r = router(f"data: {small_disk}/data\nqueues: {{inbox: {{}}}}\n"
               "rules: {r: {pattern: {source: [test.app]}, targets: [inbox]}}\n")
    taken, (status, headers, message) = fill(r, "x" * 200_000)
    assert status == 503 and "the disk of the data folder has " in message and "6144 KiB are kept for settling" in message
    r.settled()
    assert r.metric("weir_ledger_failures_total") == 0
    assert r.metric('weir_events_refused_total{source="events",reason="disk_reserve"}') >= 2
    got = r.receive("inbox", taken)
    assert [json.loads(m["body"])["detail"]["n"] for m in got] == list(range(taken))
    wait_until(lambda: post(r, 0, "")[0] == 200, 40, "room")  # the ledger gives back what it freed
