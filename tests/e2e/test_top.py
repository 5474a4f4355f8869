# SPDX-License-Identifier: Apache-2.0
"""weir top: screens, JSON lines, and the terminal it leaves as it was."""
import json
import os
import pty
import subprocess
import threading

from conftest import SLOW, WEIR, wait_until

CONFIG = ("queues: {inbox: {}}\ntargets: {dead: {type: http, url: 'http://127.0.0.1:1/'}}\n"
          "rules: {all: {pattern: {source: [test.app]}, targets: [inbox, dead]}, off: {state: disabled, pattern: {source: [x]}, "
          "targets: [inbox]}}\n")
EVENT = {"source": "test.app", "detail-type": "t", "detail": {}}


def top(url, *args):
    return subprocess.run([WEIR, "top", "--url", url, *args], capture_output=True, text=True, timeout=30 * SLOW)


def test_rates_and_backlogs(router):
    r = router(CONFIG)
    ended = threading.Event()

    def send():
        while not ended.is_set():
            r.post("/events", json.dumps([EVENT] * 20))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        done = top(r.url, "--json", "-n", "2", "--interval", "0.3")
    finally:
        ended.set()
        sender.join()
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    lines = {(line["kind"], line["name"]): line for line in second["lines"]}
    assert second["accepted_per_s"] > 0 and lines["rule", "all"]["matched_per_s"] > 0
    assert lines["bus", "default"]["accepted"] >= {(x["kind"], x["name"]): x for x in first["lines"]}["bus", "default"]["accepted"]
    assert lines["target", "queue/inbox"]["delivered_per_s"] > 0
    assert lines["target", "http/dead"]["owed"] > 0
    wait_until(lambda: next(t for t in r.status()["targets"] if t["name"] == "dead")["oldest_age_s"] >= 1, what="an age")
    assert lines["rule", "off"]["note"] == "disabled"
    text = top(r.url, "-n", "1", "--interval", "0.1").stdout
    assert "TARGET" in text and "http/dead" in text and "\033" not in text


def test_a_terminal(router):
    r = router(CONFIG)
    master, slave = pty.openpty()
    process = subprocess.Popen([WEIR, "top", "--url", r.url, "--interval", "0.1"], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while b"RULE" not in seen or b"inbox" not in seen:
        seen += os.read(master, 65536)
    assert b"\033[?1049h" in seen
    os.write(master, b"q")
    while b"\033[?1049l" not in seen:
        seen += os.read(master, 65536)
    assert process.wait(10 * SLOW) == 0
    os.close(master)


def test_no_router():
    done = top("http://127.0.0.1:1", "-n", "1")
    assert done.returncode == 69 and "no router answers" in done.stderr
    assert top("http://127.0.0.1:1", "--interval", "soon").returncode == 64
