# SPDX-License-Identifier: Apache-2.0
"""Read-only management events on a bus with strict: aws: only rules in the state that says so get them, as at AWS."""
import json

from conftest import weir

CONFIG = """
buses: {strict: {strict: aws}, plain: {}}
queues: {some: {}, every: {}, plain: {}}
archives: {kept: {bus: strict}}
rules:
  some: {bus: strict, pattern: {detail-type: [AWS API Call via CloudTrail]}, targets: [some]}
  every:
    bus: strict
    state: enabled_with_all_cloudtrail_management_events
    pattern: {detail-type: [AWS API Call via CloudTrail]}
    targets: [every]
    tests: [{name: looks, event: %s, match: true}]
  plain: {bus: plain, pattern: {detail-type: [AWS API Call via CloudTrail]}, targets: [plain]}
"""


def call(name, **detail):
    return {"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": name, **detail}}


EVENTS = [call("DescribeInstances", readOnly=True, managementEvent=True), call("GetObject", managementEvent=False),
          call("ListKeys"), call("GetSession", readOnly=False), call("RunInstances", readOnly=False), call("Gettysburg"),
          {**call("ListKeys"), "source": "shop"}]
HEARD = ["GetObject", "GetSession", "RunInstances", "ListKeys"]


def names(messages):
    return [json.loads(m["body"])["detail"]["eventName"] for m in messages]


def test_read_only_management_events(router):
    r = router(CONFIG % json.dumps(EVENTS[0]))
    for bus in ("strict", "plain"):
        r.send(*EVENTS, bus=bus)
    r.settled()
    everything = [e["detail"]["eventName"] for e in EVENTS]
    assert names(r.take("every")) == names(r.take("plain")) == everything
    assert sorted(names(r.take("some"))) == sorted(HEARD)
    assert r.status()["archives"][0]["events"] == len(HEARD)
    assert r.metric('weir_rule_matches_total{bus="strict",rule="some"}') == len(HEARD)
    shown = json.loads(r.cli("replay", "kept", "--from", "-1h", "--to", "+1h", "--dry-run", "--json")[1].splitlines()[-1])
    assert {(c["rule"], c["events"]) for c in shown["counts"] if not c["target"]} == {("some", 4), ("every", 4)}


def test_what_tells_about_it(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("version: 1\n" + CONFIG % json.dumps(EVENTS[0]))
    assert weir("test", "-c", file)[0] == 0
    file.write_text("version: 1\n" + (CONFIG % json.dumps(EVENTS[0])).replace("    state: enabled_with_all_cloudtrail_management_events\n", ""))
    assert weir("test", "-c", file)[0] == 1
    out = weir("explain", "-c", file, "-r", "strict/some", stdin=json.dumps(EVENTS[0]))[1]
    assert out.startswith("rule strict/some: matches, and does not get read-only management events (strict: aws)\n")
    assert json.loads(weir("explain", "-c", file, "--json", "-r", "plain", stdin=json.dumps(EVENTS[0]))[1])["held_back"] is False
