# SPDX-License-Identifier: Apache-2.0
"""HTTP as hostile and careless clients speak it."""
import json
import socket
import time
import urllib.parse

from conftest import event, wait_until

CONFIG = "queues: {inbox: {}}\nrules: {all: {pattern: {source: [test.app]}, targets: [inbox]}}\n"
LINE = json.dumps(event(1))


def raw(r, text, body=b""):
    """Sends bytes as they are; gives everything that comes back until the peer closes (or a second of silence)."""
    host, port = urllib.parse.urlparse(r.url).netloc.split(":")
    with socket.create_connection((host, int(port)), 5) as s:
        s.sendall(text.replace("\n", "\r\n").encode() + body)
        s.settimeout(2)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except socket.timeout:
            pass
        return got.decode(errors="replace")


def test_forms_that_must_be_refused(router):
    r = router(CONFIG)
    host = f"Host: {r.url[7:]}\n"
    n = len(LINE)
    body = LINE.encode()
    for name, head in {
        "two lengths": f"POST /events HTTP/1.1\n{host}Content-Length: {n}\nContent-Length: {n - 1}\n\n",
        "length and chunked": f"POST /events HTTP/1.1\n{host}Content-Length: {n}\nTransfer-Encoding: chunked\n\n",
        "gzip, chunked": f"POST /events HTTP/1.1\n{host}Transfer-Encoding: gzip, chunked\nContent-Length: {n}\n\n",
        "no host": f"POST /events HTTP/1.1\nContent-Length: {n}\n\n",
        "two hosts": f"POST /events HTTP/1.1\n{host}Host: example.org\nContent-Length: {n}\n\n",
        "negative length": f"POST /events HTTP/1.1\n{host}Content-Length: -5\n\n",
        "odd length": f"POST /events HTTP/1.1\n{host}Content-Length: {n}x\n\n",
        "plus length": f"POST /events HTTP/1.1\n{host}Content-Length: +{n}\n\n",
    }.items():
        answer = raw(r, head, body)
        assert not answer.startswith("HTTP/1.1 200"), f"{name}: {answer[:200]}"
        assert "accepted" not in answer, name
    r.settled()
    assert r.receive("inbox") == []


def test_foreign_hosts_and_origins(router):
    r = router(CONFIG)
    assert r.post("/events", LINE, {"Host": "evil.example"})[0] == 403
    assert r.post("/events", LINE, {"Origin": "http://evil.example"})[0] == 403
    assert r.post("/events", LINE, {"Host": "localhost:4566"})[0] == 200
    assert r.get("/healthz")[0] == 200
    named = router("allowed_hosts: [weir.internal]\n", name="named")
    assert named.post("/events", LINE, {"Host": "weir.internal:80"})[0] == 200


