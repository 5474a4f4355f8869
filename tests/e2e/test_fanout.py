# SPDX-License-Identifier: Apache-2.0
"""Buses as targets, filter policies of subscriptions, the log target."""
import json

from conftest import event, weir, wait_until


def bodies(messages):
    return [json.loads(m["body"]) for m in messages]


def test_bus_forwards_to_its_rules_once(router):
    r = router("""
buses: {audit: {}, ring: {}}
queues: {all: {}, audited: {}}
archives: {kept: {bus: audit}}
rules:
  up: {pattern: {detail: {n: [{numeric: [">", 1]}]}}, targets: [all, bus/audit]}
  up-again: {pattern: {source: [test.app]}, targets: ["arn:aws:events:us-east-1:000000000000:event-bus/ring"]}
  audited: {bus: audit, pattern: {source: [test.app]}, targets: [audited, ring]}
  back: {bus: ring, pattern: {detail: {n: [2]}}, targets: [default, audit]}
""")
    r.send(event(1), event(2))
    assert [b["detail"]["n"] for b in bodies(r.receive("all", 1))] == [2]
    message = bodies(r.receive("audited", 1))[0]
    assert message["detail"]["n"] == 2 and message["region"] == "us-east-1"
    r.settled()
    assert not r.take("audited") and not r.take("all")
    wait_until(lambda: r.status()["archives"][0]["events"] == 1)
    assert r.metric('weir_deliveries_total{bus="default",rule="up",target="bus/audit",result="delivered"}') == 1
    # a dry run and a replay go the same way
    code, out, err = r.cli("replay", "kept", "--from", "-1h", "--to", "2100-01-01T00:00:00Z")
    assert code == 0, err
    assert [b["detail"]["n"] for b in bodies(r.receive("audited", 1))] == [2]


def test_too_many_hops_is_a_dead_letter(router):
    buses = ", ".join(f"b{i}: {{}}" for i in range(10))
    rules = "".join(f"  r{i}: {{bus: b{i}, pattern: {{source: [test.app]}}, targets: [{{target: b{i + 1}}}]}}\n" for i in range(9))
    r = router(f"buses: {{{buses}}}\nqueues: {{end: {{}}}}\nrules:\n{rules}"
               "  end: {bus: b8, pattern: {source: [test.app]}, targets: [end]}\n")
    r.send(event(1), bus="b0")
    r.receive("end", 1)
    message = r.receive("dead-letters", 1)[0]
    assert message["attributes"]["ERROR_CODE"] == "TOO_MANY_HOPS"
    assert message["attributes"]["RULE_ARN"].endswith(":rule/b8/r8")
    r.settled()


def test_mistakes_with_buses(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("""version: 1
buses: {audit: {strict: aws}, other: {}}
queues: {q: {}}
topics: {t: {subscriptions: [{target: bus/audit}]}}
rules:
  self: {bus: audit, pattern: {source: [x]}, targets: [audit]}
  input: {pattern: {source: [x]}, targets: [{target: audit, input_path: $.detail}]}
  complex: {bus: audit, pattern: {source: [{wildcard: "*:*:*:*:*:event-bus/*"}]}, targets: [q]}
  many: {bus: audit, pattern: {source: [x]}, targets: [q, {target: q, id: b}, {target: q, id: c}, {target: q, id: d},
    {target: q, id: e}, {target: q, id: f}]}
""")
    code, out, err = weir("check", "-c", file)
    assert code == 78
    for place, text in [(":4:", "topic 't' cannot have bus 'audit' as a subscription"),
                        (":6:", "cannot forward to it"), (":7:", "takes the event as it is"),
                        (":8:", "Rule is too complex"), (":10:", "AWS allows 5")]:
        assert any(place in line and text in line for line in err.splitlines()), (place, text, err)


def test_filter_policies(router):
    r = router("""
queues: {high: {}, eu: {}, every: {}, attributes: {}}
topics:
  alerts:
    subscriptions:
      - {target: high, raw_message_delivery: true, filter_policy: {severity: [high, critical]}}
      - {target: eu, filter_policy: {region: [{prefix: eu-}], severity: [{anything-but: low}]}}
      - every
      - {target: attributes, filter_policy: {severity: [high]}, filter_policy_scope: MessageAttributes}
rules:
  alert:
    pattern: {source: [test.app]}
    targets:
      - target: alerts
        input_transformer:
          input_paths_map: {s: $.detail.severity, r: $.detail.region}
          input_template: '{"severity": <s>, "region": <r>}'
  text: {pattern: {source: [text.app]}, targets: [{target: alerts, input: '"no object"'}]}
""")
    r.send(event(1, severity="high", region="us-east-1"), event(2, severity="medium", region="eu-west-1"),
           event(3, severity="low", region="eu-west-1"), event(4, source="text.app"))
    assert bodies(r.receive("high", 1)) == [{"severity": "high", "region": "us-east-1"}]
    assert [json.loads(b["Message"])["severity"] for b in bodies(r.receive("eu", 1))] == ["medium"]
    assert len(r.receive("every", 4)) == 4
    r.settled()
    assert not r.take("high") and not r.take("eu") and not r.take("attributes")
    arn = "arn:aws:sqs:us-east-1:000000000000:"
    assert r.metric(f'weir_notifications_filtered_total{{topic="alerts",subscription="{arn}high"}}') == 3
    assert r.metric(f'weir_notifications_filtered_total{{topic="alerts",subscription="{arn}attributes"}}') == 4
    assert "gets nothing from rules" in r.logged()


def test_filter_that_cannot_be_rendered_is_a_dead_letter(router):
    r = router("""
queues: {q: {}}
topics: {t: {subscriptions: [{target: q, filter_policy: {a: [1]}}]}}
rules:
  broken:
    pattern: {source: [test.app]}
    targets: [{target: t, input_transformer: {input_paths_map: {d: $.detail}, input_template: '{"text": "<d>"}'}}]
""")
    r.send(event(1))
    assert r.receive("dead-letters", 1)[0]["attributes"]["ERROR_CODE"] == "INVALID_INPUT"
    assert not r.take("q")


def test_log_target(router):
    r = router("""
targets: {say: {type: log, level: warn}}
rules: {all: {pattern: {source: [test.app]}, targets: [say]}}
""")
    r.send(*[event(n, text='with "quotes"') for n in range(20)])
    r.settled()
    lines = [line for line in r.logged().splitlines() if '"target":"say"' in line or "target=say" in line]
    assert len(lines) == 20
    first = json.loads(lines[0])
    assert first["level"] == "warn" and first["rule"] == "all"
    assert [json.loads(json.loads(line)["input"])["detail"]["n"] for line in lines] == list(range(20))
