# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4, written down once more for the tests: what a client signs, with every part open to mischief."""
import datetime
import hashlib
import hmac
import http.client
import socket
import ssl
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()


def now(offset=0):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)).strftime("%Y%m%dT%H%M%SZ")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, date, region, service):
    return mac(mac(mac(mac(("AWS4" + secret).encode(), date), region), service), "aws4_request")


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_path(path):
    out = []
    for segment in path.split("/"):
        if segment == "..":
            out and out.pop()
        elif segment not in ("", "."):
            out.append(quote(segment))
    return "/" + "/".join(out) + ("/" if path.endswith("/") and out else "")


def canonical_query(query):
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    decode = urllib.parse.unquote_plus
    return "&".join(f"{n}={v}" for n, v in sorted((quote(decode(n)), quote(decode(v))) for n, _, v in pairs))


def canonical(method, path, query, headers, payload):
    """headers: (name, value) pairs, those that are signed"""
    values = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = "".join(f"{name}:{','.join(values[name])}\n" for name in sorted(values))
    return "\n".join([method, canonical_path(path), canonical_query(query), lines, ";".join(sorted(values)), payload])


class Signer:
    def __init__(self, key, secret, service="events", region="us-east-1"):
        self.key, self.secret, self.service, self.region = key, secret, service, region

    def sign(self, text, time):
        """(signature, scope) of a canonical request."""
        scope = f"{time[:8]}/{self.region}/{self.service}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
        return mac(signing_key(self.secret, time[:8], self.region, self.service), to_sign).hex(), scope

    def headers(self, method, target, host, headers=(), body=b"", time=None, payload=None):
        """The headers to send, Authorization last."""
        path, _, query = target.partition("?")
        time = time or now()
        signed = [("Host", host), *headers, ("X-Amz-Date", time)]
        if payload is not None:
            signed.append(("X-Amz-Content-Sha256", payload))
        digest = payload if payload is not None else hashlib.sha256(body).hexdigest()
        signature, scope = self.sign(canonical(method, path, query, signed, digest), time)
        names = ";".join(sorted({name.lower() for name, _ in signed}))
        return signed + [("Authorization", f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, "
                                           f"Signature={signature}")]

    def presign(self, method, target, host, headers=(), body=b"", time=None, expires=60):
        """The target with its signature."""
        path, _, query = target.partition("?")
        time = time or now()
        signed = [("Host", host), *headers]
        names = ";".join(sorted({name.lower() for name, _ in signed}))
        scope = f"{time[:8]}/{self.region}/{self.service}/aws4_request"
        more = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{scope}", "X-Amz-Date": time,
                "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names}
        query += ("&" if query else "") + urllib.parse.urlencode(more, quote_via=urllib.parse.quote, safe="")
        signature, _ = self.sign(canonical(method, path, query, signed, hashlib.sha256(body).hexdigest()), time)
        return f"{path}?{query}&X-Amz-Signature={signature}"

    def chunks(self, seed, time, parts, trailer=None):
        """A body in signed chunks behind a request whose signature was `seed`."""
        scope = f"{time[:8]}/{self.region}/{self.service}/aws4_request"
        key, body = signing_key(self.secret, time[:8], self.region, self.service), b""
        for part in [*parts, b""]:
            digest = hashlib.sha256(part).hexdigest()
            seed = mac(key, f"AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{seed}\n{EMPTY}\n{digest}").hex()
            body += b"%x;chunk-signature=%s\r\n" % (len(part), seed.encode()) + part + (b"\r\n" if part else b"")
        if trailer is None:
            return body + b"\r\n"
        digest = hashlib.sha256(trailer.encode() + b"\n").hexdigest()
        seed = mac(key, f"AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{seed}\n{digest}").hex()
        return body + f"{trailer}\r\nx-amz-trailer-signature:{seed}\r\n\r\n".encode()


def send(address, method, target, headers, body=b"", context=None):
    """(status, headers, body) of a request whose head is exactly this, with its length."""
    s = socket.create_connection(address, timeout=10)
    if context:
        s = context.wrap_socket(s, server_hostname="localhost")
    with s:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        if method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        s.sendall(f"{method} {target} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + body)
        answer = http.client.HTTPResponse(s, method=method)
        answer.begin()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
