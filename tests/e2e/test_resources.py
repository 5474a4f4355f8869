# SPDX-License-Identifier: Apache-2.0
"""What the APIs make: beside files, over restarts and crashes, and exported."""
import itertools
import json
import random
import threading

import pytest

from conftest import weir, wait_until
from test_aws import client

SQS = "arn:aws:sqs:us-east-1:000000000000:"
FILE = """
queues: {orders: {}, parked: {}}
buses: {audit: {}}
rules:
  filed: {pattern: {source: [filed]}, targets: [orders]}
"""


def rules_of(r):
    status, body = r.get("/_weir/v1/resources")
    assert status == 200, body
    return {one["key"]: one["entry"] for one in json.loads(body)["resources"] if one["section"] == "rules"}


def make_some(r):
    events = client(r)
    events.create_event_bus(Name="made")
    events.put_rule(Name="root", EventBusName="made", Description="what: it's #1",
                    EventPattern='{"source":["a"],"detail":{"n":[1],"n":[123456789012]}}')
    events.put_rule(Name="tick", ScheduleExpression="rate(5 minutes)", State="DISABLED", Tags=[{"Key": "a", "Value": "b"}])
    events.put_rule(Name="plain", EventPattern='{"source":["a","yes"]}', RoleArn="arn:aws:iam::000000000000:role/x")
    events.put_targets(Rule="plain", Targets=[
        {"Id": "1", "Arn": SQS + "orders",
         "InputTransformer": {"InputPathsMap": {"a": "$.detail"}, "InputTemplate": '{"x": <a>}\n'}},
        {"Id": "2", "Arn": SQS + "gone"},
        {"Id": "3", "Arn": SQS + "parked", "DeadLetterConfig": {"Arn": SQS + "nowhere"}, "Input": '{"a":1}'},
        {"Id": "4", "Arn": "arn:aws:events:us-east-1:000000000000:event-bus/made"}])


EXPORTED = """\
# left out: rules/plain/targets/2/target, since there is no arn:aws:sqs:us-east-1:000000000000:gone
# left out: rules/plain/targets/3/dead_letter, since there is no arn:aws:sqs:us-east-1:000000000000:nowhere
version: 1
buses:
  made: {}
rules:
  made/root:
    name: root
    bus: made
    description: "what: it's #1"
    pattern: '{"detail":{"n":[123456789012]},"source":["a"]}'
  plain:
    pattern: {source: [a, "yes"]}
    targets:
      - target: queue/orders
        id: "1"
        input_transformer:
          input_paths_map: {a: $.detail}
          input_template: "{\\"x\\": <a>}\\n"
      - target: queue/parked
        id: "3"
        input: {a: 1}
      - target: bus/made
        id: "4"
  tick:
    state: disabled
    schedule: rate(5 minutes)
"""


def test_export_is_a_configuration(router, tmp_path):
    r = router(FILE)
    make_some(r)
    code, out, err = r.cli("export")
    assert (code, err) == (0, "")
    assert out == EXPORTED
    assert "x-aws" not in r.get("/_weir/v1/resources")[1]
    lines = [json.loads(line) for line in r.cli("export", "--json")[1].splitlines()]
    assert {(one["section"], one["key"]) for one in lines} == {
        ("buses", "made"), ("rules", "made/root"), ("rules", "plain"), ("rules", "tick")}

    # By itself with --all: the same rules in a router that never heard of the API.
    code, out, err = r.cli("export", "--all", "--config", r.file)
    assert (code, err) == (0, "")
    alone = router(out.replace(str(r.folder / "data"), str(tmp_path / "other")), name="alone")
    code, text, err = weir("check", alone.file)
    assert code == 0, err
    shown = lambda which: [(x["bus"], x["name"], x["state"]) for x in which.status()["rules"]]
    assert sorted(shown(alone)) == sorted(shown(r))
    event = {"source": "yes", "detail-type": "t", "detail": {"k": 1}}
    for one in (r, alone):
        one.send(event)
        assert [m["body"] for m in one.receive("orders", 1)] == ['{"x":{"k":1}}']
        assert [m["body"] for m in one.receive("parked", 1)] == ['{"a":1}']
    assert alone.cli("export")[1] == "version: 1\n"


