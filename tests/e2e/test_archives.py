# SPDX-License-Identifier: Apache-2.0
"""Sealed archives: hours that are over are packed, read by the usual tools, and exact over kills."""
import json
import os
import random
import signal
import subprocess
import time

from conftest import SLOW, event, wait_until, weir

CONFIG = ("buses: {audit: {}}\nqueues: {again: {}}\narchives: {all: {bus: audit}}\n"
          "rules: {again: {bus: audit, pattern: {replay-name: [{exists: true}]}, targets: [again]}}\n")


def numbers(text):
    return [json.loads(line)["detail"]["n"] for line in text.splitlines()]


def files(r, suffix):
    return sorted((r.folder / "data" / "archives").rglob(f"*{suffix}"))


def everything(r):
    """What the usual tools find in the archive: the growing file, or else the sealed one."""
    got = []
    for path in files(r, ".ndjson"):
        got += numbers(path.read_text())
    for path in files(r, ".ndjson.zst"):
        if not path.with_suffix("").exists():
            got += numbers(subprocess.run(["zstdcat", str(path)], capture_output=True, text=True, check=True).stdout)
    return got


def sealed(r):
    return json.loads(r.get("/_weir/v1/archives")[1])["archives"][0]["sealed_files"]


def test_an_hour_that_is_over(router, faults):
    r = router(CONFIG, env=faults.env)
    for first in range(0, 3000, 500):
        r.send(*[event(n, pad="x" * (n % 1000)) for n in range(first, first + 500)], bus="audit")
    r.settled()
    faults.set("clock 7200000")
    wait_until(lambda: sealed(r) == 1, 20 * SLOW, "sealing")
    r.send(*[event(n) for n in range(3000, 3010)], bus="audit")
    r.settled()
    [path] = files(r, ".zst")
    text = subprocess.run(f"zstdcat '{path}' | jq -c .detail.n", shell=True, capture_output=True, text=True, check=True).stdout
    assert [int(line) for line in text.split()] == list(range(3000))
    code, out, _ = weir("match", "--count", '{"detail":{"n":[{"numeric":[">=",2990]}]}}', path)
    assert code == 0 and out.split()[-1] == "10"
    code, out, err = r.cli("replay", "all", "--from", "2000-01-01", "--to", "2100-01-01", "--rule", "again")
    assert code == 0, err
    assert sorted(numbers("\n".join(m["body"] for m in r.receive("again", 3010, 30)))) == list(range(3010))
    [one] = json.loads(r.get("/_weir/v1/archives")[1])["archives"]
    assert one["events"] == 3010 and one["disk_bytes"] < one["bytes"]
    image, index = path.read_bytes(), path.with_name(path.name + ".idx").read_bytes()
    for what in [["verify", r.folder / "data", "--json"], ["verify", "all", "-c", r.file, "--json"]]:
        code, out, _ = weir("archives", *what)
        assert code == 0 and json.loads(out) == {"files": 2, "events": 3010, "bytes": one["bytes"], "faults": 0}
    code, out, err = weir("archives", "verify", "none", "-c", r.file)
    assert code == 74 and "no archive" in err
    [growing] = files(r, ".ndjson")
    growing.rename(growing.with_suffix(".away"))
    os.truncate(path, path.stat().st_size - 1)
    path.with_name(path.name + ".idx").unlink()
    code, out, _ = weir("archives", "verify", "all", "-c", r.file)
    assert code == 65 and f"{growing}: No such file or directory, but 10 events of it are recorded" in out, out
    assert f"{path}: it has" in out and "no whole zstd frame" in out, out
    growing.with_suffix(".away").rename(growing)
    path.with_name(path.name + ".idx").write_bytes(index)
    path.write_bytes(image)

    image = bytearray(image)
    image[len(image) // 2] ^= 1
    path.write_bytes(image)
    code, out, _ = weir("archives", "verify", r.folder / "data", "--json")
    fault, total = [json.loads(line) for line in out.splitlines()]
    assert code == 65 and total["faults"] == 1 and fault["file"] == str(path) and "offset" in fault["fault"]


def test_a_file_that_was_removed(router, faults):
    """It keeps no other file from being sealed, not even one of an archive that left the configuration."""
    config = "buses: {audit: {}}\narchives: {all: {bus: audit}, gone: {bus: audit}, rest: {bus: audit}}\n"
    r = router(config, env=faults.env)
    r.send(*[event(n) for n in range(50)], bus="audit")
    r.settled()
    [path] = [path for path in files(r, ".ndjson") if "archives/all" in str(path)]
    path.unlink()
    r.configure(config.replace(" gone: {bus: audit},", ""))
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.metric("weir_config_generation") == 2, what="the reload")
    faults.set("clock 7200000")
    wait_until(lambda: len(files(r, ".zst.idx")) == 2 and not files(r, ".ndjson"), 20 * SLOW, "sealing of the others")
    assert sorted(everything(r)) == sorted(2 * list(range(50)))
    assert r.logged().count("going on with the others") == 1


def test_kills_while_hours_pass(router, faults):
    """The clock leaps over hours, files are sealed, and the router is killed at any moment: every event is there, once."""
    r = router(CONFIG, env=faults.env)
    count = 0
    for number in range(8):
        faults.set(f"clock {number * 3700000 + 1}")
        for _ in range(3):
            r.send(*[event(n, pad="x" * 500) for n in range(count, count + 100)], bus="audit")
            count += 100
        r.settled()
        faults.set(f"clock {(number + 1) * 3700000 + 1}")
        if number % 2:
            time.sleep(random.uniform(0, 0.1))
        r.kill()
        r.start()  # seals at once
        time.sleep(random.uniform(0, 0.15))
        r.kill()
        assert sorted(everything(r)) == list(range(count))
        r.start()
    wait_until(lambda: sealed(r) == 8, 30 * SLOW, "sealing of all")
    assert r.stop() == 0
    r.start()
    assert sorted(everything(r)) == list(range(count)) and not files(r, ".uncommitted") and not files(r, ".tmp")
    code, out, _ = weir("archives", "verify", r.folder / "data")
    assert code == 0 and f"{count} events" in out, out


def test_a_file_that_somebody_removes_holds_nothing_up(router):
    r = router(CONFIG.replace("rules: {", "rules: {some: {bus: audit, pattern: {source: [test.app]}, targets: [again]}, "))
    r.send(event(0), event(1), bus="audit")
    assert len(r.receive("again", 2)) == 2
    files(r, ".ndjson")[0].unlink()
    r.send(event(2), bus="audit")
    assert len(r.receive("again", 1)) == 1
    r.settled()
    assert "was removed or cut" in r.logged() and everything(r) == [2]
    r.kill()
    files(r, ".ndjson")[0].unlink()
    r.start()
    r.send(event(3), bus="audit")
    assert len(r.receive("again", 1)) == 1
    r.settled()
    assert "a target has lost something" in r.logged() and everything(r) == [3]
