# SPDX-License-Identifier: Apache-2.0
"""The command line without a router: help, check, match, targets, exit codes; and the library as others link it."""
import ctypes
import gzip
import json
import os
import subprocess

import pytest

from conftest import ROOT, WEIR, event, weir

VERBS = ["run", "check", "match", "send", "replay", "status", "targets", "archives", "queues", "dlq", "schema", "lint", "completion"]


def test_help():
    code, out, _ = weir("--help")
    assert code == 0
    for verb in VERBS:
        assert f"  {verb} " in out
        code, text, err = weir(verb, "--help")
        assert code == 0 and text.startswith(f"usage: weir {verb}") and " \n" not in text and not err
        assert ("--json" in text) == (verb not in ["run", "schema", "completion"])
        assert ("--url" in text) == (verb not in ["run", "match", "targets", "schema", "lint", "completion"])
        assert weir("help", verb) == (0, text, "")
    assert weir("--version")[1].startswith("weir 0.")


def test_usage_errors():
    assert weir()[0] == 64
    code, _, err = weir("statsu")
    assert code == 64 and "did you mean 'status'" in err
    code, _, err = weir("match", "--cuont", "{}")
    assert code == 64 and "did you mean '--count'" in err
    assert weir("match")[0] == 64
    code, _, err = weir("targets", "--url", "http://127.0.0.1:9")
    assert code == 64 and "unknown option '--url'" in err
    code, _, err = weir("targets", "htp")
    assert code == 64 and "did you mean 'http'" in err
    code, _, err = weir("status", "--url", "http://127.0.0.1:9")
    assert code == 69 and "weir run" in err


def test_match(tmp_path):
    events = "".join(json.dumps(event(n)) + "\n" for n in range(5))
    pattern = json.dumps({"detail": {"n": [{"numeric": [">", 2]}]}})
    code, out, err = weir("match", pattern, stdin=events)
    assert (code, err) == (0, "") and [json.loads(line)["detail"]["n"] for line in out.splitlines()] == [3, 4]
    assert weir("match", "-v", "--count", pattern, stdin=events)[:2] == (0, "3\n")
    assert weir("match", "--count", '{"source":["nobody"]}', stdin=events)[:2] == (1, "0\n")
    code, out, err = weir("match", pattern, stdin=events + "{oops\n[1]\n" + json.dumps(event(9)) + "\n")
    assert code == 65 and len(out.splitlines()) == 3 and "stdin:6: error:" in err and "stdin:7: error:" in err, err
    file = tmp_path / "p.json"
    file.write_text(pattern)
    assert weir("match", f"@{file}", stdin=events)[0] == 0
    code, _, err = weir("match", '{"a": 1}', stdin=events)
    assert code == 78 and '"a" must be an object or an array' in err and "pattern:1:" in err, err
    code, _, err = weir("match", pattern, tmp_path / "missing")
    assert code == 74 and "missing" in err


def zstd_frame(data):
    lib = ctypes.CDLL("libzstd.so.1")
    lib.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(len(data) + 4096)
    size = lib.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:size]


def test_match_unpacks(tmp_path):
    line = json.dumps(event(1)).encode() + b"\n"
    frames = [line * 900, line * 1200]  # sizes that end in the middle of a block's room

    def count(data):
        file = tmp_path / "packed"
        file.write_bytes(data)
        by_name = weir("match", "--count", '{"detail":{"n":[1]}}', file)
        with open(file, "rb") as stdin:
            by_pipe = subprocess.run([WEIR, "match", "--count", '{"detail":{"n":[1]}}'], stdin=stdin,
                                     capture_output=True, text=True, timeout=60)
        assert by_name[1] == by_pipe.stdout, (by_name, by_pipe)
        return by_name[1]

    assert count(b"".join(frames)) == "2100\n"
    assert count(b"\xef\xbb\xbf" + frames[0]) == "900\n"
    assert count(b"".join(gzip.compress(f) for f in frames)) == "2100\n"
    for size in [100_000, 60_000, 131_072, 131_073]:
        frames = [(line * 2000)[:size] + b"\n", (line * 2000)[:131_072] + b"\n"]
        assert count(b"".join(zstd_frame(f) for f in frames)) == count(b"".join(frames)), size