def test_export_beside_a_rule_of_that_name(router):
    """A rule of the file on another bus may have the key that one of the default bus is exported by."""
    r = router(FILE.replace("filed: {", "filed: {bus: audit, "))
    client(r).put_rule(Name="filed", EventPattern='{"source":["made"]}')
    code, out, err = r.cli("export", "--all", "--config", r.file)
    assert (code, err) == (0, "")
    alone = r.folder / "alone.yaml"
    alone.write_text(out)
    code, _, err = weir("check", alone)
    assert code == 0, err
    assert "  default/filed:\n    name: filed\n    bus: default\n" in out


def test_export_of_nothing_and_of_no_file(router, tmp_path):
    r = router("")
    assert r.cli("export") == (0, "version: 1\n", "")
    code, _, err = r.cli("export", "--all", "--config", tmp_path / "none.yaml")
    assert code == 78 and "none.yaml" in err


def test_files_and_what_was_made(router):
    r = router(FILE)
    make_some(r)
    before = rules_of(r)
    generation = r.status()["generation"]
    assert r.cli("check", "--diff", r.file)[1].startswith("0 changes")  # nobody would remove them

    r.configure(FILE.replace("filed: {pattern", "again: {pattern"))
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] > generation, what="the reload")
    assert rules_of(r) == before
    assert {x["name"] for x in r.status()["rules"]} >= {"again", "plain", "tick", "root"}

    r.configure(FILE.replace("filed: {pattern", "plain: {pattern"))
    r.process.send_signal(1)
    wait_until(lambda: "reload_failed" in r.status(), what="the refusal")
    assert "rule 'plain' was made by the API; delete it there or give this one another name" in \
        r.status()["reload_failed"]["error"]
    client(r).put_rule(Name="later", EventPattern='{"source":["later"]}')  # of the files as they were taken
    assert "again" in {x["name"] for x in r.status()["rules"]}

    r.kill()
    code, _, err = weir("run", "-c", r.file, "--listen", "127.0.0.1:0")
    assert code == 78
    assert f"{r.file}:6:3: error: rule 'plain' was made by the API" in err
    r.configure(FILE)
    r.start()
    assert set(rules_of(r)) == set(before) | {"later"}


def test_without_a_configuration(router):
    r = router("", start=False)
    r.file.unlink()
    r.file = None
    r.start()
    client(r).put_rule(Name="made", EventPattern='{"source":["a"]}')
    r.stop()
    r.start()
    assert set(rules_of(r)) == {"made"}
    assert r.process.stdout.readline().startswith("no configuration: 1 rule made by API")


def test_a_deleted_bus_of_the_file_is_said(router):
    r = router(FILE)
    client(r).put_rule(Name="deep", EventBusName="audit", EventPattern='{"source":["a"]}')
    r.configure("queues: {orders: {}}")
    r.process.send_signal(1)
    wait_until(lambda: "reload_failed" in r.status(), what="the refusal")
    error = r.status()["reload_failed"]["error"]
    assert error.startswith("(API) rules/audit/deep: error: unknown bus 'audit'"), error


def test_what_is_sent_to_a_missing_target(router):
    r = router(FILE)
    events = client(r)
    events.put_rule(Name="a", EventPattern='{"source":["a"]}')
    events.put_targets(Rule="a", Targets=[{"Id": "1", "Arn": SQS + "gone", "DeadLetterConfig": {"Arn": SQS + "parked"}}])
    r.send({"source": "a", "detail-type": "t", "detail": {}})
    letter, = r.receive("parked", 1)
    assert letter["attributes"]["ERROR_CODE"] == "NO_RESOURCE"
    assert letter["attributes"]["TARGET_ARN"] == SQS + "gone"


class Changer(threading.Thread):
    """Makes, changes and deletes rules of its own until the router is gone; knows what was answered."""

    def __init__(self, r, number, seed):
        super().__init__()
        self.r, self.number, self.random = r, number, random.Random(seed)
        self.known, self.open = {}, set()  # name: what its description is; those without an answer

    def call(self, operation, **said):
        status, answer = self.r.post("/", said, {"X-Amz-Target": f"AWSEvents.{operation}",
                                                 "Content-Type": "application/x-amz-json-1.1"})
        assert status == 200, answer

    def run(self):
        try:
            for turn in itertools.count():
                name = f"r{self.number}-{self.random.randrange(6)}"
                self.open.add(name)
                if name in self.known and self.random.random() < 0.4:
                    self.call("DeleteRule", Name=name)
                    del self.known[name]
                else:
                    self.call("PutRule", Name=name, EventPattern='{"source":["a"]}', Description=str(turn))
                    self.known[name] = str(turn)
                self.open.remove(name)
        except OSError:
            pass  # killed: whether the last one was done is not known


