# SPDX-License-Identifier: Apache-2.0
"""The tables of the manual pages are the program's own, every one of them is in some page, and a stale one is seen."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, WEIR, weir
from pages import PAGES, Shell, commands, displays, examples, is_as_said, marked

EVERY = [*PAGES, "README.md"]


def manuals(root, mode):
    return subprocess.run([root / "tests" / "manuals.sh", mode], capture_output=True, text=True,
                          env={**os.environ, "BUILD": os.path.dirname(WEIR)})


def test_pages_are_fresh():
    done = manuals(ROOT, "check")
    assert done.returncode == 0, done.stderr


def test_every_table_is_in_a_page():
    code, out, _ = weir("schema", "--mdoc", "all")
    tables = re.findall(r'^\.\\" @table (\S+)$', out, re.M)
    assert code == 0 and len(tables) > 10 and out.count('\n.\\" @end\n') == len(tables)
    in_pages = re.findall(r'^\.\\" @table (\S+)$', "".join((ROOT / page).read_text() for page in PAGES), re.M)
    assert sorted(in_pages) == sorted(tables)


def test_a_stale_page_is_seen_and_filled(tmp_path):
    for page in [*EVERY, "tests/manuals.sh"]:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / page, tmp_path / page)
    readme = tmp_path / "README.md"
    fresh = readme.read_text()
    readme.write_text(fresh.replace("CreateQueue", "CreateLine"))
    assert "README.md is stale" in manuals(tmp_path, "check").stderr
    assert manuals(tmp_path, "fill").returncode == 0 and readme.read_text() == fresh
    page = tmp_path / "rules" / "weir.yaml.5"
    fresh = page.read_text()
    page.write_text(fresh.replace(".It Ic visibility_timeout", ".It Ic visibility"))
    done = manuals(tmp_path, "check")
    assert done.returncode == 1 and "weir.yaml.5 is stale" in done.stderr and "+.It Ic visibility_timeout" in done.stderr
    assert manuals(tmp_path, "fill").returncode == 0 and page.read_text() == fresh
    page.write_text(fresh.replace('.\\" @end\n', ""))
    assert manuals(tmp_path, "check").returncode == 65


def test_unknown_table():
    code, out, err = weir("schema", "--mdoc", "planets")
    assert (code, out) == (64, "") and "known: all, verbs" in err


# ---- the examples are run; what they look like: pages.py ----

def texts(page, kind):
    return [text for this, _, text in examples(page) if this == kind]


@pytest.mark.parametrize("page", EVERY)
def test_every_example_is_of_a_kind(page):
    found = examples(page)
    assert {kind for kind, _, _ in found} <= {"pattern", "check", "refused", "file", "session"} and len(found) == marked(page)


def judge_pattern(pattern, word, what):
    """What is wrong with that line of the manual; None: it tells the truth."""
    code, out, err = weir("match", "--count", pattern, stdin="" if word == "refused" else what)
    if word == "refused":
        return None if code == 78 and what in err else (code, out, err)
    return None if (code, out, err) == ((0, "1\n", "") if word == "matches" else (1, "0\n", "")) else (code, out, err)


def test_patterns_do_what_the_manual_says():
    operators, run = set(), 0
    for block in texts("matcher/weir-pattern.7", "pattern"):
        pattern, cases = "", 0
        for line in block.splitlines():
            said = re.fullmatch(r"    (matches|but not|refused)  (.+)", line)
            if not said:
                pattern = pattern + line if line.startswith("  ") else line
                continue
            assert judge_pattern(pattern, *said.groups()) is None, (pattern, line, judge_pattern(pattern, *said.groups()))
            operators |= set(re.findall(r'\{"([a-z-]+)":', pattern)) if said.group(1) != "refused" else set()
            cases += 1
        assert cases, block
        run += cases
    table = re.findall(r'^\.It Li "([a-z-]+)"$', (ROOT / "matcher/weir-pattern.7").read_text(), re.M)
    assert run > 100 and len(table) > 9 and operators >= set(table), set(table) - operators


def in_words(number):
    for size, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number % size == 0 and number < 1024 * size:
            yield f"{number // size} {unit}"
    yield f"{number:,}"


def test_limits_are_the_programs():
    said = re.findall(r'^\.\\" limit: (\w+)\n\.It (.*)', (ROOT / "matcher/weir-pattern.7").read_text(), re.M)
    header = (ROOT / "matcher/limits.h").read_text().replace("\\\n", "")
    assert len(said) > 10
    for name, words in said:
        value = re.search(rf"^#define {name}\s+([0-9u<() ]+)", header, re.M).group(1)
        number = eval(value.replace("u", ""), {})
        assert any(re.search(rf"\b{one}\b", words) for one in in_words(number)), (name, number, words)


@pytest.mark.parametrize("kind", ["check", "refused"])
def test_configurations_of_the_manual(tmp_path, kind):
    blocks, tested = texts("rules/weir.yaml.5", kind), 0
    for block in blocks:
        (tmp_path / "weir.yaml").write_text(block if block.startswith("version:") else "version: 1\n" + block)
        code, _, err = weir("check", cwd=tmp_path)
        if kind == "refused":
            assert code == 78 and block.splitlines()[-1].removeprefix("# ") in err, block + err
            continue
        assert (code, err) == (0, ""), block + err
        if "tests:" in block:
            code, out, err = weir("test", cwd=tmp_path)
            assert code == 0 and "\nok 1 " in out, block + out + err
            tested += 1
    assert len(blocks) > 1 and (tested > 2 or kind == "refused")


@pytest.mark.parametrize("page", ["router/weir.1", "README.md"])
def test_sessions_go_as_shown(page, tmp_path):
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    shell, run = Shell(tmp_path), 0
    try:
        for kind, name, text in examples(page):
            if kind == "file":
                (tmp_path / name).write_text(text)
            for command, said in commands(text) if kind == "session" else []:
                printed = shell.run(command)
                assert is_as_said(printed, said), f"$ {command}\n{printed}instead of\n{said}"
                run += 1
    finally:
        shell.end()
    assert run > 5


# ---- help and manuals say the same ----

def helps():
    """Verb to its options, as the helps have them: {"run": {"--config", ...}}"""
    code, out, _ = weir("--help")
    verbs = re.findall(r"^  ([a-z]+) +\S", out, re.M)
    assert code == 0 and len(verbs) > 10
    return {verb: set(re.findall(r"^  (?:-\w,|   ) (--[a-z-]+)", weir(verb, "--help")[1], re.M)) for verb in verbs}


def test_the_manual_has_every_verb_and_option():
    verbs, text = helps(), (ROOT / "router/weir.1").read_text()
    sections = dict(re.findall(r"^\.It Nm Cm (\w+).*\n((?:(?!\.It Nm Cm ).*\n)*)", text, re.M))
    prose = re.sub(r'^\.\\" @table(.*\n)*?\.\\" @end\n', "", text, flags=re.M)
    assert list(sections) == list(verbs)
    for verb, options in verbs.items():
        assert "--help" in options
        of_its_own = {"-" + name for name in re.findall(r"^\.It(?: Fl \w ,)? Fl (-[a-z-]+)", sections[verb], re.M)}
        for option in options ^ of_its_own:
            assert option in ("--json", "--url", "--token", "--cacert", "--help") and re.search(rf"Fl (h , )?{option[1:]}\b", prose), (verb, option)


def test_verbs_and_options_that_are_spoken_of_exist():
    verbs = helps()
    text = "".join((ROOT / page).read_text() for page in PAGES)
    said = [(verb, option and "-" + option) for verb, option in
            re.findall(r"^\.(?:Nm weir|Nm) Cm (\w+)(?: Fl (-[a-z-]+))?", text, re.M)]
    said += re.findall(r"^\.Ic weir (\w+)()", text, re.M)
    typed = "\n".join(t for page in EVERY for t in [*displays(page), (ROOT / page).read_text() if page.endswith(".md") else ""])
    said += re.findall(r"(?:^|\$ |\| |`|: )(?:build/)?weir ([a-z]+)(?: (-[a-z-]+))?", typed, re.M)
    assert len(said) > 50
    for verb, option in said:
        assert verb in verbs, verb
        assert not option.startswith("--") or option in verbs[verb], (verb, option)


def test_files_that_the_tour_names_are_there():
    files = [path.relative_to(ROOT) for top in ("matcher", "targets", "rules", "router", "tests", "fuzz")
             for path in (ROOT / top).rglob("*") if "__pycache__" not in str(path)]
    there = {str(f) for f in files} | {f.name for f in files} | {"matcher", "targets", "rules", "router", "tests", "fuzz"}
    tour = (ROOT / "README.md").read_text().split("## A tour of the source")[1]
    named = re.findall(r"`([a-z_/0-9]+(?:\.[a-z]|/|HACKING))`", tour)
    named += re.findall(r"\b[a-z_]+\.[ch]\b", (ROOT / "matcher/HACKING").read_text())
    assert len(named) > 50 and not {name for name in named if name.rstrip("/") not in there}
