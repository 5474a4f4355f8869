#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaking a router for a long time: `make torture`. Each scenario counts what was acknowledged, what came out where, what
came twice, and what is lost, prints a line, and fails where something is lost, or doubled where it may not be.

usage: torture.py [--rounds N] [--seed S] [SCENARIO…]      WEIR names the program
"""
import argparse
import contextlib
import http.client
import json
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from rig import SCENARIOS, Failed, Producer, Receiver, Tally, drained, numbers, owed, scenario, whole_lines
import features  # noqa: F401  (its scenarios)
import conftest
from conftest import Faults, Router, event, wait_until
from test_crash import archived

# ---- scenarios ----

@scenario
def kill(folder, rounds, row):
    """kill -9 at random moments, with a webhook that comes and goes beside a queue, a file and an archive."""
    mood = {"now": 200}
    hook = Receiver(lambda number, body: (mood["now"], {"Retry-After": "0"}))
    r = Router(folder, f"""
buses: {{audit: {{}}}}
queues: {{inbox: {{}}}}
archives: {{all: {{bus: audit}}}}
targets: {{log: {{type: file, path: ./out.ndjson}}, hook: {{type: http, url: "{hook.url}", timeout: 2s}}}}
rules: {{some: {{bus: audit, pattern: {{source: [test.app]}}, targets: [inbox, log, hook]}}}}
""")
    tally, got, first = Tally(row), [], 0
    for _ in range(rounds):
        r.start()
        producer = Producer(r.url, first, "audit")
        producer.start()
        for _ in range(random.randrange(5)):
            time.sleep(random.uniform(0.005, 0.08))
            mood["now"] = random.choice([200, 200, 500, 503])
            try:
                got += numbers(r.take("inbox"))
            except (OSError, AssertionError):
                pass
        r.kill()
        first = tally.add(producer)
    mood["now"] = 200
    r.start()
    drained(r)
    got += numbers(r.receive("inbox"))
    tally.check("queue", got, once=True)
    tally.check("archive", archived(r.folder), once=True)
    tally.check("file", list(whole_lines(r.folder / "out.ndjson")), once=False)
    tally.check("webhook", [json.loads(body)["detail"]["n"] for _, body in hook.requests], once=False)
    if r.receive("dead-letters"):
        raise Failed("something was dead-lettered")
    r.stop()
    hook.close()


@scenario
def full_disk(folder, rounds, row):
    """A disk that fills and grows, and kill -9 in between."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    size = 8
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(disk)], check=True)
    try:
        r = Router(folder, f"data: {disk}/data\nbuses: {{audit: {{}}}}\nqueues: {{inbox: {{}}}}\narchives: {{all: {{bus: audit}}}}\n"
                   "rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox]}}\n")
        tally, first, full = Tally(row), 0, 0
        for _ in range(rounds):
            while True:
                r.url = None
                try:
                    r.start()
                    break
                except AssertionError:  # no room for one commit: it says so and ends
                    if r.url or r.process.wait(20) != 74:
                        raise
                    r.process.stdout.close()
                    r.process = None
                    size += 2
                    subprocess.run(["mount", "-o", f"remount,size={size}m", str(disk)], check=True)
            producer = Producer(r.url, first, "audit", pad=300)
            producer.start()
            deadline = time.time() + 10
            while not producer.refused and producer.is_alive() and time.time() < deadline:
                time.sleep(0.01)
            full += producer.refused > 0
            time.sleep(random.uniform(0, 0.3))
            r.kill()
            first = tally.add(producer)
            size += random.randrange(3)
            subprocess.run(["mount", "-o", f"remount,size={size}m", str(disk)], check=True)
        subprocess.run(["mount", "-o", f"remount,size={size + 400}m", str(disk)], check=True)
        r.start()
        drained(r)
        row["full"] = full
        tally.check("queue", numbers(r.receive("inbox")), once=True)
        tally.check("archive", archived(disk), once=True)
        if not full:
            raise Failed("the disk was never full")
        r.stop()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@scenario
def bad_disk(folder, rounds, row):
    """Writes and syncs of journal, ledger and archive that fail, at random, and kill -9 in between."""
    folder.mkdir(parents=True)
    faults = Faults(folder)
    r = Router(folder, "buses: {audit: {}}\nqueues: {inbox: {}}\narchives: {all: {bus: audit}}\n"
               "rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox]}}\n", faults.env)
    tally, first, ended = Tally(row), 0, 0
    kinds = [f"{call} {where} {error}" for call in ("write", "sync") for where in ("journal/", "weir.db", ".ndjson", ".seg")
             for error in ("EIO", "ENOSPC", "EROFS")]
    for _ in range(rounds):
        faults.set()
        r.start()
        logged = len(r.logged())
        producer = Producer(r.url, first, "audit")
        producer.start()
        for _ in range(random.randrange(1, 4)):
            time.sleep(random.uniform(0, 0.1))
            faults.set(*(f"{random.choice(kinds)} {random.choice(['', '1', '3'])}" for _ in range(random.randrange(3))))
        time.sleep(random.uniform(0, 0.1))
        if "the journal has failed" in r.logged()[logged:] and r.process.wait(20) == 74:  # that is the end
            ended += 1
            producer.ended = True
        elif random.random() < 0.7:
            faults.set()
            time.sleep(random.uniform(0, 1.2))
        r.kill()
        producer.ended = True
        first = tally.add(producer)
        tally.unknown.update(range(first))  # a journal that could not be synced may hold what it refused
    faults.set()
    r.start()
    drained(r)
    row["ended"] = ended
    got = numbers(r.receive("inbox"))
    tally.check("queue", got, once=True)
    tally.check("archive", archived(r.folder), once=True)
    r.stop()