def test_match_reads_on_in_bounded_memory(tmp_path):
    """Lines over the ends of pieces, frames and members keep their numbers; damage is told after what was before it."""
    lines = [json.dumps(event(n, pad="x" * (n * 37 % 3000))) + "\n" for n in range(4000)]
    lines[1234], lines[2345], lines[3999] = "{oops\n", " \t\r\n", json.dumps(event(3999, pad="y" * 700_000))
    text = "".join(lines).encode()
    parts = [text[at:at + 900_001] for at in range(0, len(text), 900_001)]
    forms = {"plain": text, "gz": b"".join(gzip.compress(p, 1) for p in parts), "zst": b"".join(zstd_frame(p) for p in parts)}
    for form, data in forms.items():
        file = tmp_path / form
        file.write_bytes(data)
        for stdin in [False, True]:
            with open(file, "rb") as handle:
                run = subprocess.run([WEIR, "match", '{"detail":{"n":[{"numeric":[">=",3998]},0]}}', *([] if stdin else [file])],
                                     stdin=handle, capture_output=True, text=True, timeout=60)
            assert run.returncode == 65 and [json.loads(l)["detail"]["n"] for l in run.stdout.splitlines()] == [0, 3998, 3999]
            [fault] = run.stderr.splitlines()
            assert fault.startswith(("stdin" if stdin else str(file)) + ":1235: error:"), fault
        if form == "plain":
            continue
        file.write_bytes(data[:-5])
        code, out, err = weir("match", "--count", '{"detail":{"n":[{"numeric":["<",100]}]}}', file)
        assert code == 65 and out == "100\n" and "cut short" in err, (form, code, out, err)
        file.write_bytes(data[:len(data) // 2] + bytes(100) + data[len(data) // 2:])
        code, out, err = weir("match", "--count", '{"detail":{"n":[{"numeric":["<",100]}]}}', file)
        assert code == 65 and out == "100\n" and "data is damaged: " in err, (form, code, out, err)


def test_match_takes_documents_and_lines_apart():
    one = event(1)
    everything = '{"source":[{"exists":true}]}'

    def count(text, *arguments):
        return weir("match", "--count", *arguments, everything, stdin=text)[:2]

    assert count(json.dumps([one, one], indent=2)) == (0, "2\n")
    assert count("\n \n" + json.dumps(one, indent=2)) == (0, "1\n")
    assert count(json.dumps([one, one])) == (0, "2\n")
    assert count("\n\n{]\n" + json.dumps(one)) == (65, "1\n")
    assert count("") == count("\n  \n") == (1, "0\n")
    assert count("{\n") == (65, "0\n")
    cloud = json.dumps({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": {"n": 1}}) + "\n"
    assert count(3 * cloud) == count(3 * cloud, "--format", "cloudevents") == (0, "3\n")


def test_match_answers_while_a_pipe_is_open():
    line = json.dumps(event(1)) + "\n"
    with subprocess.Popen([WEIR, "match", '{"source":[{"exists":true}]}'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as run:
        for _ in range(3):
            run.stdin.write(line)
            run.stdin.flush()
            assert json.loads(run.stdout.readline())["detail"]["n"] == 1
        run.stdin.close()
        assert run.wait(20) == 0


def test_match_reads_cloudtrail_and_s3():
    demo = ROOT / "rules" / "examples" / "demo"
    code, out, err = weir("match", '{"source":["aws.iam"]}', demo / "cloudtrail.json")
    assert code == 0 and json.loads(out)["detail"]["eventName"] == "ListUsers", err
    pattern = '{"detail":{"object":{"key":[{"suffix":{"equals-ignore-case":".png"}}]}}}'
    assert weir("match", "--count", pattern, demo / "s3.json")[:2] == (0, "1\n")


def test_match_by_regex():
    events = "".join(json.dumps({"m": m}) + "\n" for m in ["GET /api/v2/x", "GET /api/vx", "a" * 3000 + "!", 7])
    assert weir("match", "--count", r'{"m":[{"regex":"^GET /api/v\\d+/"}]}', stdin=events)[:2] == (0, "1\n")
    code, out, err = weir("match", r'{"m":[{"regex":"GET|(a+)+$"}]}', stdin=events)
    assert code == 65 and len(out.splitlines()) == 2 and "stdin:3: error: a regex hit a limit" in err, err
    code, _, err = weir("match", '{"m":[{"regex":"GET (api"}]}', stdin=events)
    assert code == 78 and "bad regex: missing closing parenthesis at character 8\n" in err and " " * 23 + "^" in err, err


def test_check_reports_every_error(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("""version: 1
queues:
  inbox: {visibility_timout: 30s}
rules:
  bad:
    pattern: {source: test.app}
    targets: [inbx]
  worse:
    pattern: {detail: {a: [{foo: 1}]}}
    targets: [inbox]
""")
    code, out, err = weir("check", file)
    assert code == 78 and out == ""
    for words in (f"{file}:3:11: error: unknown key 'visibility_timout'", "did you mean 'visibility_timeout'?",
                  f"{file}:6:", "must be an object or an array", f"{file}:7:", "inbx", "did you mean 'inbox'?",
                  f"{file}:9:", "Unrecognized match type foo", "errors"):
        assert words in err, (words, err)
    assert "\n    " in err and "^" in err
    code, out, _ = weir("check", "--json", file)
    assert code == 78 and len([json.loads(line) for line in out.splitlines()]) == 4
    assert weir("check", tmp_path / "nosuch.yaml")[0] == 78


def test_check_takes_the_examples():
    for file in sorted((ROOT / "rules" / "examples").rglob("*.yaml")):
        code, out, err = weir("check", file)
        assert code == 0 and ": ok: " in out, err


def test_run_with_a_bad_or_missing_file_is_78(tmp_path):
    code, _, err = weir("run", "-c", tmp_path / "nosuch.yaml")
    assert code == 78 and "nosuch.yaml" in err
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nrules: {a: {}}\n")
    assert weir("run", "-c", bad)[0] == 78


def test_targets():
    code, out, _ = weir("targets")
    assert code == 0
    for word in ("queue", "topic", "function", "http", "file", "archive", "visibility_timeout", "redrive_policy.max_receive_count",
                 "subscriptions[].raw_message_delivery"):
        assert word in out
    rows = [json.loads(line) for line in weir("targets", "--json")[1].splitlines()]
    assert all(row["meaning"] for row in rows)
    assert weir("targets", "queu")[0] == 64


def test_install_and_link(tmp_path):
    build = os.path.dirname(WEIR)
    if os.path.basename(build) in ("asan", "tsan", "cover"):
        pytest.skip("the sanitizers' library is not what gets installed")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"BUILD={build}", f"DESTDIR={tmp_path}", "PREFIX=/opt/weir"], check=True,
                   env={k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"})
    top = tmp_path / "opt" / "weir"
    described = (top / "lib" / "pkgconfig" / "weir.pc").read_text()
    assert "prefix=/opt/weir\nlibdir=/opt/weir/lib\n" in described and "Version: 0." in described
    assert (top / "share" / "weir" / "examples" / "demo" / "weir.yaml").exists() and (top / "share" / "man" / "man1" / "weir.1").exists()
    for completion in ["bash-completion/completions/weir", "zsh/site-functions/_weir", "fish/vendor_completions.d/weir.fish"]:
        assert "made by 'weir completion" in (top / "share" / completion).read_text()
    assert (top / "share" / "weir" / "weir.schema.json").exists()
    assert (top / "bin" / "weir").exists() and (top / "lib" / "libweir.so.0").exists()
    (tmp_path / "try.c").write_text("""
#include <stdio.h>
#include <string.h>
#include <weir.h>
int main(void)
{
    struct weir_diag diag;
    struct weir_builder *b = weir_builder_create();
    const char *pattern = "{\\"source\\":[{\\"prefix\\":\\"aws.\\"}]}", *event = "{\\"source\\":\\"aws.s3\\"}";
    const uint32_t *ids;
    if (!weir_builder_add(b, 7, pattern, strlen(pattern), &diag))
        return 1;
    struct weir_matcher *m = weir_builder_build(b, &diag);
    weir_builder_destroy(b);
    struct weir_scratch *s = weir_scratch_create(m);
    long n = weir_match(m, s, event, strlen(event), WEIR_CHECKED, &ids, &diag);
    printf("%ld %u\\n", n, n > 0 ? ids[0] : 0);
    weir_scratch_destroy(s);
    weir_matcher_unref(m);
    return 0;
}
""")
    for kind, flags in (("shared", [f"-L{top}/lib", "-lweir", f"-Wl,-rpath,{top}/lib"]),
                        ("static", [f"{top}/lib/libweir.a", "-lpcre2-8", "-lm"])):
        program = tmp_path / kind
        subprocess.run(["cc", "-Wall", "-Werror", f"-I{top}/include", "-o", program, tmp_path / "try.c", *flags], check=True)
        assert subprocess.run([program], capture_output=True, text=True).stdout == "1 7\n"
    symbols = subprocess.run(["nm", "-g", "--defined-only", f"{top}/lib/libweir.a"], capture_output=True, text=True).stdout
    names = [line.split()[-1] for line in symbols.splitlines() if len(line.split()) == 3]
    assert names and all(name.startswith("weir_") for name in names), names
