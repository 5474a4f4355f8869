# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: what was answered is in the queue, the archive and nowhere twice."""
import http.client
import json
import os
import random
import subprocess
import threading
import time
import urllib.parse

from conftest import WEIR, event, wait_until

CONFIG = """
buses: {audit: {}}
queues: {inbox: {}}
archives: {all: {bus: audit}}
targets: {log: {type: file, path: ./out.ndjson}}
rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox, log]}}
"""


class Producer(threading.Thread):
    """Posts numbered batches until the router dies; remembers which it said yes to, and which it may have taken."""

    def __init__(self, url, start):
        super().__init__()
        self.host = urllib.parse.urlparse(url).netloc
        self.next = start
        self.accepted, self.unknown = [], []

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        while True:
            batch = list(range(self.next, self.next + random.randint(1, 40)))
            self.next = batch[-1] + 1
            body = "".join(json.dumps(event(n)) + "\n" for n in batch)
            try:
                connection.request("POST", "/events/audit", body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.unknown.extend(batch)
                return
            (self.accepted if answer.status == 200 else self.unknown).extend(batch)


def whole_lines(path):
    """Numbers of the events in a file target's file. A kill in the middle of a write leaves a torn line: it comes again, whole."""
    for line in path.read_text().splitlines():
        if line.endswith("}"):
            try:
                yield json.loads(line)["detail"]["n"]
            except json.JSONDecodeError:
                pass


def archived(folder):
    """Numbers of the events in the archive, those of sealed files too."""
    numbers = []
    for path in sorted(folder.glob("data/archives/all/**/*.ndjson*")):
        if path.suffix == ".ndjson":
            text = path.read_text()
        elif path.suffix == ".zst" and not path.with_suffix("").exists():  # both: a kill came while it was sealed
            text = subprocess.run(["zstdcat", str(path)], capture_output=True, check=True, text=True).stdout
        else:
            continue
        numbers += [json.loads(line)["detail"]["n"] for line in text.splitlines()]
    return numbers


def test_kill_at_random_moments(router):
    rounds = int(os.environ.get("WEIR_CRASH_ROUNDS", "8"))
    seed = int(os.environ.get("WEIR_CRASH_SEED", str(random.randrange(1 << 30))))
    random.seed(seed)
    print("seed", seed)
    r = router(CONFIG, start=False)
    accepted, unknown, received, start = set(), set(), [], 0
    for _ in range(rounds):
        r.start()
        producer = Producer(r.url, start)
        producer.start()
        time.sleep(random.uniform(0.01, 0.5))
        for _ in range(random.randrange(4)):  # a consumer at the same time
            received += [json.loads(m["body"])["detail"]["n"] for m in r.take("inbox")]
        r.kill()
        producer.join()
        accepted.update(producer.accepted)
        unknown.update(producer.unknown)
        start = producer.next
    r.start()
    r.settled()
    received += [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 0, 60)]
    assert accepted, "nothing was accepted: the test tried nothing"
    missing = accepted - set(received)
    assert not missing, f"{len(missing)} of {len(accepted)} accepted events are not in the queue"
    assert len(received) == len(set(received)), "an event is in the queue twice"
    assert set(received) <= accepted | unknown
    in_archive = archived(r.folder)
    assert len(in_archive) == len(set(in_archive)), "an event is in the archive twice"
    assert set(in_archive) == set(received)
    in_file = list(whole_lines(r.folder / "out.ndjson"))
    assert accepted <= set(in_file), "the file target may repeat lines, but misses none"
    print(f"{rounds} kills: {len(accepted)} accepted, {len(unknown)} unanswered, {len(in_file) - len(set(in_file))} repeats in the file")


def test_restart_goes_on_where_it_was(router):
    r = router(CONFIG)
    r.send(*[event(i) for i in range(100)], bus="audit")
    r.settled()
    assert r.stop() == 0
    r.start()
    r.send(*[event(i) for i in range(100, 150)], bus="audit")
    assert [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 150)] == list(range(150))
    r.settled()
    assert archived(r.folder) == list(range(150))


