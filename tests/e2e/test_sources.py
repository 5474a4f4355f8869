# SPDX-License-Identifier: Apache-2.0
"""CloudEvents in three modes, S3 look-alikes, limits, watched folders, weir send."""
import gzip
import json
import os
import signal
import time

from conftest import event, weir, wait_until

KEEP = """
queues: {all: {}}
buses: {audit: {}}
rules:
  all: {pattern: {source: [{prefix: ""}]}, targets: [all]}
  audited: {bus: audit, pattern: {source: [{prefix: ""}]}, targets: [all]}
"""


def bodies(messages):
    return [json.loads(m["body"]) for m in messages]


def ce(**more):
    return {"specversion": "1.0", "id": "1", "source": "/app", "type": "thing.happened", **more}


def test_cloudevents(router):
    r = router(KEEP)
    structured = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert r.post("/events", ce(data={"n": 1}), structured) == (200, {"accepted": 1})
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    assert r.post("/events/audit", [ce(id="2"), ce(id="3", data="text")], batch) == (200, {"accepted": 2})
    binary = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "/app", "ce-type": "thing.happened",
              "ce-subject": "caf%C3%A9 100%", "ce-time": "2026-11-21T04:00:00Z", "Ce-Trace": '"a b"'}
    assert r.post("/events", '{"n": 4, "n": 5}', {**binary, "Content-Type": "application/json"})[0] == 200
    assert r.post("/events", "plain", {**binary, "ce-id": "5", "Content-Type": "text/plain"})[0] == 200
    assert r.request("POST", "/events", b"\x00\xff", {**binary, "ce-id": "6", "Content-Type": "image/png"})[0] == 200
    got = {b["id"]: b for b in bodies(r.receive("all", 6))}
    assert got["1"]["detail"] == {"n": 1} and got["1"]["detail-type"] == "thing.happened" and got["1"]["source"] == "/app"
    assert got["2"]["detail"] == {} and got["3"]["detail"] == {"data": "text"}
    assert got["4"]["cloudevent"] == {"specversion": "1.0", "subject": "café 100%", "trace": "a b",
                                      "datacontenttype": "application/json"}
    assert got["4"]["time"] == "2026-11-21T04:00:00Z" and got["4"]["detail"] == {"n": 5}
    assert got["5"]["detail"] == {"data": "plain"} and got["6"]["detail"] == {"data_base64": "AP8="}
    assert r.metric('weir_events_accepted_total{bus="default",source="cloudevents"}') == 4
    for body, headers, message in [
            ("{", {**binary, "Content-Type": "application/json"}, "line 1: column 2: "),
            ("{}", {"ce-specversion": "1.0", "ce-source": "/a", "ce-type": "t"}, "missing 'id', which every CloudEvent has"),
            ("{}", {"ce-id": "1", "ce-source": "/a", "ce-type": "t"}, "missing 'specversion'"),
            ("{}", {**binary, "ce-subject": "%ff"}, "the header 'ce-subject' is not UTF-8"),
            ("{}", {**binary, "ce-" + "x" * 80: "1"}, "the name of the header"),
            ("{}", {"Content-Type": "application/cloudevents+avro"}, "content type 'application/cloudevents+avro' is not served")]:
        status, answer = r.post("/events", body, headers)
        assert status == 400 and answer["message"].lower().startswith(message.lower()), (message, answer)
    status, answer = r.post("/events", [ce(), {"specversion": "1.0"}], batch)
    assert status == 400 and answer["message"].startswith("event 2: missing 'id'") and not r.take("all")


def test_s3_look_alikes(router):
    r = router(KEEP)
    assert r.request("HEAD", "/")[0] == 200  # RustFS asks before it sends
    record = {"eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-11-21T04:00:00.000Z",
              "eventName": "s3:ObjectCreated:Put", "userIdentity": {"principalId": "minio"},
              "requestParameters": {"sourceIPAddress": "10.0.0.1"}, "responseElements": {"x-amz-request-id": "17A"},
              "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "in", "arn": "arn:aws:s3:::in"},
                     "object": {"key": "a%2Fb+c.jpg", "size": 7, "eTag": "e", "sequencer": "1"}},
              "source": {"host": "10.0.0.1", "port": "", "userAgent": "MinIO"}}
    minio = {"EventName": "s3:ObjectCreated:Put", "Key": "in/a/b c.jpg", "Records": [record]}
    assert r.post("/s3", minio, {"Authorization": "Bearer x", "Content-Type": "application/json"}) == (200, {"accepted": 1})
    ceph = {"Records": [{**record, "eventSource": "ceph:s3", "eventName": "ObjectRemoved:Delete", "eventId": "9", "opaqueData": "o",
                         "s3": {"bucket": {"name": "in", "id": "x"}, "object": {"key": "k", "size": "12", "metadata": [], "tags": []}}}]}
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "ceph", "ce-type": "x", "Content-Type": "application/json"}
    assert r.post("/s3/audit", ceph, headers) == (200, {"accepted": 1})
    first, second = sorted(bodies(r.receive("all", 2)), key=lambda b: b["detail-type"])
    assert (first["source"], first["detail-type"], first["resources"]) == ("aws.s3", "Object Created", ["arn:aws:s3:::in"])
    assert first["detail"]["object"] == {"key": "a/b c.jpg", "size": 7, "etag": "e", "sequencer": "1"}
    assert second["detail-type"] == "Object Deleted" and second["detail"]["object"] == {"key": "k", "size": 12}


