# SPDX-License-Identifier: Apache-2.0
"""weir completion: the scripts parse, and bash's completes. zsh and fish are asked to parse theirs where they are there."""
import shutil
import subprocess

import pytest

from conftest import WEIR, weir

VERBS = [line.split()[0] for line in weir("--help")[1].splitlines() if line.startswith("  ")]
CONFIG = "version: 1\nbuses: {audit: {}}\nqueues: {parked: {}}\narchives: {audit-all: {}}\n" \
         "rules: {root-login: {pattern: {source: [a]}, targets: [parked]}, root-logout: {pattern: {source: [b]}, targets: [parked]}}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_parse(shell, tmp_path):
    code, out, err = weir("completion", shell)
    assert (code, err) == (0, "")
    for verb in VERBS:
        assert verb in out
    script = tmp_path / "script"
    script.write_text(out)
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    (folder / "weir.yaml").write_text(CONFIG)
    (folder / "script").write_text(weir("completion", "bash")[1])
    return folder


LINES = [
    (["qu"], ["queues"]),
    (["ru"], ["run"]),
    ([""], VERBS + ["help", "--help", "--version"]),
    (["help", "li"], ["lint"]),
    (["run", "--log-l"], ["--log-level"]),
    (["run", "--log-level", ""], ["debug", "info", "warn", "error"]),
    (["run", "--log-level", "=", "w"], ["warn"]),
    (["run", "--log-level", "="], ["debug", "info", "warn", "error"]),
    (["run", "-c", "we"], ["weir.yaml"]),
    (["run", "--listen", ""], []),
    (["check", "we"], ["weir.yaml"]),
    (["match", "--format", "cloudt"], ["cloudtrail"]),
    (["queues", "re"], ["receive"]),
    (["lint", "--disable", "unused-t"], ["unused-target"]),
    (["replay", "a"], ["audit-all"]),
    (["replay", "audit-all", "--rule", "root-"], ["root-login", "root-logout"]),
    (["replay", "audit-all", "-r", "root-logi"], ["root-login"]),
    (["send", "--bus", "au"], ["audit"]),
    (["dlq", "r"], ["redrive"]),
    (["targets", "fu"], ["function"]),
    (["status", "--"], ["--json", "--url", "--token", "--cacert", "--help"]),
    (["completion", "b"], ["bash"]),
]


def test_bash_completes(folder):
    """All lines in one bash: it sources the script and calls the function as readline would."""
    script = [f"source {folder}/script"]
    for words, _ in LINES:
        quoted = " ".join(f"'{w}'" for w in [WEIR, *words])
        script.append(f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _weir; echo \"${{COMPREPLY[*]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", "\n".join(script)], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    for (words, wanted), got in zip(LINES, done.stdout.splitlines(), strict=True):
        assert sorted(got.split()) == sorted(wanted), words


def test_names(folder, tmp_path):
    assert weir("completion", "--names", "QUEUE", cwd=folder) == (0, "dead-letters\nparked\n", "")
    assert weir("completion", "--names", "BUS", "-c", folder / "weir.yaml") == (0, "default\naudit\n", "")
    assert weir("completion", "--names", "RULE", cwd=tmp_path) == (0, "", "")  # no configuration: no rules
    (tmp_path / "weir.yaml").write_text("version: 1\nrules: [\n")
    assert weir("completion", "--names", "RULE", cwd=tmp_path) == (78, "", "")
    assert weir("completion", "--names", "PLANET", cwd=folder)[0] == 64


def test_usage():
    assert weir("completion")[0] == 64
    code, _, err = weir("completion", "tcsh")
    assert code == 64 and "bash, zsh or fish" in err
