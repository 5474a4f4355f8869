# SPDX-License-Identifier: Apache-2.0
"""The tables of the manual pages are the program's own, every one of them is in some page, and a stale one is seen."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, WEIR, weir

PAGES = ["router/weir.1", "rules/weir.yaml.5", "matcher/weir-pattern.7"]


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
    for page in [*PAGES, "tests/manuals.sh"]:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / page, tmp_path / page)
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


# ---- the examples are run ----
#
# In the pages, a comment in front of a literal display says what it is:
#
#     .\" example: pattern      a pattern, and below it events that match, events that do not, or why it is refused
#     .\" example: check        a configuration, or a piece of one, that loads without a warning and whose tests pass
#     .\" example: refused      one that does not load; its last line, a comment, says why
#     .\" example: session      what is typed behind "$ " and "> ", and what is printed; "..." stands for anything
#
# README.md has "```console" for sessions and "```yaml" for files.

def displays(page, kind=""):
    """The literal displays of a page that are examples of this kind, as a reader sees them."""
    text = (ROOT / page).read_text()
    mark = rf'^\.\\" example: {kind}[^\n]*\n' if kind else "^"
    for block in re.findall(mark + r"\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S):
        yield re.sub(r'^\.\\".*\n', "", block, flags=re.M).replace("\\&", "").replace("\\(aq", "'").replace("\\e", "\\")


def test_every_example_is_of_a_kind():
    kinds = re.findall(r'^\.\\" example: (\S+)', "".join((ROOT / page).read_text() for page in PAGES), re.M)
    assert set(kinds) <= {"pattern", "check", "refused", "session"}
    assert len(kinds) == sum(len(list(displays(page, kind))) for page in PAGES for kind in set(kinds))


def judge_pattern(pattern, word, what):
    """What is wrong with that line of the manual; None: it tells the truth."""
    code, out, err = weir("match", "--count", pattern, stdin="" if word == "refused" else what)
    if word == "refused":
        return None if code == 78 and what in err else (code, out, err)
    return None if (code, out, err) == ((0, "1\n", "") if word == "matches" else (1, "0\n", "")) else (code, out, err)


def test_patterns_do_what_the_manual_says():
    operators, run = set(), 0
    for block in displays("matcher/weir-pattern.7", "pattern"):
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
    blocks, tested = list(displays("rules/weir.yaml.5", kind)), 0
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


def test_commands_of_the_manuals_exist():
    text = "".join("".join(displays(page)) for page in PAGES) + (ROOT / "README.md").read_text()
    commands = re.findall(r"^(?:[^\n]*\| )?(?:build/)?weir ([a-z]+)((?: +(?:--?[a-z][a-z-]*|\S+))*)", text, re.M)
    assert len(commands) > 15
    for verb, rest in commands:
        code, out, _ = weir(verb, "--help")
        assert code == 0, verb
        for option in re.findall(r" (--?[a-z][a-z-]*)", re.sub(r"'[^']*'|\|.*|#.*|<\(.*", "", rest)):
            assert re.search(rf"(^|[ ,]){re.escape(option)}[ ,\n=]", out, re.M), (verb, option)
