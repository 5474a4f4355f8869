# SPDX-License-Identifier: Apache-2.0
"""The Lambda Runtime API: unmodified bootstraps, good ones and bad ones."""
import base64
import json
import os
import signal
import textwrap
import threading

import pytest

from conftest import Router, wait_until
from test_lambda import client_of

# The bootstrap of AWS's tutorial on custom runtimes.
SHELL = r"""#!/bin/sh
set -euo pipefail
. "$LAMBDA_TASK_ROOT/$(echo $_HANDLER | cut -d. -f1).sh"
while true; do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  rm -f "$HEADERS"
  RESPONSE=$($(echo "$_HANDLER" | cut -d. -f2) "$EVENT_DATA")
  curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "$RESPONSE" >/dev/null
done
""".replace("set -euo pipefail", "set -eu")
HANDLER = """handler() { echo "handling" >&2; echo "{\\"got\\": $1}"; }\n"""

# What runtimes for Python do, with one connection that is kept.
PYTHON = """#!/usr/bin/python3
import http.client, json, os, sys, time
if os.environ["_HANDLER"] == "init.fails":
    c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    c.request("POST", "/2018-06-01/runtime/init/error", json.dumps({"errorMessage": "no module", "errorType": "ImportError"}),
              {"Lambda-Runtime-Function-Error-Type": "Runtime.ImportModuleError"})
    assert c.getresponse().status == 202
    sys.exit(1)
if os.environ["_HANDLER"] == "init.dies":
    sys.exit("cannot even say so")
c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"
count = 0
while True:
    c.request("GET", base + "next")
    r = c.getresponse()
    event, id = json.loads(r.read()), r.headers["Lambda-Runtime-Aws-Request-Id"]
    left = int(r.headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
    count += 1
    what = event.get("do")
    if what == "exit":
        print("going away", flush=True)
        sys.exit(7)
    if what == "hang":
        time.sleep(60)
    if what == "poll":
        other = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        other.request("GET", base + "next")
        refused = other.getresponse()
        event = [refused.status, json.loads(refused.read())]
    if what == "flood":
        for i in range(5000):
            print("flood", i)
    sys.stdout.flush()
    if what == "fail":
        c.request("POST", base + id + "/error", json.dumps({"errorMessage": "bad input", "errorType": "ValueError", "stackTrace": []}),
                  {"Lambda-Runtime-Function-Error-Type": "Unhandled"})
    elif what == "wrong id":
        c.request("POST", base + "00000000-0000-0000-0000-000000000000/response", "{}")
        r = c.getresponse()
        body = r.read()
        c.request("POST", base + id + "/response", json.dumps({"status": r.status, "body": json.loads(body)}))
    elif what == "poll":
        c.request("POST", base + id + "/response", json.dumps(event))
    elif what == "too long":
        c.request("POST", base + id + "/response", b'"' + b"x" * (6 << 20) + b'"')
        r = c.getresponse()
        body = r.read()
        c.request("POST", base + id + "/error", json.dumps({"errorMessage": str(r.status) + json.loads(body)["errorType"]}))
    elif what == "stream":
        c.request("POST", base + id + "/response", iter([b'{"a":', b"1}"]), encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked", "Lambda-Runtime-Function-Response-Mode": "streaming"})
    else:
        names = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_REGION", "TZ",
                 "MINE", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME"]
        c.request("POST", base + id + "/response", json.dumps({
            "pid": os.getpid(), "count": count, "id": id, "arn": r.headers["Lambda-Runtime-Invoked-Function-Arn"],
            "left": left, "trace": r.headers["Lambda-Runtime-Trace-Id"], "context": r.headers["Lambda-Runtime-Client-Context"],
            "env": {n: os.environ[n] for n in names}}))
    r = c.getresponse()
    r.read()
    assert r.status == 202, r.status
"""

# Opens connections and leaves them, half a request on each.
HOSTILE = """#!/usr/bin/python3
import os, socket, time
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
held = []
for i in range(400):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((host, int(port)))
    held.append(s)
time.sleep(0.2)
for s in held:
    try:
        s.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost:")
    except OSError:
        pass
time.sleep(0.5)
"""

