# SPDX-License-Identifier: Apache-2.0
"""The tables of the manual pages are the program's own, every one of them is in some page, and a stale one is seen."""
import os
import re
import shutil
import subprocess

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
