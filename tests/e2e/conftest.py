# SPDX-License-Identifier: Apache-2.0
"""Real routers on loopback, on free ports, ended by pid. WEIR names the program (tests/run.sh sets it)."""
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
SLOW = float(os.environ.get("WEIR_TEST_SLOW", "1"))  # sanitizer builds stretch the waits


def wait_until(condition, seconds=15, what="condition"):
    """The first true value of condition(); fails after `seconds`."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.02)


def weir(*arguments, stdin=None, env=None, cwd=None, timeout=60):
    """Runs the program; gives (code, stdout, stderr) as texts."""
    done = subprocess.run([WEIR, *map(str, arguments)], input=stdin, capture_output=True, text=not isinstance(stdin, bytes),
                          timeout=timeout, cwd=cwd, env={**os.environ, **(env or {})})
    decode = lambda out: out.decode() if isinstance(out, bytes) else out
    return done.returncode, decode(done.stdout), decode(done.stderr)


class Router:
    """`weir run` on a configuration, in a folder of its own."""

    def __init__(self, folder, config, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "weir.yaml"
        self.env = env or {}
        self.configure(config)
        self.process = None
        self.url = None
        self.context = None  # of ssl, where it speaks TLS

    def configure(self, config):
        if not re.search(r"^version:", config, re.M):
            config = "version: 1\n" + config
        if "data:" not in config:
            config += "\ndata: ./data\n"
        self.file.write_text(config)

    def start(self, *flags):
        self.log = open(self.folder / "log", "ab")
        named = ("-c", str(self.file)) if self.file else ()  # file = None: without a configuration
        self.process = subprocess.Popen([WEIR, "run", *named, "--listen", "127.0.0.1:0", *flags], stdout=subprocess.PIPE,
                                        stderr=self.log, env={**os.environ, **self.env}, text=True,
                                        cwd=None if self.file else self.folder)
        self.banner = ""
        for line in self.process.stdout:
            self.banner += line
            found = re.search(r"https?://[0-9.:]+", line)
            if found:
                self.url = found.group(0)
                break
        assert self.url, f"no listening line; log: {self.logged()[-3000:]}"
        wait_until(lambda: self.get("/readyz")[0] == 200, what="readiness")
        return self

    def logged(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self):
        """kill -9, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def stop(self, seconds=30):
        """SIGTERM; gives the exit code."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"did not stop in {seconds} s; log: {self.logged()[-3000:]}")
        self.process.stdout.close()
        self.process = None
        assert "ERROR: " not in self.logged() and "WARNING: ThreadSanitizer" not in self.logged(), self.logged()[-6000:]
        return code

    # ---- talking to it ----
    def request(self, method, path, body=None, headers=None):
        """(status, headers, body text)"""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30 * SLOW, context=self.context) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    def get(self, path):
        try:
            status, _, body = self.request("GET", path)
            return status, body
        except OSError:
            return 0, ""

    def post(self, path, body, headers=None):
        status, _, text = self.request("POST", path, body, headers)
        return status, json.loads(text) if text.startswith("{") else text

    def send(self, *events, bus=None):
        """Posts events as NDJSON; every one must be accepted."""
        body = "".join(json.dumps(e) + "\n" for e in events)
        status, answer = self.post("/events" + (f"/{bus}" if bus else ""), body)
        assert (status, answer) == (200, {"accepted": len(events)}), answer

    def cli(self, *arguments, stdin=None):
        return weir(*arguments, "--url", self.url, stdin=stdin)

    def status(self):
        status, body = self.get("/_weir/v1/status")
        assert status == 200, body
        return json.loads(body)

    def take(self, queue):
        """Up to 100 messages, deleted."""
        status, answer = self.post(f"/_weir/v1/queues/{queue}/receive", {"max": 100})
        assert status == 200, answer
        got = answer["messages"]
        if got:
            status, answer = self.post(f"/_weir/v1/queues/{queue}/delete", {"receiptHandles": [m["receiptHandle"] for m in got]})
            assert status == 200 and answer["deleted"] == len(got), answer
        return got

    def receive(self, queue, expect=None, seconds=15):
        """All messages there, deleted; waits until there are `expect` of them."""
        messages = []

        def enough():
            while got := self.take(queue):
                messages.extend(got)
            return expect is None or len(messages) >= expect

        wait_until(enough, seconds, f"{expect} messages in {queue}, have {len(messages)}")
        return messages

    def settled(self):
        """Everything accepted was dispatched and nothing is owed."""
        def quiet():
            s = self.status()
            return s["journal"]["lag"] == 0 and sum(t["owed"] for t in s["targets"]) == 0
        wait_until(quiet, 30, "settling")

    def metric(self, line):
        """The value of one series, by its full name with labels; None when it is not there."""
        for one in self.get("/metrics")[1].splitlines():
            if one.rsplit(" ", 1)[0] == line:
                return float(one.rsplit(" ", 1)[1])
        return None


@pytest.fixture
def router(tmp_path):
    """A maker of routers: router(config) gives one that runs; all are stopped at the end."""
    made = []

    def make(config="", name="router", start=True, env=None):
        r = Router(tmp_path / name, config, env)
        made.append(r)
        return r.start() if start else r

    yield make
    for r in made:
        r.stop()


class Faults:
    """What tests/e2e/faults.c makes fail in the routers started with `env`."""

    def __init__(self, folder):
        self.path = folder / "faults"
        self.path.write_bytes(bytes(4096))
        self.env = {"LD_PRELOAD": str(pathlib.Path(WEIR).parent / "tests" / "faults.so"), "WEIR_FAULTS": str(self.path)}

    def set(self, *lines):
        with open(self.path, "r+b") as f:
            f.write(("\n".join(lines)).encode().ljust(4096, b"\0"))


@pytest.fixture
def faults(tmp_path):
    if SLOW > 1:
        pytest.skip("a sanitizer's own interceptors come first")
    return Faults(tmp_path)


class Receiver:
    """A webhook receiver whose answers a test scripts: answer(number, body) -> (status, headers) or None to hang."""

    def __init__(self, answer=None):
        receiver = self
        self.requests = []  # (headers, body)
        self.answer = answer or (lambda number, body: (200, {}))

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                receiver.requests.append((dict(self.headers), body))
                answer = receiver.answer(len(receiver.requests), body)
                if answer is None:
                    receiver.hang.wait(60)
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.hang = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = []

    def make(answer=None):
        made.append(Receiver(answer))
        return made[-1]

    yield make
    for r in made:
        r.close()


def event(number=0, source="test.app", detail_type="Thing Happened", **detail):
    return {"source": source, "detail-type": detail_type, "detail": {"n": number, **detail}}
