# SPDX-License-Identifier: Apache-2.0
"""weir schema against the loader: both must take the same files and refuse the same files."""
import copy
import json
import pathlib
import re

import jsonschema
import pytest
import yaml

from conftest import ROOT, WEIR, weir

EXAMPLES = sorted((ROOT / "rules" / "examples").glob("**/*.yaml"))
MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$")
NAME = "dead-letters"  # a queue that is always there; the test declares a bus of that name too


@pytest.fixture(scope="module")
def schema():
    code, out, err = weir("schema")
    assert (code, err) == (0, "") and out.count("\n") == 1
    return json.loads(out)


@pytest.fixture(scope="module")
def validator(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def load(path):
    return yaml.safe_load(path.read_text())


def is_included(document):
    return "version" not in document


# ---- files that load ----

@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples(path, validator):
    first = path.read_text().split("\n", 1)[0]
    assert MODELINE.match(first), f"the first line of an example is its modeline, not {first!r}"
    # what `make` writes, and what a checkout without a build lacks
    assert (path.parent / MODELINE.match(first).group(1)).resolve() == ROOT / "rules" / "examples" / "weir.schema.json"
    document = load(path)
    if is_included(document):
        document["version"] = 1
    assert not list(validator.iter_errors(document))


def test_make_writes_what_the_modelines_name(schema):
    rule = (ROOT / "Makefile").read_text()
    assert "rules/examples/weir.schema.json:" in rule
    assert "/rules/examples/weir.schema.json*" in (ROOT / ".gitignore").read_text().splitlines()
    made = ROOT / "rules" / "examples" / "weir.schema.json"
    if pathlib.Path(WEIR).parent == ROOT / "build":
        assert json.loads(made.read_text()) == schema


def test_files_of_the_loader(validator):
    for path in ["full.yaml", "include.yaml", "include.d/a.yaml"]:
        document = load(ROOT / "tests" / "rules" / path)
        document.setdefault("version", 1)
        assert not list(validator.iter_errors(document)), path


def test_patterns(schema):
    """What the compiler takes (tests/matcher/pattern_ok.cases), the schema takes."""
    patterns = jsonschema.Draft7Validator({"$ref": "#/definitions/pattern", "definitions": schema["definitions"]})
    seen, before = 0, ""
    for line in (ROOT / "tests" / "matcher" / "pattern_ok.cases").read_text().splitlines():
        if line.startswith("{") and not before:
            pattern = json.loads(line)
            assert not list(patterns.iter_errors(pattern)), line
            seen += 1
        before = line if not line.startswith("#") else ""
    assert seen > 20


# ---- files that do not ----

RULE = "version: 1\nqueues: {q: {}}\nrules:\n  r:\n    pattern: %s\n    targets: [q]\n"
BAD = {
    "unknown key": "version: 1\nlistn: 127.0.0.1:1\n",
    "no version": "buses: {a: {}}\n",
    "other version": "version: 2\n",
    "wrong type": "version: 1\nqueues: [a]\n",
    "unknown option": "version: 1\nqueues: {a: {visibility: 30s}}\n",
    "bad name": 'version: 1\nqueues: {"a b": {}}\n',
    "missing option": "version: 1\nfunctions: {f: {timeout: 1s}}\n",
    "missing options": "version: 1\nfunctions: {f: }\n",
    "missing type": 'version: 1\ntargets: {t: {url: "http://localhost/"}}\n',
    "unknown type": 'version: 1\ntargets: {t: {type: htpp, url: "http://localhost/"}}\n',
    "option of another type": "version: 1\ntargets: {t: {type: file, path: x, url: y}}\n",
    "rule without a pattern": "version: 1\nqueues: {q: {}}\nrules: {r: {targets: [q]}}\n",
    "unknown key in a target": (RULE % "{a: [1]}").replace("[q]", "[{target: q, dead_leter: q}]"),
    "two inputs": (RULE % "{a: [1]}").replace("[q]", "[{target: q, input: 1, input_path: $.detail}]"),
    "listen without a host": "version: 1\nlisten: 4566\n",
    "account of 2 digits": 'version: 1\naccount: "12"\n',
    "x- below the top": "version: 1\nqueues: {q: {x-a: 1}}\n",
    "scalar leaf": RULE % "{source: aws.s3}",
    "scalar leaf below": RULE % "{detail: {state: open}}",
    "empty leaf": RULE % "{source: []}",
    "empty pattern": RULE % "{}",
    "list in a leaf": RULE % "{source: [[a]]}",
    "unknown operator": RULE % "{source: [{prefx: a}]}",
    "two operators": RULE % "{source: [{prefix: a, suffix: b}]}",
    "operator without a list": RULE % "{source: {prefix: a}}",
    "wrong operand": RULE % "{source: [{prefix: 1}]}",
    "wrong range": RULE % '{detail: {n: [{numeric: ["!=", 1]}]}}',
    "range of three": RULE % '{detail: {n: [{numeric: [">", 1, "<"]}]}}',
    "exists of text": RULE % '{source: [{exists: "true"}]}',
    "no address block": RULE % "{source: [{cidr: 10.0.0.1}]}",
    "mixed anything-but": RULE % "{source: [{anything-but: [a, 1]}]}",
    "one branch": RULE % "{$or: [{source: [a]}]}",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_bad_files(text, validator, tmp_path):
    (tmp_path / "weir.yaml").write_text(text)
    assert weir("check", tmp_path / "weir.yaml")[0] == 78
    assert list(validator.iter_errors(yaml.safe_load(text)))


# ---- every option, once right and once wrong ----

def good(s, schema):
    """A value that the schema of an option takes."""
    if "default" in s:
        return s["default"]
    if "allOf" in s:
        return {"source": ["x"]}
    if "anyOf" in s:
        return good(s["anyOf"][0], schema)
    if "enum" in s:
        return s["enum"][0]
    kind = s.get("type")
    if not kind:
        return 1
    if "string" in kind and kind != ["object", "string"]:
        for text in [NAME, "1m", "100/s", "http://localhost/x", "127.0.0.1:0", "$.detail", "rate(5 minutes)"]:
            if re.search(s.get("pattern", ""), text):
                return text
        raise AssertionError(f"no good value for {s}")
    if "array" in kind:
        return [good(s["items"], schema)]
    if "object" in kind:
        filled = {key: good(value, schema) for key, value in s.get("properties", {}).items() if key in s.get("required", [])}
        return filled or ({"x": good(s["additionalProperties"], schema)} if s.get("additionalProperties") else {})
    return {"integer": s.get("minimum", 1), "boolean": True}[kind]


def bad(s):
    """Values that it does not take; each must be refused by both."""
    if "allOf" in s:
        return [{"source": "x"}, 1]
    if "enum" in s:
        return ["no such word"]
    kind = s.get("type")
    if not kind:
        return []
    values = [1.5]
    if kind == "integer":
        values += ["x"] + [s["minimum"] - 1] * ("minimum" in s) + [s["maximum"] + 1] * ("maximum" in s)
    elif kind == "boolean":
        values += ["maybe", 1]
    elif "array" in kind:
        values += ["x", [[]]]
    elif "object" in kind:
        values += [["x"]] + [{"no_such_key": 1}] * ("properties" in s)
    else:
        values += [["x"]] + ["no such form"] * ("pattern" in s) + ["x" * (s.get("maxLength", 0) + 1)] * ("maxLength" in s)
    return values


def options(schema):
    """Every option with a function that puts a value into a whole document."""
    rule = {"pattern": {"source": ["x"]}, "targets": ["dead-letters"]}
    for section, at in schema["properties"].items():
        entry = at.get("additionalProperties")
        if section == "rules":
            for key, s in entry["properties"].items():
                yield f"rules.{key}", s, lambda v, key=key: {"rules": {"r": {**rule, key: v}}}
            for part in ["targets", "tests"]:
                item = entry["properties"][part]["items"]
                item = item["anyOf"][1] if "anyOf" in item else item
                for name, s, put in members(item, schema):
                    if name.startswith("sqs_parameters"):  # of a FIFO queue only
                        yield f"rules.{part}.{name}", s, lambda v, part=part, put=put: {
                            "queues": {"q.fifo": {}}, "rules": {"r": {**rule, part: [{**put(v), "target": "q.fifo"}]}}}
                        continue
                    if name.startswith("http_parameters"):  # of an API destination only
                        yield f"rules.{part}.{name}", s, lambda v, part=part, put=put: {
                            "api_destinations": {"t": {"connection": NAME, "invocation_endpoint": "http://localhost/"}},
                            "rules": {"r": {**rule, part: [{**put(v), "target": "t"}]}}}
                        continue
                    if name == "order_by":  # of what is sent to only
                        yield f"rules.{part}.{name}", s, lambda v, part=part, put=put: {
                            "targets": {"t": {"type": "log"}}, "rules": {"r": {**rule, part: [{**put(v), "target": "t"}]}}}
                        continue
                    yield f"rules.{part}.{name}", s, lambda v, part=part, put=put: {"rules": {"r": {**rule, part: [put(v)]}}}
        elif section == "targets":
            for kind in entry["properties"]["type"]["enum"]:
                for name, s, put in members(schema["definitions"][f"target-{kind}"], schema):
                    if name != "type":
                        yield f"{kind}.{name}", s, lambda v, kind=kind, put=put: {"targets": {"t": {**put(v), "type": kind}}}
        elif section == "sources":  # limits have a way in as their name, folders one of their own
            for name, s, put in members(entry, schema):
                base = {"t": {"type": "folder", "path": "x"}} if name in ["path", "format", "bus"] else {"events": {"rate": 1}}
                yield f"{section}.{name}", s, lambda v, base=base, put=put: {
                    "sources": {key: {**value, **put(v)} for key, value in base.items()}}
        elif section == "connections":  # only the parameters of its own type may be there
            for name, s, put in members(entry, schema):
                kind = "API_KEY" if "api_key" in name else "OAUTH_CLIENT_CREDENTIALS" if "oauth" in name else "BASIC"
                own = {} if name == "authorization_type" else {"authorization_type": kind}
                if name == "deauthorized":
                    own["auth_parameters"] = {"basic": {"username": "x", "password": "x"}}
                yield f"{section}.{name}", s, lambda v, own=own, put=put: {
                    "connections": {"t": {"deauthorized": True, **put(v), **own}}}
        elif section == "subscriptions":  # a topic, and either a target or a url (or an endpoint, which would need more)
            for name, s, put in members(entry, schema):
                to = {} if name in ("url", "target") else {"target": "dead-letters"}
                if name not in ("topic", "endpoint"):
                    yield f"{section}.{name}", s, lambda v, put=put, to=to: {
                        "topics": {"t": {}}, "subscriptions": {"s": {**put(v), **to, "topic": "t"}}}
        elif section == "event_source_mappings":  # what it names must be a function
            for name, s, put in members(entry, schema):
                if name != "function":
                    yield f"{section}.{name}", s, lambda v, put=put: {
                        "functions": {"run": {"command": ["x"]}}, "event_source_mappings": {"t": {**put(v), "function": "run"}}}
        elif isinstance(entry, dict):
            for name, s, put in members(entry, schema):
                yield f"{section}.{name}", s, lambda v, section=section, put=put: {section: {"t": put(v)}}
        elif section not in ["version", "include"]:
            yield section, at, lambda v, section=section: {section: v}


def members(s, schema):
    """The options of an object, and of what is in them."""
    base = good({"type": "object", "properties": s["properties"], "required": s.get("required", [])}, schema)
    for key, value in s["properties"].items():
        yield key, value, lambda v, key=key: {**copy.deepcopy(base), key: v}
        if "properties" in value:
            for name, inner, put in members(value, schema):
                yield f"{key}.{name}", inner, lambda v, key=key, put=put: {**copy.deepcopy(base), key: put(v)}


def document(put, value):
    whole = {"version": 1, "buses": {NAME: {}}, "connections": {
        NAME: {"authorization_type": "BASIC", "auth_parameters": {"basic": {"username": "x", "password": "x"}}}}}
    for key, part in put(value).items():
        whole[key] = {**whole[key], **part} if key in whole else part
    return whole


def test_every_option(schema, validator, tmp_path):
    seen, wrong = 0, []
    for name, s, put in options(schema):
        cases = [(True, document(put, good(s, schema)))] + [(False, document(put, value)) for value in bad(s)]
        for number, (right, whole) in enumerate(cases):
            errors = list(validator.iter_errors(whole))
            if right == bool(errors):
                wrong.append((name, whole, [e.message for e in errors]))
            path = tmp_path / f"{'right' if right else 'wrong'}-{name}-{number}.yaml"
            path.write_text(yaml.safe_dump(whole))
        seen += 1
    assert not wrong
    assert seen > 40
    for path in sorted(tmp_path.iterdir()):
        code, _, err = weir("check", path)
        if (code == 0) != path.name.startswith("right"):
            wrong.append((path.name, path.read_text(), err))
    assert not wrong