def test_send_takes_every_format(router, tmp_path):
    r = router(KEEP)
    (tmp_path / "ce.json").write_text(json.dumps([ce(id="c1"), ce(id="c2")]))
    (tmp_path / "e.ndjson.gz").write_bytes(gzip.compress((json.dumps({**event(1), "id": "e1"}) + "\n").encode()))
    assert r.cli("send", tmp_path / "ce.json", tmp_path / "e.ndjson.gz")[0] == 0
    assert sorted(b["id"] for b in bodies(r.receive("all", 3))) == ["c1", "c2", "e1"]
    assert r.cli("send", "--format", "cloudevents", stdin=json.dumps(ce(id="c3")))[0] == 0
    assert bodies(r.receive("all", 1))[0]["id"] == "c3"
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"x" * 1000)[:-9])
    code, out, err = r.cli("send", tmp_path / "bad.gz")
    assert code == 65 and "bad.gz" in err


def test_limits(router):
    r = router(KEEP + "sources: {events: {rate: 10, burst: 20}, aws: {rate: 1}, cloudtrail: {concurrency: 1}}\n")
    r.send(*[event(n) for n in range(15)])
    r.send(*[event(n) for n in range(30)])  # larger than what is left: passes, and is owed
    status, headers, body = r.request("POST", "/events", event(1))
    assert status == 429 and int(headers["Retry-After"]) >= 1 and "10 events a second" in body
    assert r.metric('weir_events_refused_total{source="events",reason="rate"}') == 1
    code, out, err = r.cli("send", stdin=json.dumps(event(99)))  # waits as it is asked to
    assert code == 0 and "over its limit" in err
    assert len(r.receive("all", 46)) == 46
    headers = {"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"}
    entry = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    assert r.post("/", {"Entries": [entry, entry]}, headers)[0] == 200
    status, answer = r.post("/", {"Entries": [entry]}, headers)
    assert status == 400 and answer["__type"] == "ThrottlingException"
    # the next configuration has no limits
    r.configure(KEEP)
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] == 2)
    r.send(*[event(n) for n in range(100)])


def test_mistakes_in_sources(tmp_path):
    (tmp_path / "weir.yaml").write_text("""version: 1
sources:
  event: {rate: 5}
  s3: {burst: 5}
  aws: {path: ./x}
  trail: {type: folder}
  logs: {type: folder, path: ./x, rate: 5, bus: audit, format: csv}
""")
    code, out, err = weir("check", "-c", tmp_path / "weir.yaml")
    assert code == 78
    for text in [":3:3: error: unknown source 'event'; did you mean 'events'?", ":4:3: error: source 's3' has a burst but no rate",
                 ":5:15: error: 'path' belongs to a folder", ":6:3: error: missing key 'path' in folder 'trail'",
                 "error: a folder has no 'rate'", "unknown bus 'audit'", "unknown format 'csv'"]:
        assert text in err, (text, err)


FOLDER = """
queues: {q: {}}
buses: {audit: {}}
archives: {kept: {bus: audit}}
sources: {trail: {type: folder, path: ./logs, bus: audit}}
rules: {all: {bus: audit, pattern: {source: [{prefix: ""}]}, targets: [q]}}
"""


