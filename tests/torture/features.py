# SPDX-License-Identifier: Apache-2.0
"""Scenarios: each feature that promises something about order, repeats or counts, over kill -9 at random moments."""
import collections
import http.client
import json
import random
import resource
import select
import socket
import threading
import time

from rig import Failed, Producer, Receiver, Tally, drained, numbers, scenario, whole_lines
from conftest import Router, event, wait_until
from test_crash import archived


def call(r, method, path, body=None):
    """A call that may meet a dying router: (status, answer), or (0, None)."""
    try:
        status, _, text = r.request(method, path, body)
        return status, json.loads(text)
    except (OSError, ValueError, http.client.HTTPException):
        return 0, None


class Consumer(threading.Thread):
    """Receives and deletes until the router dies; remembers what it got, and which deletions nobody answered."""

    def __init__(self, r, queue):
        super().__init__(daemon=True)
        self.r, self.queue, self.got, self.unsure, self.ended = r, f"/_weir/v1/queues/{queue}", [], set(), False

    def run(self):
        while not self.ended:
            status, answer = call(self.r, "POST", self.queue + "/receive", {"max": random.randint(1, 100), "wait_ms": 200})
            if status != 200:
                return
            messages = answer["messages"]
            if not messages:
                continue
            self.got += messages
            status, answer = call(self.r, "POST", self.queue + "/delete", {"receiptHandles": [m["receiptHandle"] for m in messages]})
            if status != 200:
                self.unsure |= {m["messageId"] for m in messages}
                return


class Kept:
    """What several consumers of a queue got, one after the other."""

    def __init__(self):
        self.got, self.unsure = [], set()

    def add(self, consumer):
        consumer.ended = True
        consumer.join(60)
        self.got += consumer.got
        self.unsure |= consumer.unsure

    def once(self, name):
        """Each message once, but for those whose deletion was not answered: they may come again."""
        seen = collections.Counter(m["messageId"] for m in self.got)
        again = [i for i, count in seen.items() if count > 1 and i not in self.unsure]
        if again:
            raise Failed(f"{name}: {len(again)} messages came again after they were deleted")
        first = {}
        for m in self.got:
            first.setdefault(m["messageId"], m)
        return list(first.values())


class Sender(threading.Thread):
    """Sends numbered messages straight to a FIFO queue; what was not answered is sent again by the next sender."""

    def __init__(self, r, queue, first, again=()):
        super().__init__(daemon=True)
        self.r, self.path, self.next, self.again = r, f"/_weir/v1/queues/{queue}/send", first, list(again)
        self.sent, self.unsure, self.repeats, self.ended = [], [], 0, False

    def send(self, n):
        status, answer = call(self.r, "POST", self.path, {"body": str(n), "group": f"g{n % 7}", "deduplication_id": f"d{n}"})
        if status != 200:
            self.unsure.append(n)
            return False
        self.sent.append(n)
        self.repeats += answer["duplicate"]
        return True

    def run(self):
        while self.again:
            n = self.again.pop(0)
            if not self.send(n):
                self.unsure += self.again
                return
        while not self.ended:
            self.next += 1
            if not self.send(self.next - 1) or (random.random() < 0.1 and not self.send(self.next - 1)):
                return


def in_order(name, messages):
    """Each group's numbers go up. messages: (group, number), in the order they came."""
    last = {}
    for group, n in messages:
        if last.get(group, -1) >= n:
            raise Failed(f"{name}: group {group} had {n} after {last[group]}")
        last[group] = n


