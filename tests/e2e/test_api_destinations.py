# SPDX-License-Identifier: Apache-2.0
"""Connections and API destinations of weir.yaml, against real servers: what requests say, how they are authorized,
what is tried again; no secret in any log or data file."""
import base64
import collections
import http.server
import json
import signal
import threading
import time
import urllib.parse

import pytest

from conftest import event, wait_until

FAST = "retry_policy: {base: 10ms, cap: 30ms}, circuit: {failures: 0}"


class Api:
    """An HTTP server that keeps what it is asked: answer(request) -> status, (status, headers) or (status, headers, body)."""

    def __init__(self, answer=lambda request: 200):
        api = self
        self.requests, self.answer, self.lock = [], answer, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                url = urllib.parse.urlsplit(self.path)
                request = {"method": self.command, "path": url.path, "headers": dict(self.headers), "url": self.path,
                           "query": urllib.parse.parse_qsl(url.query, keep_blank_values=True),
                           "body": self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()}
                with api.lock:
                    request["number"] = len(api.requests) + 1
                    api.requests.append(request)
                answer = api.answer(request)
                status, headers, body = (*answer, b"")[:3] if isinstance(answer, tuple) else (answer, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_one

            def do_HEAD(self):
                self.handle_one()

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 64

            def handle_error(self, request, client_address):
                pass  # who did not wait for the answer

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def wait(self, count):
        wait_until(lambda: len(self.requests) >= count, what=f"{count} requests, have {len(self.requests)}")
        return self.requests

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def api():
    made = []

    def make(*arguments):
        made.append(Api(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def destination(url, connection, rule="", more=""):
    return f"""
{connection}
api_destinations:
  calls: {{connection: c, invocation_endpoint: "{url}", {FAST}{more}}}
rules:
  r:
    pattern: {{source: [test.app]}}
    targets:
      - {{target: calls{rule}}}
"""


def destinations(entries, connections):
    """Each is called for every event."""
    return connections + "\napi_destinations:\n" + "".join(f"  {name}: {{{entry}, {FAST}}}\n" for name, entry in entries.items()) + (
        f"rules: {{r: {{pattern: {{source: [test.app]}}, targets: [{', '.join(entries)}]}}}}\n")


BASIC = 'connections: {c: {authorization_type: BASIC, auth_parameters: {basic: {username: ann, password: {env: PASSWORD}}}}}'
SECRETS = {"PASSWORD": "pa55:word", "API_KEY": "k3y-0f-m1ne", "CLIENT_SECRET": "cl1ent/s3cret", "TENANT": "t3nant"}


def clean(router, *secrets):
    """No secret in the log, in what the router tells, or in its files."""
    told = router.logged() + json.dumps(router.status()) + router.get("/metrics")[1]
    router.stop()
    files = b"".join(f.read_bytes() for f in router.folder.rglob("data/**/*") if f.is_file() and f.name != "secret.key")
    for secret in secrets:
        assert secret not in told and secret.encode() not in files, secret


# ---- what a request says ----

def test_a_request_says_what_connection_and_rule_say(router, api):
    server = api()
    r = router(destination(server.url + "/v1/*/items/*?fixed=1", """
connections:
  c:
    authorization_type: API_KEY
    auth_parameters:
      api_key: {name: X-Api-Key, value: {env: API_KEY}}
      invocation_http_parameters:
        header_parameters: {X-Tenant: {env: TENANT}, X-Both: connection, Host: elsewhere, User-Agent: other}
        query_string_parameters: {tenant: "a b&c", both: connection}
        body_parameters: {added: "by \\"c\\"", detail-type: replaced}
""", """, http_parameters: {
        path_parameter_values: [$.detail.id, $.detail.n],
        header_parameters: {X-Detail: $.detail.text, X-Both: rule, x-api-key: rule, X-Constant: one},
        query_string_parameters: {id: $.detail.id, both: rule, list: $.detail.list}}""", ", http_method: PUT"),
               env=SECRETS)
    r.send(event(7, id="a/b c?", text="line\nX-Evil: 1", list=[1, {"a": 2}]))
    r.settled()
    (got,) = server.requests
    assert got["method"] == "PUT" and got["path"] == "/v1/a%2Fb%20c%3F/items/7"
    assert sorted(got["query"]) == [("both", "connection"), ("fixed", "1"), ("id", "a/b c?"), ("list", '[1,{"a":2}]'),
                                    ("tenant", "a b&c")]
    h = got["headers"]
    assert h["X-Api-Key"] == SECRETS["API_KEY"] and h["X-Tenant"] == SECRETS["TENANT"] and h["X-Both"] == "connection"
    assert h["X-Detail"] == "line%0AX-Evil: 1" and h["X-Constant"] == "one" and "X-Evil" not in h
    assert h["User-Agent"] == "Amazon/EventBridge/ApiDestinations" and h["Host"] == server.url[7:]
    assert h["Content-Type"] == "application/json; charset=utf-8"
    body = json.loads(got["body"])
    assert body["added"] == 'by "c"' and body["detail-type"] == "replaced" and body["detail"]["n"] == 7
    assert got["body"].count("detail-type") == 1
    clean(r, SECRETS["API_KEY"], SECRETS["TENANT"])


def test_methods(router, api):
    server = api()
    bodies = {"GET": False, "HEAD": False, "OPTIONS": False, "DELETE": True, "PATCH": True, "POST": True}
    r = router(destinations({m: f'connection: c, invocation_endpoint: "{server.url}/{m}", http_method: {m}' for m in bodies}, BASIC),
               env=SECRETS)
    r.send(event(1))
    r.settled()
    assert {q["path"][1:]: q["method"] for q in server.requests} == {m: m for m in bodies} and len(server.requests) == len(bodies)
    for q in server.requests:
        assert bool(q["body"]) == ("Content-Length" in q["headers"]) == bodies[q["method"]]
        assert base64.b64decode(q["headers"]["Authorization"].split()[1]).decode() == "ann:pa55:word"


def test_what_cannot_be_rendered_is_dead_lettered(router, api):
    server = api()
    r = router(destination(server.url + "/*", """
connections:
  c:
    authorization_type: BASIC
    auth_parameters: {basic: {username: u, password: p}, invocation_http_parameters: {body_parameters: {a: b}}}
""", """, http_parameters: {path_parameter_values: [$.detail.id]}, id: no-id}
      - {target: calls, id: few, input: {a: 1}}
      - {target: calls, id: text, input: "\\"text\\"", http_parameters: {path_parameter_values: [x]}"""))
    r.send(event(1))
    letters = [m["attributes"] for m in r.receive("dead-letters", 3)]
    assert sorted((a["ERROR_MESSAGE"], a["ERROR_CODE"]) for a in letters) == [
        ("http_parameters '$.detail.id' is not in the event", "INVALID_INPUT"),
        ("the connection has body parameters, and the input is no JSON object to add them to", "INVALID_PARAMETER"),
        ("the endpoint has more * than the rule's target has path values, 0", "INVALID_PARAMETER")]
    assert not server.requests


# ---- what is tried again ----

def test_what_is_tried_again(router, api):
    statuses = [401, 407, 409, 429, 500, 503]
    seen = collections.Counter()

    def answer(request):
        seen[request["path"]] += 1
        return int(request["path"][1:]) if seen[request["path"]] < 3 else 204

    server = api(answer)
    r = router(destinations({f"s{s}": f'connection: c, invocation_endpoint: "{server.url}/{s}"' for s in statuses}, BASIC),
               env=SECRETS)
    r.send(event(1))
    r.settled()
    assert seen == {f"/{s}": 3 for s in statuses} and not r.receive("dead-letters")


def test_what_is_not_tried_again(router, api):
    answers = {"HTTP_400": (400, {}), "HTTP_404": (404, {}), "HTTP_408": (408, {}), "HTTP_302": (302, {"Location": "/other"}),
               "HTTP_503": (503, {"Retry-After": "-1"}), "THROTTLING": (429, {"Retry-After": "-5"})}
    server = api(lambda request: (*answers[request["path"][1:]], b"told you: pa55:word"))
    r = router(destinations({code: f'connection: c, invocation_endpoint: "{server.url}/{code}"' for code in answers}, BASIC),
               env=SECRETS)
    r.send(event(1))
    letters = r.receive("dead-letters", len(answers))
    assert {m["attributes"]["ERROR_CODE"] for m in letters} == set(answers) and len(server.requests) == len(answers)
    clean(r, "pa55:word", "told you")


def test_retry_after_is_kept(router, api):
    at = []
    server = api(lambda request: at.append(time.monotonic()) or ((429, {"Retry-After": "1"}) if len(at) == 1 else 200))
    r = router(destination(server.url, BASIC), env=SECRETS)
    r.send(event(1))
    server.wait(2)
    assert at[1] - at[0] >= 0.99


def test_a_slow_api_is_a_time_out(router, api):
    hang = threading.Event()
    server = api(lambda request: (request["number"] > 1 or hang.wait(20)) and 200)
    r = router(destination(server.url, BASIC, "", ", timeout: 100ms"), env=SECRETS)
    r.send(event(1))
    server.wait(2)
    r.settled()
    hang.set()
    assert "TIMEOUT" in r.logged() and not r.receive("dead-letters")


# ---- OAuth ----

class Tokens:
    """An authorization server: tokens are good until somebody expires them."""

    def __init__(self):
        self.good, self.count, self.status = None, 0, 200

    def answer(self, request):
        if self.status != 200:
            return self.status, {}, b'{"error":"invalid_client","error_description":"never cl1ent/s3cret"}'
        self.count += 1
        self.good = f"t0ken-{self.count}"
        return 200, {}, json.dumps({"access_token": self.good, "token_type": "bearer", "expires_in": 3600}).encode()

    def guard(self, request):
        return 200 if request["headers"]["Authorization"] == f"Bearer {self.good}" else 401


def oauth(url, method="POST", name="c", parameters="{}"):
    return f"""
  {name}:
    authorization_type: OAUTH_CLIENT_CREDENTIALS
    auth_parameters:
      oauth: {{client_id: me, client_secret: {{env: CLIENT_SECRET}}, authorization_endpoint: "{url}/token",
        http_method: {method}, oauth_http_parameters: {parameters}}}
"""


def test_a_token_is_fetched_once_and_again_when_it_is_refused(router, api):
    tokens = Tokens()
    server, authority = api(tokens.guard), api(tokens.answer)
    r = router(destination(server.url, "connections:" + oauth(authority.url)), env=SECRETS)
    r.send(*[event(n) for n in range(20)])
    r.settled()
    assert len(authority.requests) == 1 and len(server.requests) == 20
    asked = authority.requests[0]
    assert asked["method"] == "POST" and asked["body"] == "grant_type=client_credentials"
    assert asked["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(asked["headers"]["Authorization"].split()[1]).decode() == "me:cl1ent%2Fs3cret"

    tokens.good = "another"  # what they have is refused from now on
    r.send(event(20))
    r.settled()
    assert len(authority.requests) == 2 and len(server.requests) == 22  # 401, and again with a new one
    assert "trying again" not in r.logged()  # all in one attempt
    clean(r, SECRETS["CLIENT_SECRET"], "t0ken-1", "t0ken-2")


def test_an_authority_that_is_down_or_says_no(router, api):
    tokens = Tokens()
    tokens.status = 401
    server, authority = api(tokens.guard), api(tokens.answer)
    r = router(destination(server.url, "connections:" + oauth(authority.url)), env=SECRETS)
    r.send(*[event(n) for n in range(5)])
    authority.wait(2)
    tokens.status = 503
    authority.wait(len(authority.requests) + 2)
    assert not server.requests
    tokens.status = 200
    r.settled()
    assert len(server.requests) == 5 and not r.receive("dead-letters")
    assert "no access token: the authorization endpoint: answered 401: invalid_client" in r.logged()
    clean(r, "never", SECRETS["CLIENT_SECRET"])


def test_a_token_that_is_always_refused_is_tried_again(router, api):
    tokens = Tokens()
    server, authority = api(lambda request: 401 if request["number"] < 4 else 200), api(tokens.answer)
    r = router(destination(server.url, "connections:" + oauth(authority.url)), env=SECRETS)
    r.send(event(1))
    r.settled()
    # two attempts of two requests each
    assert len(server.requests) == 4 and len(authority.requests) == 3 and r.logged().count("trying again") == 1


def test_how_a_token_is_asked_for(router, api):
    tokens = Tokens()
    server, authority = api(), api(tokens.answer)
    r = router(destinations({name: f'connection: {name}, invocation_endpoint: "{server.url}"' for name in ["q", "j", "f"]},
                            "connections:" + oauth(authority.url + "/q", "GET", "q",
                                                   "{body_parameters: {scope: a b}, query_string_parameters: {v: '1'}}")
                            + oauth(authority.url + "/j", "PUT", "j", "{header_parameters: {Content-Type: application/json}, "
                                    "body_parameters: {audience: x, grant_type: other}}")
                            + oauth(authority.url + "/f", "POST", "f",
                                    "{body_parameters: {client_id: me, client_secret: {env: CLIENT_SECRET}}}")), env=SECRETS)
    r.send(event(1))
    r.settled()
    asked = {q["path"]: (q["method"], q["body"], q["query"], "Authorization" in q["headers"]) for q in authority.requests}
    assert asked == {
        "/q/token": ("GET", "", [("v", "1"), ("grant_type", "client_credentials"), ("scope", "a b")], True),
        "/j/token": ("PUT", '{"audience":"x","grant_type":"other"}', [], True),
        "/f/token": ("POST", "grant_type=client_credentials&client_id=me&client_secret=cl1ent%2Fs3cret", [], False)}
    assert len(server.requests) == 3


def test_what_is_no_token(router, api):
    answers = [b"", b"[]", b'{"access_token":7}', b'{"access_token":""}', b'{"token":"x"}', b'{"access_token":"a\\nb"}', b"x" * 100000]
    seen = collections.Counter()

    def answer(request):
        seen[request["path"]] += 1
        number = int(request["path"].split("/")[1])
        return 200, {}, answers[number] if seen[request["path"]] == 1 else b'{"access_token":"good","expires_in":"60"}'

    server, authority = api(), api(answer)
    numbers = range(len(answers))
    r = router(destinations({f"d{n}": f'connection: c{n}, invocation_endpoint: "{server.url}"' for n in numbers},
                            "connections:" + "".join(oauth(f"{authority.url}/{n}", name=f"c{n}") for n in numbers)), env=SECRETS)
    r.send(event(1))
    r.settled()
    assert set(seen.values()) == {2} and {q["headers"]["Authorization"] for q in server.requests} == {"Bearer good"}
    assert len(server.requests) == len(answers) and "answered 200 without an access token" in r.logged()


# ---- changes ----

def reload(r, generation):
    r.process.send_signal(signal.SIGHUP)
    wait_until(lambda: r.status()["generation"] == generation, what=f"generation {generation}")


def test_a_changed_connection_counts_from_the_next_attempt(router, api):
    password = base64.b64encode(b"ann:new").decode()
    server = api(lambda request: 200 if request["headers"]["Authorization"] == "Basic " + password else 401)
    config = destination(server.url, BASIC)
    r = router(config, env=SECRETS)
    r.send(event(1))
    server.wait(2)
    r.configure(config.replace("{env: PASSWORD}", "new").replace("base: 10ms", "base: 11ms"))
    reload(r, 2)
    r.settled()
    assert not r.receive("dead-letters")
    r.configure(config.replace("authorization_type: BASIC", "authorization_type: BASIC, deauthorized: true"))
    reload(r, 3)
    before = len(server.requests)
    r.send(event(2))
    (letter,) = r.receive("dead-letters", 1)
    assert letter["attributes"]["ERROR_CODE"] == "NO_PERMISSIONS"
    assert letter["attributes"]["ERROR_MESSAGE"] == "connection 'c' is deauthorized" and len(server.requests) == before