class Sender(threading.Thread):
    """Sends events to the file's rule until the router is gone; knows which were taken."""

    def __init__(self, r, first):
        super().__init__()
        self.r, self.first, self.taken = r, first, set()

    def run(self):
        try:
            for n in itertools.count(self.first):
                self.r.send({"source": "filed", "detail-type": "t", "detail": {"n": n}})
                self.taken.add(n)
        except OSError:
            pass


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_changes_are_made(router, seed):
    r = router(FILE)
    known, taken = {}, set()
    for life in range(3):
        changers = [Changer(r, 10 * life + i, 100 * seed + 10 * life + i) for i in range(4)]
        sender = Sender(r, life * 1000000)
        for c in (*changers, sender):
            c.start()
        threading.Event().wait(random.Random(seed * 7 + life).uniform(0.05, 0.4))
        r.kill()
        for c in (*changers, sender):
            c.join()
        taken |= sender.taken
        r.start()
        there = rules_of(r)
        in_force = {x["name"] for x in r.status()["rules"]}
        assert in_force == set(there) | {"filed"}  # the set and the rows agree
        for c in changers:
            for name in {n for n in there if n.startswith(f"r{c.number}-")} | set(c.known):
                if name not in c.open:
                    assert there.get(name, {}).get("description") == c.known.get(name)
        for name, entry in known.items():
            assert there.get(name) == entry  # of earlier lives
        known = there
    r.settled()
    got = {json.loads(m["body"])["detail"]["n"] for m in r.receive("orders", len(taken))}
    assert taken <= got and len(taken) > 10


def test_disk_full(router, faults):
    r = router(FILE, env=faults.env)
    events = client(r)
    events.put_rule(Name="before", EventPattern='{"source":["a"]}')
    faults.set("write weir.db ENOSPC")
    said = {"X-Amz-Target": "AWSEvents.PutRule", "Content-Type": "application/x-amz-json-1.1"}
    status, answer = r.post("/", {"Name": "never", "EventPattern": '{"source":["a"]}'}, said)
    assert status == 503 and answer["__type"].endswith("ServiceUnavailable"), answer
    assert set(rules_of(r)) == {"before"}
    faults.set()
    events.put_rule(Name="after", EventPattern='{"source":["a"]}')
    r.kill()
    r.start()
    assert set(rules_of(r)) == {"before", "after"}


def test_changes_and_reloads_while_events_flow(router):
    """Nothing is lost or done twice by generations that come and go."""
    r = router(FILE)
    stop = threading.Event()

    def change():
        events = client(r)
        for n in itertools.count():
            if stop.is_set():
                return
            events.put_rule(Name=f"r{n % 5}", EventPattern='{"source":["none"]}', Description=str(n))
            if n % 10 == 0:
                r.process.send_signal(1)

    changer = threading.Thread(target=change)
    changer.start()
    for first in range(0, 2000, 100):
        r.send(*({"source": "filed", "detail-type": "t", "detail": {"n": n}} for n in range(first, first + 100)))
    stop.set()
    changer.join()
    got = sorted(json.loads(m["body"])["detail"]["n"] for m in r.receive("orders", 2000))
    assert got == list(range(2000))


def test_receives_that_wait_over_changes(router):
    """They hold no rule set; what they wait at is what it is by then."""
    r = router(FILE)
    queues, events = client(r, "sqs"), client(r)
    gone = queues.create_queue(QueueName="gone")["QueueUrl"]
    orders = queues.get_queue_url(QueueName="orders")["QueueUrl"]
    got = {}

    def wait_at(url):
        got[url] = client(r, "sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1 if url == gone else 20).get("Messages", [])

    waiting = [threading.Thread(target=wait_at, args=(url,)) for url in (gone, orders)]
    for one in waiting:
        one.start()
    for n in range(3):
        events.put_rule(Name=f"r{n}", EventPattern='{"source":["a"]}')
    queues.delete_queue(QueueUrl=gone)
    r.send({"source": "filed", "detail-type": "t", "detail": {}})
    for one in waiting:
        one.join()
    assert got[gone] == [] and len(got[orders]) == 1
