# SPDX-License-Identifier: Apache-2.0
"""Publish deduplication on a bus, from outside: many clients, kill -9, reload, the status."""
import concurrent.futures
import json
import signal

from conftest import event, wait_until


def named(n):
    return {"id": f"order-{n}", **event(n)}


ORDERS = """
buses: {orders: {%s}}
queues: {inbox: {}}
rules: {r: {bus: orders, pattern: {source: [test.app]}, targets: [inbox]}}
"""


def test_once_over_clients_crash_and_reload(router):
    r = router(ORDERS % "deduplication: 5m")
    events = [named(n) for n in range(200)]
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda _: r.send(*events, bus="orders"), range(4)))
    r.kill()
    r.start()
    r.send(*events, named(200), bus="orders")
    got = r.receive("inbox", 201)
    assert sorted(json.loads(m["body"])["detail"]["n"] for m in got) == list(range(201))
    r.configure(ORDERS % "")
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status()["generation"] == 2)
    r.send(named(200), bus="orders")
    assert len(r.receive("inbox", 1)) == 1


def test_status_and_metric_count_duplicates(router):
    r = router(ORDERS % "deduplication: 5m")
    r.send(named(1), named(1), named(2), bus="orders")
    assert len(r.receive("inbox", 2)) == 2
    bus = next(b for b in r.status()["buses"] if b["name"] == "orders")
    assert bus == {"name": "orders", "accepted": 3, "deduplicated": 1, "remembered": 2}
    assert "orders" in r.cli("status")[1].split("DUPLICATES")[1]
    assert r.metric('weir_events_deduplicated_total{bus="orders"}') == 1
