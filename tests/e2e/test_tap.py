# SPDX-License-Identifier: Apache-2.0
"""weir tap: what goes by, filtered; near misses; readers that are slow, or go away."""
import json
import signal
import subprocess

from conftest import SLOW, WEIR, wait_until

CONFIG = ("buses: {audit: {}}\nqueues: {inbox: {}}\nrules:\n"
          "  roots: {bus: audit, pattern: {source: [aws.iam], detail: {type: [Root]}}, targets: [inbox]}\n"
          "  every: {bus: audit, pattern: {source: [{prefix: aws}]}, targets: [inbox]}\n")


def event(source, **detail):
    return {"source": source, "detail-type": "t", "detail": detail}


def tap(r, *args):
    before = opened(r)
    process = subprocess.Popen([WEIR, "tap", "--url", r.url, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: opened(r) > before or process.poll() is not None, what="a tap")
    return process


def opened(r):
    for line in r.get("/metrics")[1].splitlines():
        if line.startswith("weir_http_requests_total") and 'route="taps"' in line and 'code="201"' in line:
            return int(float(line.split()[-1]))
    return 0


def end(process, how=signal.SIGINT):
    if how:
        process.send_signal(how)
    out, err = process.communicate(timeout=20 * SLOW)
    return process.returncode, out, err


def test_events_with_their_rules(router):
    r = router(CONFIG)
    whole, some = tap(r, "--json", "-n", "3"), tap(r, "--bus", "audit", "-p", '{"detail":{"n":[{"numeric":[">",1]}]}}')
    for n, source in enumerate(["aws.iam", "aws.s3", "app"]):
        assert r.post("/events/audit", json.dumps(event(source, n=n, type="Root")))[0] == 200
    code, out, _ = end(whole, None)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["rules"] for line in lines] == [["roots", "every"], ["every"], []]
    assert [line["position"] for line in lines] == [1, 2, 3] and {line["bus"] for line in lines} == {"audit"}
    code, out, _ = end(some)
    assert code == 0 and [json.loads(line)["detail"]["n"] for line in out.splitlines()] == [2]


def test_near_misses(router):
    r = router(CONFIG)
    near = tap(r, "--near-miss", "audit/roots", "-n", "2", "--json")
    r.post("/events/audit", json.dumps([event("aws.iam", type="Root"), event("aws.iam", type="root"), event("x", y="z"),
                                        event("aws.iam", type="User")]))
    code, out, _ = end(near, None)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["event"]["detail"]["type"] for line in lines] == ["root", "User"]
    assert any(hint["kind"] == "case" for leaf in lines[0]["explanation"]["leaves"] for hint in leaf["near"])


def test_a_reader_that_does_not_read(router):
    r = router(CONFIG)
    number = r.post("/_weir/v1/taps", "{}")[1]["tap"]
    for _ in range(8):
        r.post("/events/audit", json.dumps([event("aws.iam", pad="x" * 10000)] * 100))
    wait_until(lambda: r.status()["journal"]["lag"] == 0, what="dispatch")
    answer = json.loads(r.get(f"/_weir/v1/taps/{number}?wait_ms=1000")[1])
    assert 300 < len(answer["events"]) < 500 and answer["missed"] == 800 - len(answer["events"])
    assert r.request("DELETE", f"/_weir/v1/taps/{number}")[0] == 200
    assert r.get(f"/_weir/v1/taps/{number}?wait_ms=1000")[0] == 404


def test_faults(router):
    r = router(CONFIG)
    for args, words, code in [(["--near-miss", "root"], "did you mean 'roots'", 64), (["--bus", "audi"], "did you mean 'audit'", 64),
                              (["-p", '{"a":1}'], "line 1, column 7", 65), (["-n", "x"], "--count takes a number", 64)]:
        done = subprocess.run([WEIR, "tap", "--url", r.url, *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == code and words in done.stderr, done
    waiting = tap(r)
    assert r.stop() == 0  # a tap holds no stop up
    assert end(waiting, None)[0] in (64, 69)
