# SPDX-License-Identifier: Apache-2.0
r"""The manual pages and README as their readers see them, and the examples in them.

In the pages a comment in front of a literal display says what it is:

    .\" example: pattern      a pattern, and below it events that match, events that do not, or why it is refused
    .\" example: check        a configuration, or a piece of one, that loads without a warning and whose tests pass
    .\" example: refused      one that does not load; its last line, a comment, says why
    .\" example: file NAME    a file for the sessions below
    .\" example: session      what is typed behind "$ " and "> ", and what is printed; "..." stands for anything

In README.md the comment is <!-- example: ... -->, in front of a fence.
"""
import re
import socket
import subprocess
import textwrap

from conftest import ROOT, WEIR

PAGES = ["router/weir.1", "rules/weir.yaml.5", "matcher/weir-pattern.7"]


def as_read(display):
    """A literal display without mdoc's escapes."""
    display = re.sub(r'^\.\\".*\n', "", display, flags=re.M)
    return display.replace("\\&", "").replace("\\(aq", "'").replace("\\e", "\\")


def displays(page):
    """All literal displays of a page."""
    return [as_read(d) for d in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", (ROOT / page).read_text(), re.M | re.S)]


def examples(page):
    """(kind, argument, text) of each, in their order."""
    text = (ROOT / page).read_text()
    if page.endswith(".md"):
        return re.findall(r"^<!-- example: (\S+) ?(\S*) -->\n```[^\n]*\n(.*?)^```$", text, re.M | re.S)
    return [(kind, argument, as_read(display)) for kind, argument, display in
            re.findall(r'^\.\\" example: (\S+) ?(\S*)\n\.Bd -literal[^\n]*\n(.*?)^\.Ed$', text, re.M | re.S)]


def marked(page):
    """How many examples the page says it has."""
    return len(re.findall(r'^(?:\.\\"|<!--) example: ', (ROOT / page).read_text(), re.M))


class Shell:
    """A shell in a folder with a program `weir` (and build/weir) whose router listens on a free port."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.folder, self.running = folder, False
        (folder / "build").mkdir()
        program = folder / "build" / "weir"
        program.write_text(f'#!/bin/sh\n[ "$1" = run ] && set -- "$@" --listen {self.address}\nexec {WEIR} "$@"\n')
        program.chmod(0o755)
        self.bash = subprocess.Popen(["bash", "--norc"], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.run(f"PATH=$PWD/build:/usr/bin:$PATH; export WEIR_URL=http://{self.address}; unset WEIR")

    def run(self, command):
        """What the command prints, in whole lines."""
        if command.endswith(" &"):
            self.running = True
            command = f"{command[:-2]} >banner 2>log & run=$!\n" + textwrap.dedent("""\
                until curl -sf $WEIR_URL/readyz >/dev/null; do kill -0 $run || break; sleep 0.02; done
                cat banner""")
        self.bash.stdin.write(f"{{ {command.replace('127.0.0.1:4566', self.address)}\n}} </dev/null\necho; echo =end=\n")
        self.bash.stdin.flush()
        out = ""
        for line in self.bash.stdout:
            if line == "=end=\n":
                break
            out += line
        out = out.removesuffix("\n")
        return (out + "\n" if out and out[-1] != "\n" else out).replace(self.address, "127.0.0.1:4566")

    def end(self):
        if self.running:
            self.run("kill $run; wait $run")
        self.bash.stdin.close()
        self.bash.wait()
        self.bash.stdout.close()


def commands(session):
    """(command, what it prints) of a session."""
    out = []
    for line in session.splitlines():
        if line.startswith("$ "):
            out.append([line[2:], ""])
        elif line.startswith("> ") and not out[-1][1]:
            out[-1][0] += "\n" + line[2:]
        else:
            out[-1][1] += line + "\n"
    return out


def is_as_said(printed, said):
    lines = [re.escape(line).replace(r"\.\.\.", ".*") + "\n" for line in said.splitlines()]
    return re.fullmatch("".join("(?:.*\n)*" if line == ".*\n" else line for line in lines), printed) is not None
