# SPDX-License-Identifier: Apache-2.0
"""weir test: tests beside the rules, run over the whole way from the source's dialect to the rendered input."""
import gzip
import json

import pytest

from conftest import ROOT, weir

HEAD = "version: 1\ndata: ./data\nbuses: {audit: {}}\nqueues: {q: {}, p: {}}\n"

RULES = HEAD + """
rules:
  root-login:
    bus: audit
    pattern: {source: [aws.iam], detail: {userIdentity: {type: [Root]}}}
    targets:
      - target: q
        id: note
        input_transformer:
          input_paths_map: {who: $.detail.userIdentity.type, at: $.time}
          input_template: '{"text": "<who> came", "at": <at>, "seen": <aws.events.event.ingestion-time>}'
    tests:
      - name: root is seen
        format: cloudtrail
        event: {eventSource: iam.amazonaws.com, eventTime: "2026-11-21T04:00:00Z", userIdentity: {type: Root}}
        input: {seen: "2026-11-21T04:00:00Z", at: "2026-11-21T04:00:00Z", text: Root came}
      - name: 'users are not # 1'
        format: cloudtrail
        event: {eventSource: iam.amazonaws.com, userIdentity: {type: IAMUser}}
        match: false
  upload:
    pattern: {source: [aws.s3], detail: {object: {key: [{suffix: " 1.jpg"}]}}}
    targets:
      - {target: q, input_path: $.detail.object.size}
      - {target: p, input: {n: 1.50}}
    tests:
      - name: an upload, as S3 tells it
        event: {eventSource: "aws:s3", eventName: "ObjectCreated:Put", eventTime: "2026-11-21T04:00:00Z",
                s3: {bucket: {name: b}, object: {key: a+1.jpg, size: 7}}}
        input: {q: 7, p: {n: 1.5}}
  untested:
    pattern: {source: [x]}
"""


@pytest.fixture
def run(tmp_path):
    def run(config, *arguments):
        (tmp_path / "weir.yaml").write_text(config)
        return weir("test", *arguments, cwd=tmp_path)
    return run


def one_rule(test, targets="[q]", pattern="{source: [s]}", state="enabled"):
    return HEAD + f"rules:\n  r:\n    state: {state}\n    pattern: {pattern}\n    targets: {targets}\n    tests:\n      - {test}\n"


def test_passes_as_tap(run):
    code, out, err = run(RULES)
    assert (code, err) == (0, "")
    assert out == ("TAP version 13\n1..3\nok 1 - audit/root-login: root is seen\n"
                   "ok 2 - audit/root-login: users are not \\# 1\nok 3 - default/upload: an upload, as S3 tells it\n"
                   "# 3 passed, 0 failed\n# 1 rule has no test: untested\n")


@pytest.mark.parametrize("arguments,names", [
    (["root is seen"], ["root is seen"]),
    (["*is*", "upload/*"], ["root is seen", "an upload, as S3 tells it"]),
    (["audit/root-login: root is seen"], ["root is seen"]),
    (["--rule", "upload"], ["an upload, as S3 tells it"]),
    (["--bus", "audit"], ["root is seen", "users are not # 1"]),
    (["-b", "audit", "-r", "root-login", "users*"], ["users are not # 1"]),
])
def test_names_choose(run, arguments, names):
    code, out, _ = run(RULES, "--json", *arguments)
    assert code == 0 and [json.loads(line)["test"] for line in out.splitlines()] == names


@pytest.mark.parametrize("arguments,message", [
    (["root was seen"], "no test is named 'root was seen'"),
    (["root is sen"], "did you mean 'root is seen'?"),
    (["root-login/root is sen", "root is seen"], "did you mean 'root-login/root is seen'?"),
    (["--rule", "uplaod"], "no rule is named 'uplaod'; did you mean 'upload'?"),
    (["--bus", "audti"], "no bus is named 'audti'; did you mean 'audit'?"),
    (["--bus", "audit", "--rule", "upload"], "no rule is named 'upload'"),
])
def test_unknown_names(run, arguments, message):
    code, out, err = run(RULES, *arguments)
    assert (code, out) == (64, "") and message in err, err


def test_the_sample_of_the_manual():
    code, out, _ = weir("test", "-c", ROOT / "tests" / "rules" / "full.yaml", env={"HOOK_TOKEN": "x"})
    assert code == 0 and "ok 1 - audit/root-login: root is seen\n" in out, out


def test_bad_configuration(run, tmp_path):
    code, out, err = run(RULES.replace("[aws.iam]", "aws.iam"))
    assert (code, out) == (78, "") and "weir.yaml:9:23: error:" in err, err
    assert weir("test", "-c", tmp_path / "none.yaml")[0] == 78
    code, out, _ = run(HEAD)
    assert (code, out) == (0, "TAP version 13\n1..0\n# 0 passed, 0 failed\n")


EVENT = "event: {source: s, detail-type: t, id: i, time: '2026-11-21T04:00:00Z', detail: {n: 1}}"