@scenario
def fifo(folder, rounds, row):
    """FIFO queues fed by a rule and by hand: each group's order is kept, nothing is lost or doubled, repeats are known."""
    r = Router(folder, """
queues: {events.fifo: {visibility_timeout: 1s}, hand.fifo: {visibility_timeout: 1s}}
rules: {all: {pattern: {source: [test.app]}, targets: [{target: events.fifo, sqs_parameters: {message_group_id: $.detail.key}}]}}
""")
    tally, first, hand, by_hand = Tally(row), 0, 0, []
    events, hands, unsure, repeats = Kept(), Kept(), [], 0
    for _ in range(rounds):
        r.start()
        producer, sender = Producer(r.url, first, "default", keys=11, text_keys=True), Sender(r, "hand.fifo", hand, unsure)
        consumers = [Consumer(r, "events.fifo"), Consumer(r, "hand.fifo")]
        threads = [producer, sender, *consumers]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.02, 0.4))
        r.kill()
        first = tally.add(producer)
        sender.join(60)
        hand, unsure, repeats, by_hand = sender.next, sorted(set(sender.unsure)), repeats + sender.repeats, by_hand + sender.sent
        events.add(consumers[0])
        hands.add(consumers[1])
    r.start()
    last = Sender(r, "hand.fifo", hand, unsure)
    last.ended = True
    last.run()
    by_hand += last.sent
    drained(r)
    for kept, queue in ((events, "events.fifo"), (hands, "hand.fifo")):
        consumer = Consumer(r, queue)
        consumer.start()
        empty = lambda: all(q["visible"] + q["in_flight"] == 0 for q in call(r, "GET", "/_weir/v1/queues")[1]["queues"] if q["name"] == queue)
        wait_until(empty, 300, "an empty queue")
        kept.add(consumer)
    got = events.once("events.fifo")
    tally.check("by rule", numbers(got), once=True)
    in_order("by rule", [(m["messageGroupId"], json.loads(m["body"])["detail"]["n"]) for m in got])
    got = hands.once("hand.fifo")
    came = [int(m["body"]) for m in got]
    row["by hand"], row["repeats known"] = f"{len(set(came))} (+{len(came) - len(set(came))})", repeats + last.repeats
    if len(came) != len(set(came)) or set(by_hand) != set(came):
        raise Failed(f"by hand: {len(set(by_hand) - set(came))} lost, {len(came) - len(set(came))} doubled")
    in_order("by hand", [(m["messageGroupId"], int(m["body"])) for m in got])
    r.stop()