def put(path, data, old=True):
    """A file that is there at once, as a copy job leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / ("." + path.name)
    temporary.write_bytes(data)
    if old:
        os.utime(temporary, (time.time() - 60, time.time() - 60))
    temporary.rename(path)


def trail(*names):
    return json.dumps({"Records": [{
        "eventVersion": "1.08", "eventTime": "2026-11-21T04:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": name,
        "eventType": "AwsApiCall", "eventID": name, "awsRegion": "eu-west-1", "recipientAccountId": "111122223333"} for name in names]}).encode()


def test_watched_folder(router):
    r = router(FOLDER, start=False)
    logs = r.folder / "logs"
    put(logs / "AWSLogs" / "1" / "a.json.gz", gzip.compress(trail("a1", "a2")))
    put(logs / "b.json", trail("b1"))
    put(logs / "notes.txt", b"no")
    put(logs / "half.json.tmp", b"no")
    r.start()
    assert sorted(b["id"] for b in bodies(r.receive("q", 3))) == ["a1", "a2", "b1"]
    put(logs / "bad.json", b'{"Records": [')
    put(logs / "c.ndjson", b"".join(json.dumps(event(n)).encode() + b"\n" for n in range(3)))
    got = bodies(r.receive("q", 3))
    assert [b["detail"]["n"] for b in got] == [0, 1, 2] and len({b["id"] for b in got}) == 3
    wait_until(lambda: r.metric('weir_folder_files_total{folder="trail",result="bad"}') == 1)
    assert "bad.json" in r.logged()
    folder = r.status()["folders"][0]
    assert {k: folder[k] for k in ("name", "bus", "taken", "bad", "events")} == {
        "name": "trail", "bus": "audit", "taken": 3, "bad": 1, "events": 6}
    assert "trail" in r.cli("status")[1]
    put(logs / "fresh.json", trail("f1"), old=False)
    r.receive("q", 1)
    r.stop()
    r.start()
    put(logs / "bad.json", trail("g1"))  # mended
    assert [b["id"] for b in bodies(r.receive("q", 1))] == ["g1"]
    assert not r.take("q") and r.metric('weir_folder_files_total{folder="trail",result="taken"}') == 1


def test_watched_folder_around_the_data(router):
    """What Weir itself writes does not come in again; events of a file may have one id."""
    r = router("queues: {q: {}}\narchives: {kept: {}}\nsources: {here: {type: folder, path: .}}\n"
               "rules: {all: {pattern: {source: [{prefix: \"\"}]}, targets: [q]}}\n", start=False)
    put(r.folder / "one.ndjson", (json.dumps({**event(1), "id": "same"}) + "\n").encode() * 3)
    r.start()
    r.receive("q", 3)
    archived = wait_until(lambda: list((r.folder / "data").glob("archives/**/*.ndjson")), what="the archive's file")
    for file in archived:
        os.utime(file, (time.time() - 60, time.time() - 60))
    put(r.folder / "two.ndjson", json.dumps({**event(2), "id": "last"}).encode())  # looked at behind what is in data/
    assert [b["id"] for b in bodies(r.receive("q", 1))] == ["last"]


def test_watched_folder_over_a_reload(router):
    """What is left of a file, and of the folder, goes the new way at once; each event once."""
    config = """
buses: {audit: {}}
queues: {before: {maximum_message_size: 2KiB}, after: {}}
sources: {trail: {type: folder, path: ./logs, bus: %s}}
rules:
  audit: {bus: audit, pattern: {source: [test.app]}, targets: [before]}
  all: {pattern: {source: [test.app]}, targets: [after]}
"""
    r = router(config % "audit", start=False)
    for file in range(2):
        lines = [json.dumps(event(n)).encode() + b"\n" for n in range(file * 30000, (file + 1) * 30000)]
        put(r.folder / "logs" / f"{file}.ndjson", b"".join(lines))
    r.start()
    accepted = lambda bus: r.metric(f'weir_events_accepted_total{{bus="{bus}",source="events"}}') or 0
    wait_until(lambda: accepted("audit"))
    r.configure(config % "default")
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status()["generation"] == 2)
    most = accepted("audit") + 1000  # the batch that is under way
    wait_until(lambda: r.metric('weir_folder_files_total{folder="trail",result="taken"}') == 2, 60, "the files")
    r.settled()
    assert accepted("audit") <= most and accepted("audit") + accepted("default") == 60000
    matched = lambda bus, rule: r.metric(f'weir_rule_matches_total{{bus="{bus}",rule="{rule}"}}') or 0
    assert matched("audit", "audit") == accepted("audit") and matched("default", "all") == accepted("default")


def test_watched_folder_over_kills(router):
    r = router(FOLDER, start=False)
    lines = [json.dumps(event(n)).encode() + b"\n" for n in range(20000)]
    put(r.folder / "logs" / "big.ndjson", b"".join(lines))
    for delay in (0.15, 0.25, 0.05, 0.35):
        r.start()
        time.sleep(delay)
        r.kill()
    r.start()
    wait_until(lambda: r.metric('weir_folder_files_total{folder="trail",result="taken"}') == 1 or
               r.status()["archives"][0]["events"] == 20000, 60, "the file")
    r.settled()
    got = [json.loads(m["body"])["detail"]["n"] for m in r.receive("q", 20000, 60)]
    assert sorted(got) == list(range(20000)), (len(got), len(set(got)))
