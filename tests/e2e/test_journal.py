# SPDX-License-Identifier: Apache-2.0
"""weir journal: the files of a running router and of a stopped one, whole and damaged."""
import json
import subprocess

from conftest import WEIR


def journal(*args):
    done = subprocess.run([WEIR, "journal", *args], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def event(n):
    return {"source": "test.app", "detail-type": "t", "detail": {"n": n}}


def test_whole_and_damaged(router):
    r = router("buses: {audit: {}}\n")
    for n in range(20):
        assert r.post("/events" + ("/audit" if n % 2 else ""), json.dumps(event(n)))[0] == 200
    data = str(r.folder / "data")
    code, out, _ = journal("verify", data)
    assert code == 0 and "20 records in 1 segment" in out and "every record is whole" in out
    code, out, _ = journal("cat", data, "--bus", "audit", "--from", "11", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["event"]["detail"]["n"] for line in lines] == [11, 13, 15, 17, 19]
    assert [line["record"] for line in lines] == [12, 14, 16, 18, 20]

    r.kill()
    [segment] = (r.folder / "data" / "journal").glob("*.seg")
    image = bytearray(segment.read_bytes())
    at = image.index(b'"n":7')
    image[at] ^= 4
    segment.write_bytes(image)
    code, out, _ = journal("verify", data, "--json")
    fault, total = [json.loads(line) for line in out.splitlines()]
    assert code == 65 and fault["record"] == 8 and not fault["torn"] and "checksum" in fault["reason"]
    assert fault["offset"] < at < fault["offset"] + fault["bytes"] and total["records"] == 19
    code, out, err = journal("cat", data)
    assert code == 65 and len(out.splitlines()) == 19 and f"offset {fault['offset']}" in err


def test_usage():
    assert journal("verfy")[0] == 64
    code, _, err = journal("verify", "/nonexistent")
    assert code == 74 and "/nonexistent" in err
    code, _, err = journal("verify", "/etc")
    assert code == 74 and "there is no journal in '/etc'" in err
    code, _, err = journal("verify", "-c", "/nonexistent.yaml")
    assert code == 78 and "cannot read '/nonexistent.yaml'" in err
