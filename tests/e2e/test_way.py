# SPDX-License-Identifier: Apache-2.0
"""The whole way: source, journal, rule, target, and back."""
import gzip
import json
import re
import uuid

from conftest import ROOT, event, wait_until, weir

QUEUE_RULE = """
queues: {inbox: {}, other: {}}
rules:
  some:
    pattern: {source: [test.app], detail: {n: [{numeric: [">=", 2]}]}}
    targets: [inbox]
"""


def test_ndjson_to_queue(router):
    r = router(QUEUE_RULE)
    r.send(event(1), event(2), event(3))
    bodies = [json.loads(m["body"]) for m in r.receive("inbox", 2)]
    assert [b["detail"]["n"] for b in bodies] == [2, 3]
    first = bodies[0]
    assert list(first) == ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"]
    uuid.UUID(first["id"])
    assert first["version"] == "0" and first["resources"] == [] and first["account"] == "000000000000"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"])
    assert r.metric('weir_events_accepted_total{bus="default",source="events"}') == 3
    assert r.metric('weir_rule_matches_total{bus="default",rule="some"}') == 2
    assert r.metric('weir_deliveries_total{bus="default",rule="some",target="queue/inbox",result="delivered"}') == 2


def test_values_are_kept_as_they_were_spelled(router):
    r = router("queues: {inbox: {}}\nrules: {all: {pattern: {source: [{prefix: ''}]}, targets: [inbox]}}\n")
    line = ('{"source":"a","detail-type":"t","id":"my-id","time":"2020-01-02T03:04:05.678Z","account":"123456789012",'
            '"region":"eu-west-1","resources":["r1"],"detail":{"big":12345678901234567890, "f":1.50e+3,"u":"\\u00e9","k":1,"k":2}}')
    status, answer = r.post("/events", line)
    assert (status, answer) == (200, {"accepted": 1})
    body = r.receive("inbox", 1)[0]["body"]
    assert '"detail":{"big":12345678901234567890,"f":1.50e+3,"u":"\\u00e9","k":1,"k":2}' in body
    parsed = json.loads(body)
    assert (parsed["id"], parsed["time"], parsed["account"], parsed["region"], parsed["resources"]) == (
        "my-id", "2020-01-02T03:04:05.678Z", "123456789012", "eu-west-1", ["r1"])


def test_array_object_and_blank_lines(router):
    r = router(QUEUE_RULE)
    assert r.post("/events", json.dumps([event(5), event(6)], indent=2))[1] == {"accepted": 2}
    assert r.post("/events", json.dumps(event(7), indent=2))[1] == {"accepted": 1}
    assert r.post("/events", "\r\n" + json.dumps(event(8)) + "\r\n\r\n")[1] == {"accepted": 1}
    assert len(r.receive("inbox", 4)) == 4


def test_all_or_nothing_and_the_line_is_named(router):
    r = router(QUEUE_RULE)
    good = json.dumps(event(5))
    for bad, words in (
        ('{"source":"a","detail-type":"t"}', "detail"),
        ('{"source":"a","detailtype":"t","detail":{}}', "detail-type"),
        ('{"source":"a","detail-type":"t","detail":[]}', "object"),
        ('{"source":"a","detail-type":"t","detail":{}', "line 3"),
        ('{"source":"a","detail-type":"t","detail":{},"time":"yesterday"}', "time"),
        ('{"source":"a","detail-type":"t","detail":{},"replay-name":"x"}', "replay"),
        ("nonsense", "line 3"),
    ):
        status, answer = r.post("/events", f"{good}\n{good}\n{bad}\n{good}\n")
        assert status == 400 and words in answer["message"] and "line 3" in answer["message"], answer
        assert answer["line"] == 3
    r.send(event(1))
    r.settled()
    assert r.receive("inbox") == []
    status, answer = r.post("/events/nosuch", good)
    assert status == 404 and "nosuch" in answer["message"]