class Repeater(Producer):
    """Posts batches whose events have ids; posts some again, and what the one before heard nothing of."""

    def __init__(self, url, first, bus, again):
        super().__init__(url, first, bus)
        self.again = again

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=20)
        batches = [self.again[k:k + 50] for k in range(0, len(self.again), 50)]
        while not self.ended:
            if batches:
                batch = batches.pop(0)
            else:
                batch = list(range(self.next, self.next + random.randint(1, 60)))
                self.next = batch[-1] + 1
            if random.random() < 0.3:
                batches.append(batch)
            body = "".join(json.dumps({"id": f"e{n}", **event(n)}) + "\n" for n in batch)
            try:
                connection.request("POST", f"/events/{self.bus}", body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.unknown += batch + [n for b in batches for n in b]
                return
            if answer.status != 200:
                raise Failed(f"a producer was answered with {answer.status}")
            self.accepted += batch


@scenario
def deduplicated(folder, rounds, row):
    """A bus that knows repeats: whatever is posted again, before a kill or after, is matched once."""
    r = Router(folder, """
buses: {once: {deduplication: 1h}}
queues: {inbox: {}}
archives: {all: {bus: once}}
rules: {all: {bus: once, pattern: {source: [test.app]}, targets: [inbox]}}
""")
    tally, first, again, got, posted = Tally(row), 0, [], [], 0
    for _ in range(rounds):
        r.start()
        producer = Repeater(r.url, first, "once", again)
        producer.start()
        time.sleep(random.uniform(0.02, 0.3))
        r.kill()
        first = tally.add(producer)
        again, posted = producer.unknown, posted + len(producer.accepted)
    r.start()
    drained(r)
    got += numbers(r.receive("inbox"))
    row["posted"] = posted
    tally.check("queue", got, once=True)
    tally.check("archive", archived(r.folder), once=True)
    r.stop()


@scenario
def ordered(folder, rounds, row):
    """A webhook with order_by that fails for one key at a time: each key's events come in order, others go on."""
    stuck, lock, got = {"key": None}, threading.Lock(), []

    def answer(number, body):
        e = json.loads(body)["detail"]
        with lock:
            if e["key"] == stuck["key"]:
                return 500, {}
            got.append((e["key"], e["n"]))
        return 200, {}

    hook = Receiver(answer)
    r = Router(folder, f"""
targets: {{hook: {{type: http, url: "{hook.url}", retry_policy: {{base: 20ms, cap: 100ms}}}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [{{target: hook, order_by: $.detail.key}}]}}}}
""")
    tally, first, passed = Tally(row), 0, 0
    for _ in range(rounds):
        stuck["key"] = f"k{random.randrange(5)}"
        r.start()
        producer = Producer(r.url, first, "default", keys=5, text_keys=True, most=5)
        producer.start()
        time.sleep(random.uniform(0.02, 0.1))
        producer.ended = True
        producer.join(60)
        if random.random() < 0.3:
            others = {n for n in producer.accepted if f"k{n % 5}" != stuck["key"]}
            wait_until(lambda: others <= {n for _, n in got}, 60, "events of other keys")
            passed += 1
        else:
            time.sleep(random.uniform(0, 0.4))
        r.kill()
        first = tally.add(producer)
    stuck["key"] = None
    r.start()
    drained(r)
    row["passed a stuck key"] = passed
    tally.check("webhook", [n for _, n in got], once=False)
    latest = {}
    for key, n in got:  # a repeat begins again at or behind what was answered last, never ahead
        if n > latest.get(key, -1):
            ahead = [k for k in tally.accepted if k % 5 == n % 5 and latest.get(key, -1) < k < n]
            if ahead:
                raise Failed(f"key {key}: {n} came before {ahead[0]}")
            latest[key] = n
    if r.receive("dead-letters"):
        raise Failed("something was dead-lettered")
    r.stop()
    hook.close()


@scenario
def batches(folder, rounds, row):
    """A webhook and a function that take batches: what had not gone at a kill goes after it."""
    mood = {"now": 200}
    hook = Receiver(lambda number, body: (mood["now"], {}))
    folder.mkdir(parents=True)
    program = folder / "take"
    program.write_text("#!/bin/sh\ncat >>out\n")
    program.chmod(0o755)
    r = Router(folder, f"""
targets: {{hook: {{type: http, url: "{hook.url}", circuit: {{failures: 0}}, batch: {{max_events: 70, max_wait: 50ms}},
                   retry_policy: {{base: 20ms, cap: 1s}}}}}}
functions: {{take: {{command: [./take], working_directory: {folder}, concurrency: 1, batch: {{max_events: 90, max_wait: 80ms, format: ndjson}},
                    async: {{maximum_retry_attempts: 2}}}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook, take]}}}}
""".replace("./take", str(program)))
    tally, first = Tally(row), 0
    for _ in range(rounds):
        r.start()
        producer = Producer(r.url, first, "default")
        producer.start()
        for _ in range(3):
            time.sleep(random.uniform(0.01, 0.1))
            mood["now"] = random.choice([200, 200, 500, 503])
        r.kill()
        first = tally.add(producer)
    mood["now"] = 200
    r.start()
    drained(r)
    whole = [body for headers, body in hook.requests if len(body) == int(headers["Content-Length"])]
    tally.check("webhook", [e["detail"]["n"] for body in whole for e in json.loads(body)], once=False)
    tally.check("function", list(whole_lines(folder / "out")), once=False)
    if r.receive("dead-letters"):
        raise Failed("something was dead-lettered")
    r.stop()
    hook.close()


@scenario
def functions(folder, rounds, row):
    """A function that is run for each event, and may ask for a retry."""
    folder.mkdir(parents=True)
    program = folder / "take"
    program.write_text(f"#!/bin/sh\nread -r line\n[ $(( $$ % 5 )) = 0 ] && exit 75\necho \"$line\" >>{folder}/out\n")
    program.chmod(0o755)
    r = Router(folder, f"""
functions: {{take: {{command: [{program}], concurrency: 8, circuit: {{failures: 0}}, retry_policy: {{base: 10ms, cap: 100ms}}}}}}
queues: {{inbox: {{}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [take, inbox]}}}}
""")
    tally, first = Tally(row), 0
    for _ in range(rounds):
        r.start()
        producer = Producer(r.url, first, "default", most=5)
        producer.start()
        time.sleep(random.uniform(0.02, 0.1))
        producer.ended = True
        time.sleep(random.uniform(0.02, 0.1))
        r.kill()
        first = tally.add(producer)
    r.start()
    drained(r)
    tally.check("function", list(whole_lines(folder / "out")), once=False)
    tally.check("queue", numbers(r.receive("inbox")), once=True)
    if r.receive("dead-letters"):
        raise Failed("something was dead-lettered")
    r.stop()


@scenario
def redrive(folder, rounds, row):
    """Dead letters, redriven while routers die: into a queue that refused them first, each once; to a webhook, all."""
    mood = {"now": 400}
    hook = Receiver(lambda number, body: (mood["now"], {}))

    def config(size):
        return f"""
queues: {{small: {{maximum_message_size: {size}}}, parked: {{}}}}
targets: {{hook: {{type: http, url: "{hook.url}", circuit: {{failures: 0}}}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [{{target: small, dead_letter: parked}}, hook]}}}}
"""

    r = Router(folder, config("1KiB"))
    tally, first, done = Tally(row), 0, 0
    for number in range(rounds):
        large = number % 2
        r.configure(config("1MiB" if large else "1KiB"))
        mood["now"] = 200 if large else 400
        r.start()
        producer = Producer(r.url, first, "default", pad=1500)
        producer.start()
        end = time.time() + random.uniform(0.05, 0.3)
        killer = threading.Timer(max(0, end - time.time()), r.process.kill)
        killer.start()
        while r.process.poll() is None:
            for queue in ("parked", "dead-letters") if large else ():
                status, answer = call(r, "POST", f"/_weir/v1/dlq/{queue}/redrive", {})
                done += status == 200
            time.sleep(0.005)
        killer.join()
        r.kill()
        first = tally.add(producer)
    r.configure(config("1MiB"))
    mood["now"] = 200
    r.start()
    drained(r)
    left = lambda: sum(q["messages"] for q in call(r, "GET", "/_weir/v1/dlq")[1]["queues"])
    deadline = time.time() + 120
    while left():
        for queue in ("parked", "dead-letters"):
            call(r, "POST", f"/_weir/v1/dlq/{queue}/redrive", {})
        drained(r)
        if time.time() > deadline:
            raise Failed("dead letters do not go")
    row["redrives"] = done
    tally.check("queue", numbers(r.receive("small")), once=True)
    taken = [json.loads(body)["detail"]["n"] for headers, body in hook.requests if len(body) == int(headers["Content-Length"])]
    tally.check("webhook", taken, once=False)
    r.stop()
    hook.close()


@scenario
def replays(folder, rounds, row):
    """Replays that are whole, limited, filtered, slow and paused, over kills: each event once, and no other."""
    count = 6000
    r = Router(folder, "queues: {live: {}, whole: {}, limited: {}, odd: {}, slow: {}}\narchives: {all: {}}\nrules:\n"
               "  live: {pattern: {detail: {live: [true]}}, targets: [live]}\n" +
               "".join(f"  {name}: {{pattern: {{replay-name: [{{prefix: {name}}}]}}, targets: [{name}]}}\n"
                       for name in ("whole", "limited", "odd", "slow")))
    r.start()
    for first in range(0, count, 500):
        r.send(*[event(n, parity=n % 2) for n in range(first, first + 500)])
    r.settled()
    live, kills, series, row["lost"] = count, 0, 0, 0
    while kills < rounds:
        series += 1
        want = {"whole": {}, "limited": {"limit": 1234}, "odd": {"pattern": {"detail": {"parity": [1]}}}, "slow": {"rate": 4000}}
        for name, more in want.items():
            status, answer = r.post("/_weir/v1/replays", {"name": f"{name}-{series}", "archive": "all", "from": "2000-01-01T00:00:00Z",
                                                          "to": "2100-01-01T00:00:00Z", "rules": [name], **more})
            if status != 201:
                raise Failed(f"{name}: {answer}")
        seen = live
        while True:
            states = {name: json.loads(r.get(f"/_weir/v1/replays/{name}-{series}")[1]) for name in want}
            if all(s["state"] == "COMPLETED" for s in states.values()):
                break
            for name, s in states.items():
                if s["state"] not in ("STARTING", "RUNNING", "COMPLETED"):
                    raise Failed(f"{name} is {s}")
                if s["paused"]:
                    call(r, "POST", f"/_weir/v1/replays/{name}-{series}/resume")
                elif s["state"] == "RUNNING" and random.random() < 0.3:
                    call(r, "POST", f"/_weir/v1/replays/{name}-{series}/pause")
            time.sleep(random.uniform(0, 0.1))
            if kills < rounds:
                r.send(event(live, live=True))  # written to the hour that is being replayed
                live += 1
                r.kill()
                kills += 1
                r.start()
        r.settled()
        kept = {name: numbers(r.receive(name)) for name in want}
        for name, s in states.items():
            got, row[name] = kept[name], row.get(name, 0) + len(kept[name])
            if len(got) != len(set(got)):
                raise Failed(f"{name}: {len(got) - len(set(got))} events were replayed twice")
            if name == "limited" and (len(got) != 1234 or set(got) != set(range(1234))):
                raise Failed(f"limited: {len(got)} events in place of the first 1234")
            if name == "odd" and not {n for n in range(count) if n % 2} <= set(got):
                raise Failed("odd: an event is missing")
            if name == "odd" and any(n % 2 == 0 for n in got if n < count):
                raise Failed("odd: an event is there that does not match")
            if name in ("whole", "slow") and not set(range(seen)) <= set(got):
                raise Failed(f"{name}: {len(set(range(seen)) - set(got))} of {seen} events were not replayed")
            if s["deliveries"] != len(got):
                raise Failed(f"{name}: it says {s['deliveries']} deliveries, and made {len(got)}")
    if sorted(numbers(r.receive("live"))) != list(range(count, live)):
        raise Failed("live events are missing")
    row["series"] = series
    r.stop()


@scenario
def taps(folder, rounds, row):
    """Taps that are never read, slowly read or left behind, over kills: nothing is held up, memory stays where it is."""
    r = Router(folder, "queues: {inbox: {}}\nrules: {all: {pattern: {source: [test.app]}, targets: [inbox]}}\n")
    tally, first, got, most, held = Tally(row), 0, [], 0, []
    for _ in range(rounds):
        r.start()
        for k in range(20):
            status, answer = call(r, "POST", "/_weir/v1/taps", {"near_miss": "all"} if k % 4 == 3 else {})
            if status != 201:
                break
            if k % 2:  # asks, and does not read the answer
                slow = socket.create_connection(r.url[7:].split(":"))
                slow.sendall(f"GET /_weir/v1/taps/{answer['tap']}?wait_ms=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 20)
                held.append(slow)
        producer = Producer(r.url, first, "default", pad=2000)
        producer.start()
        time.sleep(random.uniform(0.1, 0.5))
        got += numbers(r.take("inbox"))
        most = max(most, rss(r))
        r.kill()
        first = tally.add(producer)
        while held:
            held.pop().close()
    r.start()
    drained(r)
    got += numbers(r.receive("inbox"))
    row["RSS MB"] = most >> 20
    tally.check("queue", got, once=True)
    r.stop()


def rss(r, field="VmRSS"):
    with open(f"/proc/{r.process.pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field))


def poll_with(epoll, waiting, seconds, got):
    """Reads answers of waiting receivers; gives the sockets that are done."""
    for number, _ in epoll.poll(seconds):
        s, data = waiting[number]
        try:
            piece = s.recv(65536)
        except OSError:
            piece = b""
        waiting[number] = s, data + piece
        whole = b"\r\n\r\n" in data + piece and (data + piece).endswith(b"]}")
        if whole or not piece:
            if whole:
                got += json.loads((data + piece).split(b"\r\n\r\n", 1)[1])["messages"]
            epoll.unregister(s)
            s.close()
            del waiting[number]


@scenario
def waiting_receivers(folder, rounds, row):
    """Ten thousand receivers wait while routers die under them; what is sent then comes to one of them each, once."""
    count = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200, 9900)
    r = Router(folder, "queues: {inbox: {visibility_timeout: 12h}}\n")
    sent, got, row["waiting"], row["lost"] = 0, [], count, 0
    for number in range(max(2, rounds // 10)):
        r.start()
        host, port = r.url[7:].split(":")
        epoll, waiting = select.epoll(), {}
        body = json.dumps({"max": 1, "wait_ms": 20000}).encode()
        request = (f"POST /_weir/v1/queues/inbox/receive HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        for _ in range(count):
            s = socket.create_connection((host, int(port)))
            s.sendall(request)
            waiting[s.fileno()] = s, b""
            epoll.register(s, select.EPOLLIN)
        killed = number % 2 == 0
        for _ in range(200):
            status, answer = r.post("/_weir/v1/queues/inbox/send", {"body": str(sent)})
            if status != 200:
                raise Failed(f"send: {answer}")
            sent += 1
            if not killed:
                poll_with(epoll, waiting, 0, got)
        if killed:
            r.kill()
        deadline = time.time() + 60
        while waiting and time.time() < deadline:
            poll_with(epoll, waiting, 0.2, got)
        if waiting:
            raise Failed(f"{len(waiting)} receivers were not answered")
        row["RSS MB"] = 0 if killed else rss(r, "VmHWM") >> 20
        if not killed:
            r.stop()
    r.start()
    held = next(q for q in call(r, "GET", "/_weir/v1/queues")[1]["queues"] if q["name"] == "inbox")
    if held["visible"] + held["in_flight"] != sent:  # none was deleted yet
        raise Failed(f"{sent} messages were sent, {held['visible']} + {held['in_flight']} are there")
    got += r.receive("inbox")
    came = [int(m["body"]) for m in got]
    row["sent"], row["came"], row["handed out as it died"] = sent, len(came), sent - len(set(came))
    if len(came) != len(set(came)):
        raise Failed("a message came twice")
    r.stop()


@scenario
def moves(folder, rounds, row):
    """Messages moved from queue to queue and back, with cancellations: each is in one of them, once."""
    r = Router(folder, "queues: {one: {}, two: {}}\nrules: {all: {pattern: {source: [test.app]}, targets: [one]}}\n")
    tally, first, started = Tally(row), 0, 0
    for _ in range(rounds):
        r.start()
        producer = Producer(r.url, first, "default")
        producer.start()
        killer = threading.Timer(random.uniform(0.05, 0.3), r.process.kill)
        killer.start()
        while r.process.poll() is None:
            source, target = random.sample(["one", "two"], 2)
            what = random.choice(["move", "move", "cancel-move"])
            status, _ = call(r, "POST", f"/_weir/v1/queues/{source}/{what}", {"target": target} if what == "move" else {})
            started += what == "move" and status == 200
            time.sleep(random.uniform(0, 0.02))
        killer.join()
        r.kill()
        first = tally.add(producer)
    r.start()
    drained(r)
    running = lambda: any(m["state"] == "RUNNING" for q in ("one", "two") for m in call(r, "GET", f"/_weir/v1/queues/{q}/moves")[1]["moves"])
    wait_until(lambda: not running(), 120, "the moves")
    row["moves"] = started
    tally.check("queues", numbers(r.receive("one")) + numbers(r.receive("two")), once=True)
    r.stop()