@scenario
def torn_journal(folder, rounds, row):
    """Random cuts and flipped bits in the newest segment of a router that never dispatched: recovered, or said where."""
    row["lost"] = 0
    r = Router(folder, "rules: {some: {pattern: {source: [test.app]}, targets: [dead-letters]}}\n")
    r.start()
    for first in range(0, 400, 40):
        r.send(*[event(n, pad="x" * random.randrange(300)) for n in range(first, first + 40)])
    drained(r)
    r.kill()
    [segment] = sorted((r.folder / "data" / "journal").glob("*.seg"))
    image, damaged, quiet = segment.read_bytes(), 0, 0
    for _ in range(rounds * 5):
        copy = bytearray(image)
        if random.random() < 0.5:
            copy = copy[:random.randrange(len(copy))]
        else:
            for _ in range(random.randrange(1, 4)):
                copy[random.randrange(len(copy))] ^= 1 << random.randrange(8)
        segment.write_bytes(copy)
        done = subprocess.run([conftest.WEIR, "journal", "verify", str(r.folder / "data"), "--json"], capture_output=True, text=True)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode not in (0, 65):
            raise Failed(f"verify ended with {done.returncode}: {done.stderr}")
        if done.returncode == 0 and len(copy) == len(image):
            raise Failed("flipped bits went unseen")
        damaged += done.returncode == 65
        quiet += records[-1]["records"] < 400 and done.returncode == 0 and len(copy) == len(image)
    for _ in range(max(3, rounds // 10)):  # and a start on some of them
        copy = bytearray(image)
        copy[random.randrange(len(copy))] ^= 1 << random.randrange(8)
        segment.write_bytes(copy)
        at = len(r.logged())
        r.start()
        said = r.logged()[at:]
        if "damaged" not in said and "torn" not in said:
            raise Failed("a start on a damaged journal said nothing")
        r.send(event(1))
        r.kill()
        for path in (r.folder / "data" / "journal").glob("*.seg"):
            if path != segment:
                path.unlink()
    row["damaged"], row["silent"] = damaged, quiet


def bad_server(kind):
    """A listening socket that behaves badly; gives its URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def misbehave(connection):
        if kind == "half-open":
            return  # closed at once
        if kind == "silent":
            time.sleep(3600)
        while connection.recv(65536):
            if kind == "garbage":
                connection.sendall(bytes(random.randrange(256) for _ in range(200)))
                return
            if kind == "slow":
                time.sleep(2)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            if kind == "flapping":
                status = random.choice([b"200 OK", b"500 No", b"503 No", b"429 No"])
                connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            misbehave(connection)

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/", server


def latencies(r, hook, count, pause):
    """p50 and p99 of the way from a lone event's post to the healthy webhook, in ms."""
    connection = http.client.HTTPConnection(r.url[7:], timeout=20)
    at = len(hook.requests)
    hook.times = []
    for n in range(count):
        connection.request("POST", "/events", json.dumps(event(n, sent=time.monotonic())))
        connection.getresponse().read()
        time.sleep(pause)
    wait_until(lambda: len(hook.requests) >= at + count, 60, "the healthy webhook")
    times = sorted((arrived - json.loads(body)["detail"]["sent"]) * 1000
                   for arrived, (_, body) in zip(hook.times[-count:], hook.requests[at:at + count]))
    return times[len(times) // 2], times[int(len(times) * 0.99)]


@scenario
def bad_neighbours(folder, rounds, row):
    """A healthy webhook beside dead, silent, slow, flapping, half-open and garbage-answering ones, all owed everything."""
    hook = Receiver()
    hook.times = []

    def answer(number, body):
        hook.times.append(time.monotonic())
        return 200, {}

    hook.answer = answer
    bad = {kind: bad_server(kind) for kind in ("silent", "slow", "flapping", "half-open", "garbage")}
    good = f"healthy: {{type: http, url: '{hook.url}'}}"
    quiet = Router(folder / "quiet", f"targets: {{{good}}}\nrules: {{all: {{pattern: {{source: [test.app]}}, targets: [healthy]}}}}\n")
    urls = {"dead": ("http://127.0.0.1:1/", None), **bad}
    crowd = Router(folder / "crowd", "targets:\n  " + good + "\n" +
                   "".join(f"  {kind}: {{type: http, url: '{url}', timeout: 2s}}\n" for kind, (url, _) in urls.items()) +
                   f"rules: {{all: {{pattern: {{source: [test.app]}}, targets: [healthy, {', '.join(urls)}]}}}}\n")
    count = max(1000, rounds * 20)
    quiet.start()
    latencies(quiet, hook, 200, 0.002)
    crowd.start()
    best = None
    for _ in range(3):  # side by side, since the machine is shared
        alone, beside = latencies(quiet, hook, count, 0.002), latencies(crowd, hook, count, 0.002)
        if best is None or beside[1] / alone[1] < best[1][1] / best[0][1]:
            best = alone, beside
    (p50, p99), (bad50, bad99) = best
    row.update({"p50 ms": f"{p50:.2f} / {bad50:.2f}", "p99 ms": f"{p99:.2f} / {bad99:.2f}", "ratio": f"{bad99 / p99:.2f}",
                "owed": owed(crowd), "lost": 0})
    quiet.stop()
    crowd.stop()
    hook.close()
    for _, server in bad.values():
        server.close()
    if bad99 > 2 * p99:
        raise Failed("the healthy webhook's p99 is more than twice its undisturbed one")


@scenario
def clocks(folder, rounds, row):
    """The wall clock leaps forth and back, minutes to years, with kill -9 in between."""
    folder.mkdir(parents=True)
    faults = Faults(folder)
    r = Router(folder, "buses: {audit: {}}\nqueues: {inbox: {retention: 14d}}\narchives: {all: {bus: audit, retention: 200d}}\n"
               "rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [inbox]}}\n", faults.env)
    tally, first, got = Tally(row), 0, []
    for _ in range(rounds):
        faults.set(f"clock {random.choice([1, -1]) * int(10 ** random.uniform(3, 10.5))}")
        r.start()
        got += numbers(r.receive("inbox"))  # leaps of up to a week are believed across a restart, and they add up
        producer = Producer(r.url, first, "audit")
        producer.start()
        for _ in range(3):
            time.sleep(random.uniform(0, 0.1))
            faults.set(f"clock {random.choice([1, -1]) * int(10 ** random.uniform(3, 10.5))}")
        r.kill()
        first = tally.add(producer)
    faults.set()
    r.start()
    drained(r)
    got += numbers(r.receive("inbox"))
    tally.check("queue", got, once=True)
    tally.check("archive", archived(r.folder), once=True)
    r.stop()


@scenario
def reload(folder, rounds, row):
    """10,000 rules reloaded under load: every event meets one whole rule set and none is missed."""
    count = 10000

    def rules(generation):
        return "queues: {all: {}, even: {}, odd: {}}\nrules:\n  all: {pattern: {source: [test.app]}, targets: [all]}\n" + \
            f"  one: {{pattern: {{source: [test.app]}}, targets: [{'odd' if generation % 2 else 'even'}]}}\n" + \
            "".join(f"  r{k}: {{pattern: {{source: [test.app], detail: {{n: [{-k * generation - 1}]}}}}, targets: [all]}}\n"
                    for k in range(count))

    r = Router(folder, rules(0))
    r.start()
    tally = Tally(row)
    producers = [Producer(r.url, start, "default") for start in (0, 10**9)]
    for producer in producers:
        producer.start()
    for generation in range(1, max(rounds, 10) + 1):
        r.configure(rules(generation) if generation % 10 else "rules: [this is no rule")
        r.process.send_signal(signal.SIGHUP)
        time.sleep(random.uniform(0.02, 0.5))
    for producer in producers:
        producer.ended = True
        tally.add(producer)
    drained(r)
    row["generations"] = r.status()["generation"]
    tally.check("queue", numbers(r.receive("all", len(tally.accepted), 600)), once=True)
    even, odd = numbers(r.receive("even")), numbers(r.receive("odd"))
    if set(even) & set(odd) or set(even) | set(odd) != tally.accepted or len(even) + len(odd) != len(tally.accepted):
        raise Failed("an event met no rule set, or two")
    r.stop()


# ---- all of them ----

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    options = parser.parse_args()
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario '{unknown[0]}'; there are {', '.join(SCENARIOS)}")
    print(f"seed {options.seed}, {options.rounds} rounds", flush=True)
    failed = 0
    for name in options.scenarios or SCENARIOS:
        random.seed(f"{options.seed} {name}")
        folder, row, began = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-torture-{name}-")), {}, time.time()
        try:
            SCENARIOS[name](folder / "r", options.rounds, row)
            verdict = "ok  "
            shutil.rmtree(folder)
        except (Failed, AssertionError, OSError) as error:
            verdict, failed = "FAIL", failed + 1
            print(f"FAIL {name}: {error}; what is left: {folder}")
        print(f"{verdict} {name:15} {time.time() - began:6.0f} s  " + "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    print(f"{len(options.scenarios or SCENARIOS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
