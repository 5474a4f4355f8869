# SPDX-License-Identifier: Apache-2.0
"""Circuits, rates, Retry-After, pausing: a target that is in trouble is left alone, its neighbours notice nothing."""
import json
import socket
import time

import pytest

from conftest import event, wait_until

QUICK = "retry_policy: {base: 10ms, cap: 50ms}, circuit: {failures: 3, pause: 100ms, max_pause: 300ms}"


def target(r, name):
    return next(t for t in r.status()["targets"] if t["name"] == name)


def two_targets(router, bad_url, good_url, bad=QUICK):
    return router(f"""
targets:
  bad: {{type: http, url: "{bad_url}", concurrency: 4, timeout: 200ms, {bad}}}
  good: {{type: http, url: "{good_url}"}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [bad, good]}}}}
""")


def test_a_failing_target_is_left_alone_until_it_answers(router, receiver):
    broken = [True]
    bad = receiver(lambda number, body: (503, {}) if broken[0] else (200, {}))
    good = receiver()
    r = two_targets(router, bad.url, good.url)
    begin = time.monotonic()
    r.send(*[event(i) for i in range(50)])
    wait_until(lambda: target(r, "bad").get("circuit"), what="an open circuit")
    wait_until(lambda: len(good.requests) == 50, what="the neighbour")
    requests = len(bad.requests)
    wait_until(lambda: len(bad.requests) >= requests + 2, what="two probes")
    t = target(r, "bad")
    # 3 failures, with them as many as were under way, then a probe each 50 ms at the most
    assert len(bad.requests) <= 3 + 4 + (time.monotonic() - begin) / 0.05 + 1
    assert t["owed"] == 50 and t["last_error"].startswith("HTTP_503") and t["next_probe"] >= t["open_since"]
    assert "http/bad: circuit open since 20" in r.cli("status")[1]
    assert r.metric('weir_circuit_open{target="http/bad"}') == 1
    broken[0] = False
    r.settled()
    delivered = {json.loads(body)["detail"]["n"] for _, body in bad.requests[-50:]}
    assert delivered == set(range(50))
    assert "circuit" not in target(r, "bad") and r.metric('weir_circuit_open{target="http/bad"}') == 0
    assert r.metric('weir_circuit_opened_total{target="http/bad"}') == r.logged().count("circuit opened")
    assert r.logged().count("circuit closed") >= 1
    assert r.take("dead-letters") == []


@pytest.mark.parametrize("how", ["hangs", "refuses"])
def test_no_answer_opens_it_too_and_a_reload_to_another_url_closes_it(router, receiver, how):
    stuck, good, other = receiver(lambda number, body: None), receiver(), receiver()
    url = stuck.url
    if how == "refuses":
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{s.getsockname()[1]}/"
    r = two_targets(router, url, good.url, QUICK.replace("pause: 100ms, max_pause: 300ms", "pause: 1h, max_pause: 1h"))
    r.send(*[event(i) for i in range(12)])
    wait_until(lambda: target(r, "bad").get("circuit"), what="an open circuit")
    assert target(r, "bad")["last_error"].startswith("TIMEOUT" if how == "hangs" else "CONNECTION_ERROR")
    wait_until(lambda: len(good.requests) == 12, what="the neighbour")
    r.configure(r.file.read_text().replace(url, other.url))
    r.process.send_signal(1)
    r.settled()
    assert len(other.requests) == 12


def test_what_is_refused_for_good_is_no_fault_of_the_target(router, receiver):
    hook = receiver(lambda number, body: (404, {}) if '"n":99' in body else (200, {}))
    r = two_targets(router, hook.url, receiver().url)
    r.send(*[event(99) for _ in range(20)], event(1))
    assert len(r.receive("dead-letters", 20)) == 20
    r.settled()
    assert "circuit" not in target(r, "bad")


def test_retry_after_holds_the_whole_target_back(router, receiver):
    times = []
    def answer(number, body):
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}) if number == 1 else (200, {})
    hook = receiver(answer)
    r = router(f"""
targets: {{hook: {{type: http, url: "{hook.url}", concurrency: 1, retry_policy: {{base: 10ms}}}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook]}}}}
""")
    r.send(*[event(i) for i in range(5)])
    wait_until(lambda: len(times) == 1)
    wait_until(lambda: "held_until" in target(r, "hook"))
    assert "http/hook asked to be left alone until" in r.cli("status")[1]
    r.settled()
    assert len(times) == 6 and times[1] - times[0] >= 0.99


def test_a_rate_is_kept(router, receiver):
    times = []
    hook = receiver(lambda number, body: times.append(time.monotonic()) or (200, {}))
    r = router(f"""
targets: {{hook: {{type: http, url: "{hook.url}", rate_limit: 20/s}}}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook]}}}}
""")
    r.send(*[event(i) for i in range(30)])
    r.settled()
    assert len(times) == 30 and times[-1] - times[0] >= 0.45  # 20 at once, then one each 50 ms


def test_pausing_keeps_the_backlog_over_a_crash_and_a_reload(router, receiver):
    hook = receiver()
    config = f"""
queues: {{q: {{}}}}
topics: {{news: {{subscriptions: [{{target: hook}}]}}}}
archives: {{all: {{}}}}
functions: {{twin: {{command: [cat]}}}}
targets:
  hook: {{type: http, url: "{hook.url}", concurrency: 1}}
  twin: {{type: log}}
rules: {{all: {{pattern: {{source: [test.app]}}, targets: [hook]}}}}
"""
    r = router(config)
    assert r.cli("pause", "hook")[1].startswith("http/hook is paused since 20")
    since = target(r, "hook")["paused"]
    r.send(*[event(i) for i in range(5)])
    wait_until(lambda: target(r, "hook")["owed"] == 5)
    r.kill()
    r.start()
    assert target(r, "hook")["paused"] == since and target(r, "hook")["owed"] == 5
    r.send(event(5))
    r.configure(config.replace("concurrency: 1", "concurrency: 1, timeout: 6s"))  # another target behind the name
    r.process.send_signal(1)
    wait_until(lambda: r.status()["generation"] == 2)
    assert json.loads(r.cli("pause", "http/hook", "--json")[1]) == {"target": "http/hook", "owed": 6, "paused": since}
    assert f"http/hook is paused since {since}" in r.cli("status")[1]
    assert r.metric('weir_target_paused{target="http/hook"}') == 1
    assert any(line.startswith("http/hook") and line.endswith("paused") for line in r.cli("top", "-n", "1")[1].splitlines())
    assert hook.requests == []
    assert r.cli("resume", "arn:weir:http:us-east-1:000000000000:hook") == (0, "http/hook goes on; 6 deliveries wait\n", "")
    r.settled()
    assert [json.loads(body)["detail"]["n"] for _, body in hook.requests] == [0, 1, 2, 3, 4, 5]
    assert "paused" not in target(r, "hook")
    assert r.take("dead-letters") == []

    def refused(*arguments):
        code, out, err = r.cli(*arguments)
        assert code == 64 or code == 70 or code == 65, (code, out, err)
        return err

    assert "no target is called 'hok'; did you mean 'hook'?" in refused("pause", "hok")
    assert "queue 'q' cannot be paused" in refused("pause", "q")
    assert "archive 'all' cannot be paused" in refused("pause", "all")
    assert "topic 'news' cannot be paused" in refused("pause", "news")
    assert "is the name of two targets: say function/twin or log/twin" in refused("pause", "twin")
