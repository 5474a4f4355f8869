# SPDX-License-Identifier: Apache-2.0
"""The rule packs of rules/examples: each checks without a word, each rule has a test that it fires and one that it keeps
silent, all tests pass; and the packs that say how to try them do what they say."""
import json
import re
import shlex

import pytest
import yaml

from conftest import ROOT, Receiver, wait_until, weir

EXAMPLES = ROOT / "rules" / "examples"
PACKS = sorted(EXAMPLES.rglob("*.yaml"))
NAMES = [str(p.relative_to(EXAMPLES)) for p in PACKS]


def test_all_are_here():
    assert {"cloudtrail-alerts.yaml", "s3-thumbnails.yaml", "fan-out.yaml", "archive-replay.yaml"} <= set(NAMES)


@pytest.mark.parametrize("pack", PACKS, ids=NAMES)
def test_pack(pack):
    assert weir("check", pack)[::2] == (0, "")
    code, out, err = weir("test", "--json", "-c", pack)
    results = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, ""), [r for r in results if not r["ok"]]
    rules = yaml.safe_load(pack.read_text())["rules"]
    wanted = {}
    for key, rule in rules.items():
        tests = rule.get("tests", [])
        silent = sum(t.get("match") is False for t in tests)
        assert silent >= 1 and len(tests) - silent >= 1, f"rule {key}: a test that it fires and one that it is silent"
        wanted[rule.get("name", key)] = sorted(t["name"] for t in tests)
    ran = {}
    for r in results:
        ran.setdefault(r["rule"], []).append(r["test"])
    assert {rule: sorted(tests) for rule, tests in ran.items()} == wanted


def pack_text(name, *replaced):
    text = (EXAMPLES / name).read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, str(new))
    return text


def sample(name):
    """The event in the pack's own instructions: what is echoed there."""
    head = re.sub(r"^# ?", "", (EXAMPLES / name).read_text(), flags=re.M)
    return re.search(r"echo ('.*?') ?\|", head, re.S).group(1)


def test_s3_thumbnails(router, tmp_path):
    r = router(pack_text("s3-thumbnails.yaml", ("/tmp/weir-s3-thumbnails", tmp_path),
                         ("./s3-thumbnails.sh", EXAMPLES / "s3-thumbnails.sh")))
    event = sample("s3-thumbnails.yaml")
    for size, key in [(7, "incoming/beach.jpg"), (200000000, "incoming/beach.jpg"), (7, "incoming/a%3Cb%22%26.png")]:
        body = "".join(shlex.split(event.replace("$key", key).replace("$size", str(size))))
        assert r.post("/s3", body) == (200, {"accepted": 1})
    wait_until(lambda: r.metric('weir_async_invocations_total{target="function/thumbs",result="succeeded"}') == 2, 30, "runs")
    files = sorted(p.name for p in (tmp_path / "thumbnails").iterdir())
    assert [re.sub(r"-\d+", "", f) for f in files] == ["photos_incoming_a_b___.png.svg", "photos_incoming_beach.jpg.svg"]
    assert "beach.jpg</text>" in (tmp_path / "thumbnails" / files[1]).read_text()
    (large,) = r.receive("too-large", 1)
    assert json.loads(large["body"]) == {"key": "incoming/beach.jpg", "size": 200000000}
    assert r.take("failed") == []


def test_fan_out(router, tmp_path):
    partner = Receiver()
    try:
        r = router(pack_text("fan-out.yaml", ("/tmp/weir-fan-out", tmp_path),
                             ('"http://127.0.0.1:4572/events/partner"', f'"{partner.url}"')))
        detail = "".join(shlex.split(sample("fan-out.yaml")))
        assert r.cli("send", "--source", "shop.orders", "--detail-type", "OrderPlaced", stdin=detail)[0] == 0
        assert json.loads(json.loads(r.receive("warehouse", 1)[0]["body"])["Message"])["detail"]["id"] == "A-1001"
        assert json.loads(r.receive("review", 1)[0]["body"])["total"] == 1250
        assert json.loads(r.receive("wholesale", 1)[0]["body"]) == json.loads(detail)
        assert json.loads(r.receive("courier", 1)[0]["body"])["detail"] == json.loads(detail)
        wait_until(lambda: partner.requests, what="the partner")
        assert json.loads(partner.requests[0][1])["detail"]["reference"] == "shop-A-1001"
        r.settled()
        assert "order A-1001, total 1250.00\"\n" in (tmp_path / "receipts.txt").read_text()
        assert json.loads((tmp_path / "orders.ndjson").read_text())["detail"] == json.loads(detail)
    finally:
        partner.close()


def test_archive_replay(router, tmp_path):
    r = router(pack_text("archive-replay.yaml", ("/tmp/weir-archive-replay", tmp_path)))
    details = [{"id": f"P-{n}", "amount": 10.0 * n, "status": "failed" if n == 3 else "paid"} for n in range(1, 5)]
    stdin = "".join(json.dumps(d) + "\n" for d in details)
    assert r.cli("send", "--source", "pay.api", "--detail-type", "Payment", stdin=stdin)[0] == 0
    r.settled()
    assert len(r.receive("bookings", 4)) == 4 and len(r.receive("receipts", 3)) == 3 and len(r.receive("on-call", 1)) == 1
    code, out, _ = r.cli("replay", "payments", "--from", "-1h", "--dry-run")  # in the very second of the last event
    assert code == 0 and out.startswith("4 events in the window"), out
    assert r.cli("replay", "payments", "--from", "-1h", "--rule", "recount", "--name", "again")[0] == 0
    assert [json.loads(m["body"]) for m in r.receive("recount", 4)] == \
        [{"id": d["id"], "amount": d["amount"], "replay": "again"} for d in details]
    r.settled()
    assert r.take("bookings") == []
    assert r.cli("replay", "payments", "--from", "-1h")[0] == 0
    assert len(r.receive("bookings", 4)) == 4 and len(r.receive("on-call", 1)) == 1
    assert r.cli("replay", "failed-payments", "--from", "2026-01-01", "--rule", "failed-payment")[0] == 0
    assert len(r.receive("on-call", 1)) == 1
    r.settled()
    assert r.take("receipts") == []