def test_a_torn_journal_is_cut_and_reported(router):
    r = router(CONFIG)
    r.send(event(1), event(2), bus="audit")
    r.settled()
    r.kill()
    segment = sorted((r.folder / "data" / "journal").glob("*.seg"))[-1]
    with open(segment, "ab") as f:
        f.write(b"\x01torn by a crash" * 9)
    r.start()
    assert "torn" in r.logged() and segment.name in r.logged()
    r.send(event(3), bus="audit")
    assert [json.loads(m["body"])["detail"]["n"] for m in r.receive("inbox", 3)] == [1, 2, 3]


def test_one_router_a_data_folder(router):
    r = router(CONFIG)
    second = subprocess.run([WEIR, "run", "-c", str(r.file), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
    assert second.returncode == 69 and "data" in second.stderr, second.stderr
    taken = subprocess.run([WEIR, "run", "--data", str(r.folder / "more"), "--listen", r.url[7:]], capture_output=True, text=True,
                           timeout=20, cwd=r.folder.parent)
    assert taken.returncode == 69 and r.url.rsplit(":", 1)[1] in taken.stderr, taken.stderr


def test_full_disk_refuses_and_recovers(router):
    """RLIMIT_FSIZE stands in for a full disk: writes past it fail."""
    import resource
    r = router(CONFIG, start=False)
    limit = 300_000

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    original = subprocess.Popen
    subprocess.Popen = lambda *a, **k: original(*a, **k, preexec_fn=limited)
    try:
        r.start()
    finally:
        subprocess.Popen = original
    accepted, refused = 0, False
    for n in range(200):
        status, answer = r.post("/events/audit", "".join(json.dumps(event(n * 50 + i, pad="x" * 200)) + "\n" for i in range(50)))
        if status == 200:
            accepted += 50
        else:
            assert status == 503, answer
            refused = True
            break
    assert refused and accepted
    assert r.get("/healthz")[0] == 200
    r.kill()
    r.start()
    assert len(r.receive("inbox", accepted)) == accepted
    r.send(event(1), bus="audit")
    r.receive("inbox", 1)
    r.settled()
    assert len(archived(r.folder)) == accepted + 1


def test_a_ledger_that_is_damaged_is_left_alone(router):
    """It is said, nothing starts, nothing is changed; where it is gone the journal is matched anew, and that is said too."""
    r = router(CONFIG)
    r.send(*[event(n) for n in range(50)], bus="audit")
    r.settled()
    r.stop()
    ledger = r.folder / "data" / "weir.db"
    whole = ledger.read_bytes()
    for damaged in (whole[:len(whole) // 2], b"X" + whole[1:], b"no database"):
        ledger.write_bytes(damaged)
        done = subprocess.run([WEIR, "run", "-c", str(r.file), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 74 and str(ledger) in done.stderr and ledger.read_bytes() == damaged, done.stderr
    ledger.unlink()
    ledger.mkdir()
    done = subprocess.run([WEIR, "run", "-c", str(r.file), "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 74 and str(ledger) in done.stderr, done.stderr
    assert archived(r.folder) == list(range(50))
    ledger.rmdir()
    r.start()
    assert "the ledger knows nothing" in r.logged()
    r.settled()
    assert archived(r.folder) == list(range(50)) and len(r.receive("inbox", 50)) == 50
    aside = list((r.folder / "data" / "archives").rglob("*.uncommitted"))
    assert [len(path.read_text().splitlines()) for path in aside] == [50]


def test_a_data_folder_that_is_removed_ends_the_router(router):
    r = router(CONFIG)
    for name in ("lock", "weir.db"):
        r.send(event(0), bus="audit")
        r.settled()
        (r.folder / "data" / name).unlink()
        assert r.process.wait(20) == 74 and "was removed under the running router" in r.logged()
        r.process.stdout.close()
        r.process = None
        r.start()
