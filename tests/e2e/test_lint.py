# SPDX-License-Identifier: Apache-2.0
"""weir lint: exit codes, --json, --disable; and the examples are clean. The checks: tests/rules/lint_test.c."""
import json

import pytest

from conftest import ROOT, weir

EXAMPLES = sorted(p for p in (ROOT / "rules" / "examples").glob("**/*.yaml") if "version:" in p.read_text())
# What an example does on purpose, and why.
ON_PURPOSE = {}
ONE = """version: 1
queues: {q: {}, spare: {}}
rules:
  r: {pattern: {source: [a]}, targets: [q], tests: [{name: one, event: {}, match: false}]}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "weir.yaml").write_text(ONE)
    return tmp_path / "weir.yaml"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_are_clean(path):
    off = ON_PURPOSE.get(str(path.relative_to(ROOT / "rules" / "examples")), [])
    code, out, err = weir("lint", *[f"--disable={check}" for check in off], path)
    assert (code, out, err) == (0, f"{path}: clean\n", "")


def test_report(file):
    code, out, err = weir("lint", file)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"{file}:2:17: warning: nothing here delivers to queue 'spare' [unused-target]"
    assert lines[1:3] == ["queues: {q: {}, spare: {}}", " " * 16 + "^"]
    assert lines[3].startswith("  suggestion: ") and len(lines) == 4
    assert weir("lint", cwd=file.parent)[0] == 1  # ./weir.yaml
    assert weir("lint", "-c", file)[1] == out


def test_json(file):
    code, out, _ = weir("lint", "--json", file)
    found = json.loads(out)
    assert code == 1
    assert list(found) == ["file", "line", "column", "severity", "check", "message", "suggestion"]
    assert (found["line"], found["column"], found["check"]) == (2, 17, "unused-target")


def test_disable(file):
    assert weir("lint", "--disable", "unused-target", file) == (0, f"{file}: clean\n", "")
    assert weir("lint", "--disable=unused-target", "--json", file) == (0, "", "")
    assert weir("lint", "--disable", "no-tests", "--disable", "unused-target", file)[0] == 0
    code, out, err = weir("lint", "--disable", "unused-targets", file)
    assert (code, out) == (64, "") and "did you mean 'unused-target'?" in err


def test_checks_are_listed():
    code, out, _ = weir("lint", "--checks")
    assert code == 0 and "\nunused-target" in out
    assert [json.loads(line)["check"] for line in weir("lint", "--checks", "--json")[1].splitlines()] == \
        [line.split()[0] for line in out.splitlines()]


def test_a_file_that_does_not_load(file):
    file.write_text(ONE.replace("[a]", "a"))
    code, out, err = weir("lint", file)
    assert (code, out) == (78, "") and "write it as a list: [a]" in err
    assert weir("lint", file.parent / "none.yaml")[0] == 78
    assert weir("lint", cwd="/")[0] == 78