def test_links_of_web_pages(router):
    """What <img src=…> on a hostile page does: a GET, without an Origin."""
    r = router(CONFIG)
    link = "/?Action=SendMessage&QueueUrl=/000000000000/inbox&MessageBody=hello"
    for site in ("cross-site", "same-site"):
        status, _, text = r.request("GET", link, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"})
        assert status == 403 and "web pages" in text, text
    confirm = "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:000000000000:none&Token=none"
    assert r.request("GET", confirm, headers={"Sec-Fetch-Site": "cross-site"})[0] == 404, "a link in a mail"
    assert r.request("GET", "/healthz", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200
    assert r.receive("inbox") == []
    for site in ("none", "same-origin"):
        assert r.request("GET", link, headers={"Sec-Fetch-Site": site})[0] == 200, "somebody typed it"
    r.receive("inbox", expect=2)


def test_large_bodies_in_pieces(router):
    """A body of a megabyte, cut at odd places, and the next request right behind it on the same connection."""
    r = router(CONFIG)
    lines = [json.dumps(event(n, padding="p" * 500)) for n in range(1500)]
    body = ("\n".join(lines) + "\n").encode()
    head = f"POST /events HTTP/1.1\r\nHost: {r.url[7:]}\r\nContent-Length: "
    text = f"{head}{len(body)}\r\n\r\n".encode() + body + f"{head}{len(LINE)}\r\n\r\n{LINE}".encode()
    host, port = urllib.parse.urlparse(r.url).netloc.split(":")
    with socket.create_connection((host, int(port)), 5) as s:
        s.settimeout(20)
        sizes = [10, 4086, 4096, 1, 4095, 4097, 70000, 65536, 8192, 300001]
        while text:
            size = sizes.pop(0) if sizes else len(text)
            s.sendall(text[:size])
            text = text[size:]
            if sizes:
                time.sleep(0.005)
        got = b""
        while got.count(b"accepted") < 2:
            got += s.recv(65536)
    assert b'{"accepted":1500}' in got and b'{"accepted":1}' in got, got[:300]
    r.settled()
    assert 'weir_rule_matches_total{bus="default",rule="all"} 1501' in r.get("/metrics")[1]


def test_limits(router):
    r = router(CONFIG)
    big = json.dumps(event(1, pad="x" * (33 << 20)))
    try:
        status, answer = r.post("/events", big)
        assert status == 413, answer
    except OSError:
        pass  # the server may close before it has read all of it
    answer = raw(r, f"GET /healthz HTTP/1.1\nHost: {r.url[7:]}\nX-Long: {'y' * 100_000}\n\n")
    assert not answer.startswith("HTTP/1.1 200")
    assert r.get("/healthz")[0] == 200


def test_routes_and_methods(router):
    r = router(CONFIG)
    status, headers, _ = r.request("GET", "/events")
    assert status == 405 and "POST" in headers["Allow"]
    assert r.request("GET", "/nosuch")[0] == 404
    assert r.request("HEAD", "/")[0] == 200
    status, headers, body = r.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'weir_build_info{version="' in body
    assert r.post("/events", "")[0] in (200, 400)
    assert r.get("/readyz")[0] == 200
    for path in ["/events/default%00x", "/events/%ff", "/%0a"]:
        status, answer = r.post(path, LINE)
        assert status == 400 and "path" in answer["message"], (path, answer)
    assert r.post("/events", b"\xef\xbb\xbf" + LINE.encode())[0] == 200


def test_hostile_json(router):
    r = router(CONFIG)
    deep = '{"source":"test.app","detail-type":"t","detail":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}"
    status, answer = r.post("/events", deep)
    assert status == 400 and "1000" in answer["message"], answer
    status, answer = r.post("/events", b'{"source":"test.app","detail-type":"t","detail":{"a":"\xff"}}')
    assert status == 400, answer
    many = '{"source":"test.app","detail-type":"t","detail":{' + ",".join(f'"k{i}":{i}' for i in range(50_000)) + "}}"
    assert r.post("/events", many)[0] == 200
    same = '{"source":"test.app","detail-type":"t","detail":{' + ",".join('"k":1' for i in range(50_000)) + "}}"
    assert r.post("/events", same)[0] == 200
    assert len(r.receive("inbox", 2)) == 2


def test_gzip_bodies(router):
    import gzip
    r = router(CONFIG)
    status, answer = r.post("/events", gzip.compress(LINE.encode()), {"Content-Encoding": "gzip"})
    assert (status, answer) == (200, {"accepted": 1})
    assert r.post("/events", b"not gzip", {"Content-Encoding": "gzip"})[0] == 400
    bomb = gzip.compress(b" " * (200 << 20))
    assert r.post("/events", bomb, {"Content-Encoding": "gzip"})[0] == 413


def test_s3_test_event_and_faults(router):
    r = router(CONFIG)
    status, answer = r.post("/s3", {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})
    assert (status, answer) == (200, {"accepted": 0})
    status, answer = r.post("/s3", {"Records": [{"eventSource": "aws:s3"}]})
    assert status == 400 and "record 1" in answer["message"], answer
    status, answer = r.post("/cloudtrail", {"Records": [{"eventSource": 1}]})
    assert status == 400 and "record 1" in answer["message"], answer