def test_cloudtrail_and_s3_files_by_send(router, tmp_path):
    demo = ROOT / "rules" / "examples" / "demo"
    r = router("""
buses: {audit: {}}
queues: {calls: {}, objects: {}}
rules:
  calls: {bus: audit, pattern: {source: [aws.ec2]}, targets: [calls]}
  objects: {pattern: {source: [aws.s3], detail-type: [Object Created]}, targets: [objects]}
""")
    packed = tmp_path / "log.json.gz"
    packed.write_bytes(gzip.compress((demo / "cloudtrail.json").read_bytes()))
    code, out, err = r.cli("send", "--bus", "audit", packed)
    assert (code, err) == (0, "") and "sent 12 events" in out
    code, out, err = r.cli("send", "--json", demo / "s3.json")
    assert code == 0 and json.loads(out) == {"file": str(demo / "s3.json"), "format": "s3", "accepted": 5}
    records = {c["eventID"]: c for c in json.loads((demo / "cloudtrail.json").read_text())["Records"]}
    calls = [json.loads(m["body"]) for m in r.receive("calls", 4)]
    assert len(calls) == 4
    for call in calls:
        assert call["detail"] == records[call["id"]] and call["time"] == call["detail"]["eventTime"]
        assert call["detail-type"] == "AWS API Call via CloudTrail" and call["account"] == "111122223333"
    objects = [json.loads(m["body"]) for m in r.receive("objects", 4)]
    assert {o["detail"]["object"]["key"] for o in objects} == {
        "2026/beach.jpg", "2026/the whole film.mp4", "2026/Süden.PNG", "notes.txt"}
    assert objects[0]["resources"] == ["arn:aws:s3:::holiday"] and objects[0]["detail"]["bucket"] == {"name": "holiday"}


def test_send_wraps_bare_details_and_names_bad_lines(router, tmp_path):
    r = router(QUEUE_RULE)
    code, out, _ = r.cli("send", "--source", "test.app", "--detail-type", "x", stdin='{"n":3}\n{"n":4}\n')
    assert code == 0 and "sent 2 events" in out
    assert len(r.receive("inbox", 2)) == 2
    bad = tmp_path / "bad.ndjson"
    bad.write_text(json.dumps(event(9)) + "\n\n{oops\n")
    code, _, err = r.cli("send", bad)
    assert code == 65 and f"{bad}:3: error:" in err, err


def test_topic_envelope_raw_and_file(router):
    r = router("""
queues: {wrapped: {}, raw: {}}
targets: {log: {type: file, path: ./out/log.ndjson}}
topics:
  news: {subscriptions: [wrapped, {target: raw, raw_message_delivery: true}, {target: log, raw_message_delivery: true}]}
rules: {all: {pattern: {source: [test.app]}, targets: [news]}}
""", start=False)
    (r.folder / "out").mkdir()
    r.start()
    r.send(event(1))
    raw = r.receive("raw", 1)[0]["body"]
    note = json.loads(r.receive("wrapped", 1)[0]["body"])
    assert note["Type"] == "Notification" and note["TopicArn"] == "arn:aws:sns:us-east-1:000000000000:news"
    assert note["Message"] == raw and "Subject" not in note
    uuid.UUID(note["MessageId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", note["Timestamp"])
    wait_until(lambda: (r.folder / "out" / "log.ndjson").exists() and (r.folder / "out" / "log.ndjson").read_text() == raw + "\n")


def test_inputs(router):
    r = router("""
queues: {inbox: {}}
rules:
  all:
    pattern: {source: [test.app]}
    targets:
      - {target: inbox, id: constant, input: '{"fixed": true}'}
      - {target: inbox, id: path, input_path: $.detail.who}
      - target: inbox
        id: template
        input_transformer: {input_paths_map: {who: $.detail.who}, input_template: '{"text": "by <who>", "rule": <aws.events.rule-name>}'}
""")
    r.send(event(1, who="ann"))
    bodies = sorted(m["body"] for m in r.receive("inbox", 3))
    assert bodies == ['"ann"', '{"fixed": true}', '{"text": "by ann", "rule": "all"}'] or \
        [json.loads(b) for b in bodies] == ["ann", {"fixed": True}, {"text": "by ann", "rule": "all"}]


def test_an_input_that_cannot_be_made(router):
    """AWS delivers nothing and says nothing: here the check warns, and the event is dead-lettered with the reason."""
    r = router("""
queues: {inbox: {}, parked: {}}
rules:
  all:
    pattern: {source: [test.app]}
    targets:
      - target: inbox
        dead_letter: parked
        input_transformer: {input_paths_map: {all: $.detail}, input_template: '{"text": "<all>"}'}
""")
    code, _, err = weir("check", r.file)
    assert code == 0 and re.search(r"weir.yaml:10:\d+: warning: '<all>' is an object; inside quotes", err), err
    r.send(event(1, who="ann"))
    (message,) = r.receive("parked", 1)
    assert json.loads(message["body"])["detail"]["who"] == "ann" and message["attributes"]["ERROR_CODE"] == "INVALID_INPUT"
    assert message["attributes"]["ERROR_MESSAGE"].startswith("the rendered input is not JSON: expected ',' or '}'")


def test_starts_empty(tmp_path):
    from conftest import Router
    r = Router(tmp_path / "empty", "")
    r.start()
    try:
        assert r.post("/events", json.dumps(event(1)))[1] == {"accepted": 1}
        assert r.status()["rules"] == []
    finally:
        assert r.stop() == 0