CONFIG = """
functions:
  shell: {runtime: provided, command: [./shell/bootstrap], handler: function.handler, timeout: 5s}
  python: {runtime: provided, command: [./python], timeout: 1s, concurrency: 2, environment: {MINE: "yes"}}
  single: {runtime: provided, command: [./python], timeout: 5s, concurrency: 1, idle_timeout: 300ms, environment: {MINE: "yes"}}
  warm: {runtime: provided, command: [./python], timeout: 10s, concurrency: 1, environment: {MINE: "yes"}}
  late: {runtime: provided, command: [./python], timeout: 1s, concurrency: 1, environment: {MINE: "yes"}}
  failing: {runtime: provided, command: [./python], handler: init.fails}
  dying: {runtime: provided, command: [./python], handler: init.dies}
  hostile: {runtime: provided, command: [./hostile], timeout: 100ms}
  missing: {runtime: provided, command: [./nothing]}
queues: {done: {}}
rules:
  all: {pattern: {source: [test.app]}, targets: [python]}
"""


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    r = Router(tmp_path_factory.mktemp("runtime"), CONFIG)
    write(r.folder / "shell" / "bootstrap", SHELL)
    write(r.folder / "shell" / "function.sh", HANDLER)
    write(r.folder / "python", PYTHON)
    write(r.folder / "hostile", HOSTILE)
    yield r.start()
    r.stop()


@pytest.fixture(scope="module")
def invoke(served):
    aws = client_of(served)

    def call(name, event=None):
        got = aws.invoke(FunctionName=name, Payload=json.dumps(event or {}))
        said = got["Payload"].read()
        return got.get("FunctionError"), json.loads(said) if said else None

    return call


def test_the_bootstrap_of_the_tutorial(invoke, served):
    assert invoke("shell", {"n": 1}) == (None, {"got": {"n": 1}})
    assert invoke("shell", [2]) == (None, {"got": [2]})
    wait_until(lambda: served.logged().count("line=handling") + served.logged().count('"line":"handling"') == 2, what="its output in the log")


def test_a_process_is_kept_warm(invoke, served):
    error, first = invoke("warm")
    assert error is None and first["arn"].endswith(":function:warm") and 0 < first["left"] <= 10000
    assert first["trace"].startswith("Root=1-")
    assert first["env"] == {"AWS_LAMBDA_FUNCTION_NAME": "warm", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "TZ": ":UTC",
                            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_REGION": "us-east-1", "MINE": "yes",
                            "LAMBDA_TASK_ROOT": str(served.folder), "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/warm"}
    assert first["context"] is None
    context = base64.b64encode(b'{"client": {"app_title": "x"}}').decode()
    got = client_of(served).invoke(FunctionName="warm", ClientContext=context)["Payload"].read()
    assert json.loads(json.loads(got)["context"]) == {"client": {"app_title": "x"}}
    second = invoke("warm")[1]
    assert (second["pid"], second["count"]) == (first["pid"], first["count"] + 2) and second["id"] != first["id"]


def test_errors_of_the_function(invoke):
    assert invoke("python", {"do": "fail"}) == ("Unhandled", {"errorMessage": "bad input", "errorType": "ValueError", "stackTrace": []})
    error, said = invoke("python", {"do": "wrong id"})
    assert (error, said) == (None, {"status": 400, "body": {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}})
    assert invoke("python", {"do": "too long"}) == ("Unhandled", {"errorMessage": "413RequestEntityTooLarge"})
    assert invoke("python", {"do": "stream"}) == (None, {"a": 1})
    error, (status, said) = invoke("python", {"do": "poll"})
    assert (error, status, said["errorType"]) == (None, 403, "InvalidStateTransition")


def test_a_process_that_ends_is_started_again(invoke):
    before = invoke("single")[1]
    error, said = invoke("single", {"do": "exit"})
    assert error == "Unhandled" and said["errorType"] == "Runtime.ExitError"
    assert said["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")
    after = invoke("single")[1]
    assert after["pid"] != before["pid"] and after["count"] == 1