@pytest.mark.parametrize("test,targets,message,wanted,got", [
    ("{name: t, %s, match: false}" % EVENT, "[q]", "the rule matches the event", "no match", "a match"),
    ("{name: t, event: {source: z, detail-type: t, detail: {}}}", "[q]", "the rule does not match the event", "a match",
     "no match"),
    ("{name: t, event: {source: s, detail: {}}, match: false}", "[q]",
     "the event is none of format 'events': missing 'detail-type'", "an event", "none"),
    ("{name: t, format: s3, event: {source: s}}", "[q]", "the event is none of format 's3': missing 'eventSource'", "an event",
     "none"),
    ("{name: t, format: cloudtrail, event: {}}", "[q]", "the event is none of format 'cloudtrail': missing 'eventSource'", "an event",
     "none"),
    ("{name: t, format: cloudtrail, event: {Records: []}}", "[q]", "a test wants one event; here are 0", "an event", "none"),
    ("{name: t, event: '@gone.json'}", "[q]", "the event's file '/", "an event", "none"),
    ("{name: t, %s, input: {b: [2], a: 1}}" % EVENT, "[{target: q, input: {a: 1.0, b: [2, 3]}}]",
     "target 'q' is given another input", '{"a":1,"b":[2]}', '{"a":1,"b":[2,3]}'),
    ("{name: t, %s, input: {q: '{\"a\": 1}'}}" % EVENT, "[{target: q, input: {a: 1}}, p]", "target 'q' is given another input",
     '{"a": 1}', '{"a":1}'),
    ("{name: t, %s, input: 1}" % EVENT, "[{target: q, input_path: $.detail.gone}]", "target 'q' is given none", "1",
     "input_path '$.detail.gone' is not in the event"),
])
def test_failures_say_why(run, test, targets, message, wanted, got):
    config = one_rule(test, targets)
    code, out, _ = run(config, "--json")
    result = json.loads(out)
    assert code == 1 and result["ok"] is False and result["line"] == 11, result
    assert result["message"].startswith(message) and (result["wanted"], result["got"]) == (wanted, got), result
    code, out, _ = run(config)
    lines = out.splitlines()
    assert code == 1 and lines[2:4] == ["not ok 1 - default/r: t", "  ---"] and "  file: weir.yaml" in lines
    assert "  line: 11" in lines and "# 0 passed, 1 failed" in lines, out


@pytest.mark.parametrize("test,targets", [
    ("{name: t, %s, input: {a: 1}}" % EVENT, "[{target: q, input: {a: 1}}]"),  # one target: the value itself
    ("{name: t, %s, input: {q: {a: 1}}}" % EVENT, "[{target: q, input: {a: 1}}]"),
    ("{name: t, %s, input: {q: '1', p: 1.0}}" % EVENT, "[{target: q, input: 1}, {target: p, input: 1}]"),
    ("{name: t, %s, input: '\"r at 2026-11-21T04:00:00Z\"'}" % EVENT,
     "[{target: q, input_transformer: {input_template: '\"<aws.events.rule-name> at <aws.events.event.ingestion-time>\"'}}]"),
    ("{name: t, %s, input: {version: '0', id: i, detail-type: t, source: s, account: '000000000000', region: us-east-1, "
     "resources: [], time: '2026-11-21T04:00:00Z', detail: {n: 1}}}" % EVENT, "[q]"),
    ("{name: t, event: '{\"source\": \"s\", \"detail-type\": \"t\", \"detail\": {}}'}", "[q]"),
])
def test_inputs_that_are_right(run, test, targets):
    code, out, err = run(one_rule(test, targets))
    assert (code, err) == (0, ""), out
    if not "input: {" in targets:
        assert run(one_rule(test, targets, state="disabled"))[0] == 0  # its pattern is tested all the same


@pytest.mark.parametrize("exists,name,code", [("true", "again", 0), ("false", "again", 1), ("true", "", 1), ("false", "", 0)])
def test_an_event_of_a_replay(run, exists, name, code):
    member = f"replay-name: {name}, " if name else ""
    pattern = "{source: [s], replay-name: [{exists: %s}], resources: [r]}" % exists
    assert run(one_rule("{name: t, event: {%ssource: s, resources: [r], detail-type: t, detail: {}}}" % member,
                        pattern=pattern))[0] == code


def test_event_file(run, tmp_path):
    event = {"source": "s", "detail-type": "t", "detail": {"text": "long"}}
    (tmp_path / "one.json.gz").write_bytes(gzip.compress(json.dumps(event, indent=2).encode()))
    (tmp_path / "two.json").write_text(json.dumps([event, event]))
    assert run(one_rule("{name: t, event: '@one.json.gz'}"))[0] == 0
    code, out, _ = run(one_rule("{name: t, event: '@two.json'}"))
    assert code == 1 and "a test wants one event; here are 2" in out


@pytest.mark.parametrize("test,message", [
    ("{name: t}", "missing key 'event' in a test of rule 'r'"),
    ("{name: t, event: 7}", "'event' must be a mapping, or text that holds a JSON object, not a number"),
    ("{name: t, event: {}, match: false, input: 1}", "'input' makes no sense in a test of rule 'r' with match: false"),
])
def test_refused(run, test, message):
    code, _, err = run(one_rule(test))
    assert code == 78 and message in err, err


def test_unknown_target_of_an_input(run):
    code, _, err = run(one_rule("{name: t, event: {}, input: {quue: 1}}", "[{target: q, id: queue}, p]"))
    assert code == 78 and "unknown target id 'quue' in 'input' of a test of rule 'r'; did you mean 'queue'?" in err, err
    code, _, err = run(one_rule("{name: t, event: {}, input: 1}", "[q, p]"))
    assert code == 78 and "'input' of a test of rule 'r' must be a mapping of target ids to values, not a number" in err, err
    code, _, err = run(one_rule("{name: t, event: {}, input: 1}", "[]"))
    assert code == 78 and "the rule has no targets" in err, err
