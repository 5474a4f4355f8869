# SPDX-License-Identifier: Apache-2.0
"""weir explain, and the reasons that weir test gives."""
import json

from conftest import weir

CONFIG = """version: 1
buses: {audit: {}}
queues: {q: {}}
rules:
  users:
    bus: audit
    pattern: {source: [aws.iam], detail: {eventName: [CreateUser]}}
    targets: [q]
    tests: [{name: a user is made, format: cloudtrail, event: %s}]
  roots: {bus: audit, pattern: {detail: {userIdentity: {type: [Root]}}}, targets: [q]}
  off: {state: disabled, pattern: {source: [aws.iam]}, targets: [q]}
  ticks: {schedule: rate(5 minutes), targets: [q]}
"""
RECORD = {"eventSource": "iam.amazonaws.com", "eventName": "createUser", "eventType": "AwsApiCall", "eventID": "e1",
          "eventTime": "2026-11-21T04:00:00Z", "awsRegion": "us-east-1", "userIdentity": {"type": "IAMUser"}}


def explain(tmp_path, *arguments, event=RECORD):
    file = tmp_path / "weir.yaml"
    file.write_text(CONFIG % json.dumps(RECORD))
    return weir("explain", "-c", file, *arguments, stdin=event if isinstance(event, str) else json.dumps(event))


def test_rules_nearest_first(tmp_path):
    code, out, err = explain(tmp_path)
    assert code == 0, err
    assert out == """rule off: matches, and is disabled
  yes  source  ["aws.iam"]
       found "aws.iam"

rule audit/users: does not match
  yes  source  ["aws.iam"]
       found "aws.iam"
  no   detail.eventName  ["CreateUser"]
       found "createUser"
       near: the same but for case: {"equals-ignore-case": "CreateUser"} matches both

rule audit/roots: does not match
  no   detail.userIdentity.type  ["Root"]
       found "IAMUser"
"""


def test_one_rule_and_json(tmp_path):
    for name in ["users", "audit/users"]:
        code, out, _ = explain(tmp_path, "-r", name, "--json")
        said = json.loads(out)
        assert code == 0 and (said["bus"], said["rule"], said["state"], said["matches"]) == ("audit", "users", "enabled", False)
        assert [leaf["ok"] for leaf in said["leaves"]] == [True, False]
        assert said["leaves"][1]["near"][0]["kind"] == "case"
    code, out, _ = explain(tmp_path, "-b", "audit", "--json", event={"Records": [RECORD, RECORD]})
    assert [json.loads(line)["event"] for line in out.splitlines()] == [1, 1, 2, 2]


def test_pattern_without_configuration(tmp_path):
    (tmp_path / "p.json").write_text('{"detail": {"n": [1]}}')
    event = '{"source": "s", "detail-type": "t", "detail": {"n": "1"}}'
    code, out, _ = weir("explain", "-p", f"@{tmp_path}/p.json", stdin=event)
    assert code == 0 and 'write "1"' in out
    assert weir("explain", "-p", '{"detail": {"n": 1}}', stdin=event)[0] == 78
    code, out, err = weir("explain", "-p", '{"a": [1]}', stdin="nonsense")
    assert code == 65 and "stdin:1: error:" in err


def test_names_that_are_not_there(tmp_path):
    code, _, err = explain(tmp_path, "-r", "user")
    assert code == 64 and "no rule 'user'; did you mean 'users'?" in err
    code, _, err = explain(tmp_path, "-r", "ticks")
    assert code == 64 and "schedule" in err
    assert explain(tmp_path, "-b", "nobus")[0] == 64
    assert weir("explain", "-c", tmp_path / "none.yaml", stdin="{}")[0] == 78


def test_a_failing_test_says_why(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text(CONFIG % json.dumps(RECORD))
    code, out, _ = weir("test", "-c", file)
    assert code == 1 and "the same but for case" in out