def test_a_deadline_kills(invoke):
    before = invoke("late")[1]
    error, said = invoke("late", {"do": "hang"})
    assert error == "Unhandled" and said["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    wait_until(lambda: not os.path.exists(f"/proc/{before['pid']}"), what="its end")
    assert invoke("late")[1]["count"] == 1


def test_an_idle_process_ends(invoke):
    pid = invoke("single")[1]["pid"]
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the end of an idle process")


def test_what_cannot_start(invoke):
    assert invoke("failing") == ("Unhandled", {"errorMessage": "no module", "errorType": "ImportError"})
    error, said = invoke("dying")
    assert error == "Unhandled" and said["errorMessage"].endswith("Runtime exited with error: exit status 1")
    error, said = invoke("missing")
    assert error == "Unhandled" and said["errorType"] == "Runtime.InvalidEntrypoint"


def test_a_hostile_runtime_hurts_nobody(invoke, served):
    answers = []
    one = threading.Thread(target=lambda: answers.append(invoke("hostile")), daemon=True)
    one.start()
    for _ in range(5):
        assert invoke("python")[0] is None
    descriptors = len(os.listdir(f"/proc/{served.process.pid}/fd"))
    assert descriptors < 200, descriptors
    assert served.get("/healthz")[0] == 200
    one.join(20)
    assert answers[0][0] == "Unhandled" and answers[0][1]["errorMessage"].endswith("exit status 0")


def test_output_in_the_log_is_bounded(invoke, served):
    assert invoke("python", {"do": "flood"})[0] is None
    assert invoke("python")[0] is None
    assert 0 < served.logged().count("flood") < 1500


def test_web_pages_are_refused(invoke, served):
    pid = invoke("warm")[1]["pid"]
    api = dict(v.split("=", 1) for v in open(f"/proc/{pid}/environ").read().split("\0") if "=" in v)["AWS_LAMBDA_RUNTIME_API"]
    url, served.url = served.url, "http://" + api
    try:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert served.request("GET", "/2018-06-01/runtime/invocation/next", headers=headers)[0] == 403
        assert served.request("GET", "/2018-06-01/runtime/nothing")[0] == 404
    finally:
        served.url = url
    assert invoke("warm")[0] is None


def test_rules_deliver_to_it(served):
    served.send(*({"source": "test.app", "detail-type": "t", "detail": {"n": n}} for n in range(20)))
    served.settled()
    assert served.metric('weir_deliveries_total{bus="default",rule="all",target="function/python",result="delivered"}') == 20


def is_child(pid, parent):
    try:
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]) == parent
    except OSError:
        return False


def test_a_reload_while_one_is_busy(tmp_path):
    """Its target is replaced, and goes with the last answer: not while that is still being taken."""
    config = "functions: {python: {runtime: provided, command: [./python], timeout: %ds, environment: {MINE: \"yes\"}}}\n"
    r = Router(tmp_path / "router", config % 4)
    write(r.folder / "python", PYTHON.replace('what == "hang":', 'what == "wait":\n        while not os.path.exists(event["for"]):\n'
                                              '            time.sleep(0.02)\n    if what == "hang":'))
    r.start()
    aws = client_of(r)
    answers = []
    for n in range(5, 8):
        waiting = threading.Thread(target=lambda: answers.append(
            aws.invoke(FunctionName="python", Payload=json.dumps({"do": "wait", "for": str(tmp_path / f"go{n}")}))))
        waiting.start()
        pids = wait_until(lambda: [p for p in os.listdir("/proc") if p.isdigit() and is_child(p, r.process.pid)])
        r.configure(config % n)
        generation = r.status()["generation"]
        r.process.send_signal(signal.SIGHUP)
        wait_until(lambda: r.status()["generation"] > generation, what="the reload")
        (tmp_path / f"go{n}").touch()
        waiting.join()
        assert json.loads(answers[-1]["Payload"].read())["count"] == 1
        wait_until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), what="the end of the replaced one's process")
    assert r.stop() == 0
