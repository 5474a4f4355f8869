# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of torture.py are made of: producers, consumers, tallies."""
import http.client
import json
import pathlib
import random
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
import conftest  # noqa: E402
from conftest import event, wait_until  # noqa: E402

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


class Failed(Exception):
    pass


# ---- producers and consumers ----

class Producer(threading.Thread):
    """Posts numbered batches until it is ended or the router dies."""

    def __init__(self, url, first, bus, pad=100, keys=0, text_keys=False, most=60):
        super().__init__(daemon=True)
        self.host, self.bus, self.pad, self.most = urllib.parse.urlparse(url).netloc, bus, pad, most
        self.key = lambda n: 0 if not keys else f"k{n % keys}" if text_keys else n % keys
        self.next, self.accepted, self.unknown, self.refused = first, [], [], 0
        self.ended = False

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=20)
        while not self.ended:
            batch = list(range(self.next, self.next + random.randint(1, self.most)))
            self.next = batch[-1] + 1
            body = "".join(json.dumps(event(n, pad="x" * self.pad, key=self.key(n))) + "\n" for n in batch)
            try:
                connection.request("POST", f"/events/{self.bus}", body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.unknown += batch
                return
            if answer.status == 200:
                self.accepted += batch
            elif answer.status in (429, 503):
                self.refused += len(batch)
                time.sleep(0.01)
            else:
                raise Failed(f"a producer was answered with {answer.status}")


def numbers(messages):
    return [json.loads(m["body"])["detail"]["n"] for m in messages]


class Tally:
    """What was acknowledged and what came out."""

    def __init__(self, row):
        self.row, self.accepted, self.unknown, self.refused = row, set(), set(), 0

    def add(self, producer):
        producer.join(60)
        self.accepted.update(producer.accepted)
        self.unknown.update(producer.unknown)
        self.refused += producer.refused
        return producer.next

    def check(self, name, got, once):
        """once: a repeat is a fault. What was not acknowledged may have come through, or not."""
        unique = set(got)
        lost, doubled, strange = self.accepted - unique, len(got) - len(unique), unique - self.accepted - self.unknown
        self.row[name] = f"{len(unique)} (+{doubled})"
        if lost:
            raise Failed(f"{name}: {len(lost)} of {len(self.accepted)} acknowledged events are lost, {sorted(lost)[:5]} …")
        if once and doubled:
            raise Failed(f"{name}: {doubled} events came twice")
        if strange:
            raise Failed(f"{name}: {len(strange)} events were refused and came all the same")
        self.row["acknowledged"], self.row["unanswered"], self.row["refused"] = len(self.accepted), len(self.unknown), self.refused
        self.row["lost"] = 0


class Receiver(conftest.Receiver):
    """A webhook receiver that does not mind senders that die."""

    def __init__(self, answer=None):
        super().__init__(answer)
        self.server.handle_error = lambda request, address: None


def owed(r):
    return sum(t["owed"] for t in r.status()["targets"])


def drained(r, seconds=600):
    wait_until(lambda: r.status()["journal"]["lag"] == 0 and owed(r) == 0, seconds, "all of what is owed")


def whole_lines(path):
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)["detail"]["n"]
        except (ValueError, KeyError):
            pass  # torn by a kill: it comes again, whole
