# SPDX-License-Identifier: Apache-2.0
"""weir bench: what it counts, on patterns and on rules, in both modes; what it refuses. Never how long it took."""
import gzip
import json

import pytest

from conftest import weir

EVENTS = [{"source": "shop", "detail": {"n": n, "state": "open" if n % 3 else "closed"}} for n in range(30)]
PATTERNS = ['{"detail": {"n": [{"numeric": ["<", 10]}]}}', '{"detail": {"state": ["closed"]}}', '{"detail": {"state": [{"regex": "^cl"}]}}',
            '{"source": ["nobody"]}']
MATCHES = 10 + 10 + 10
RULES = """version: 1
queues: {q: {}}
buses: {audit: {}}
rules:
  low: {pattern: {detail: {n: [{numeric: ["<", 10]}]}}, targets: [q]}
  closed: {bus: audit, pattern: {detail: {state: [closed]}}, targets: [q]}
  off: {state: disabled, pattern: {source: [shop]}, targets: [q]}
  tick: {schedule: rate(1 hour), targets: [q]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "events").write_text("".join(json.dumps(e) + "\n" for e in EVENTS))
    (tmp_path / "patterns").write_text("\n\n".join(PATTERNS) + "\n")
    (tmp_path / "weir.yaml").write_text(RULES)
    return tmp_path


def bench(folder, *arguments, events="events"):
    return weir("bench", "--events", events, *arguments, cwd=folder)


@pytest.mark.parametrize("mode", ["checked", "trusted"])
def test_counts(folder, mode):
    code, out, err = bench(folder, "--patterns", "patterns", "--mode", mode, "--json")
    figures = json.loads(out)
    assert (code, err) == (0, "")
    assert list(figures) == ["mode", "events", "bytes", "matches", "events_per_s", "bytes_per_s", "ns_per_event", "compile_s",
                             "bytes_per_rule"]
    assert figures["mode"] == mode and figures["events"] == len(EVENTS) and figures["matches"] == MATCHES
    assert figures["bytes"] == sum(len(json.dumps(e)) for e in EVENTS)
    assert all(figures[name] > 0 for name in figures if name != "mode")


def test_rules_of_all_buses_that_are_enabled(folder):
    (folder / "events.gz").write_bytes(gzip.compress(json.dumps(EVENTS).encode()))
    code, out, err = bench(folder, "--rules", "weir.yaml", events="events.gz")
    assert (code, err) == (0, "")
    assert "30 events of" in out and "2 rules: 20 matches\nchecked: " in out


def test_repeated_keys_count_in_trusted_mode_too(folder):
    (folder / "twice").write_text('{"source": "shop", "source": "nobody"}\n')
    for mode in ("checked", "trusted"):
        code, out, _ = bench(folder, "--patterns", "patterns", "--mode", mode, "--json", events="twice")
        assert code == 0 and json.loads(out)["matches"] == 1


def test_refuses(folder):
    (folder / "bad").write_text('{"a": [1]}\n{"a": 1}\n')
    (folder / "no-events").write_text('{"a": 1}\n\n{"a": \n')
    (folder / "none").write_text("\n")
    (folder / "bad.yaml").write_text("version: 1\nrules: {r: {patern: {}}}\n")
    assert bench(folder)[0] == bench(folder, "--patterns", "patterns", "--rules", "weir.yaml")[0] == 64
    assert bench(folder, "--patterns", "patterns", "--mode", "quick")[0] == 64
    code, out, err = bench(folder, "--patterns", "bad")
    assert (code, out) == (78, "") and err.startswith("bad:2:") and '{"a": 1}\n' in err
    code, out, err = bench(folder, "--patterns", "patterns", events="no-events")
    assert (code, out) == (65, "") and err.startswith("no-events:3: error: ")
    assert bench(folder, "--patterns", "none")[0] == 78 and bench(folder, "--patterns", "patterns", events="none")[0] == 65
    assert bench(folder, "--rules", "bad.yaml")[0] == 78 and bench(folder, "--patterns", "patterns", events="missing")[0] == 74
