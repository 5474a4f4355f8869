# SPDX-License-Identifier: Apache-2.0
"""HTTPS: real clients, versions, slow and silent ones, and certificates that are renewed under open connections."""
import http.client
import json
import os
import socket
import ssl
import subprocess

import boto3
import pytest
from botocore.config import Config

from conftest import event, wait_until, weir
from sigv4 import Signer, send
from test_auth import BODY, CONFIG, SECRET, TARGET, Guarded, bearer, entry, plain, reload


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def issue(folder, name, authority):
    """A certificate for localhost, by an authority of our own."""
    key, request, pem = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", request, "-CA", authority / "ca.pem", "-CAkey", authority / "ca.key", "-CAcreateserial", "-days", 30,
            "-out", pem, "-extfile", names)
    key.chmod(0o600)
    return pem.read_bytes(), key.read_bytes()


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key", "-out",
            folder / "ca.pem", "-days", 30, "-subj", "/CN=ca")
    return {"ca": folder / "ca.pem", "first": issue(folder, "first", folder), "second": issue(folder, "second", folder)}


def put(r, pair):
    for name, data in zip(("server.pem", "server.key"), pair):
        (r.folder / name).write_bytes(data)
        (r.folder / name).chmod(0o600)


def make(folder, papers):
    r = Guarded(folder, "tls: {certificate: server.pem, key: server.key}\n" + CONFIG)
    put(r, papers["first"])
    r.context = ssl.create_default_context(cafile=papers["ca"])
    return r


@pytest.fixture(scope="module")
def secure(tmp_path_factory, papers):
    r = make(tmp_path_factory.mktemp("tls") / "r", papers).start()
    yield r
    r.stop()


def test_clients(secure, papers):
    assert "listening on https://127.0.0.1:" in secure.banner
    events = boto3.client("events", endpoint_url=secure.url, region_name="us-east-1", aws_access_key_id="AKIAADMIN", verify=str(papers["ca"]),
                          aws_secret_access_key=SECRET, config=Config(retries={"max_attempts": 0}))
    assert events.put_events(Entries=[entry()])["FailedEntryCount"] == 0
    assert secure.request("POST", "/events", plain(), bearer("shop-token-00002"))[0] == 200
    assert secure.request("POST", "/events", plain())[0] == 401


def test_large_and_many(secure):
    """Bodies larger than a record, and requests one behind the other on one connection."""
    connection = http.client.HTTPSConnection(*secure.address, context=secure.context)
    for size in (0, 1, 20_000, 900_000):
        body = json.dumps({"source": "shop.x", "detail-type": "t", "detail": {"pad": "x" * size}})
        connection.request("POST", "/events", body, bearer("shop-token-00002"))
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"accepted": 1})
    connection.close()
    with secure.context.wrap_socket(socket.create_connection(secure.address), server_hostname="localhost") as s:
        s.sendall(f"GET /healthz HTTP/1.1\r\nHost: {secure.host}\r\n\r\n".encode() * 3)  # in one record
        got = b""
        s.settimeout(10)
        while got.count(b"200 OK") < 3:
            got += s.recv(4096)


def test_unsigned_payloads(secure):
    signer = Signer("AKIAADMIN", SECRET)
    headers = signer.headers("POST", "/", secure.host, TARGET, payload="UNSIGNED-PAYLOAD")
    assert send(secure.address, "POST", "/", headers, BODY, secure.context)[0] == 200


def test_the_command_line(secure, papers):
    environment = {"WEIR_URL": secure.url, "WEIR_TOKEN": "the-cli-token-04", "WEIR_CA": str(papers["ca"])}
    code, out, error = weir("status", "--json", env=environment)
    assert code == 0 and json.loads(out.splitlines()[0]), error
    assert weir("send", stdin=json.dumps(event()), env=environment)[0] == 0
    file = secure.folder / "token"
    file.write_text("the-cli-token-04\n")
    assert weir("queues", "--url", secure.url, "--token", f"@{file}", "--cacert", papers["ca"])[0] == 0
    code, _, error = weir("status", "--url", secure.url, "--cacert", papers["ca"])
    assert code == 69 and "asks who you are" in error and "--token" in error
    code, _, error = weir("status", "--url", secure.url, "--token", "shop-token-00002", "--cacert", papers["ca"])
    assert code == 65 and "it has no route 'v1'" in error
    code, _, error = weir("status", "--url", secure.url, "--token", "the-cli-token-04")
    assert code == 69 and "certificate" in error, error
    code, _, error = weir("status", "--url", secure.url, "--token", "@/no/such/file", "--cacert", papers["ca"])
    assert code != 0 and "/no/such/file" in error


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions(secure, papers):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)), socket.create_connection(secure.address) as s:
        old.wrap_socket(s)
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        context = ssl.create_default_context(cafile=papers["ca"])
        context.minimum_version = context.maximum_version = version
        with context.wrap_socket(socket.create_connection(secure.address), server_hostname="localhost") as s:
            assert s.version() == name


def test_protocols_by_alpn(secure, papers):
    context = ssl.create_default_context(cafile=papers["ca"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection(secure.address), server_hostname="localhost") as s:
        assert s.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["ftp"])
    with pytest.raises((ssl.SSLError, ConnectionError)), socket.create_connection(secure.address) as s:
        context.wrap_socket(s, server_hostname="localhost")


def test_no_greeting(secure):
    """Plain HTTP, noise, and half a handshake end their own connection only."""
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, os.urandom(300)):
        with socket.create_connection(secure.address, timeout=10) as s:
            s.sendall(text)
            try:
                s.shutdown(socket.SHUT_WR)
                assert b"200" not in s.recv(4096)
            except OSError:
                pass
    assert secure.get("/healthz")[0] == 200


def test_renewal_drops_nobody(tmp_path, papers):
    r = make(tmp_path / "r", papers).start()

    def subject():
        with r.context.wrap_socket(socket.create_connection(r.address), server_hostname="localhost") as s:
            return dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"]

    try:
        assert subject() == "first"
        held = http.client.HTTPSConnection(*r.address, context=r.context)
        held.request("GET", "/healthz")
        assert held.getresponse().read() == b"ok\n"
        put(r, (papers["second"][0], papers["first"][1]))
        assert "is not the key of the certificate" in reload(r)["reload_failed"]["error"]
        assert subject() == "first"
        put(r, papers["second"])
        reload(r)
        assert subject() == "second"
        before = held.sock
        held.request("GET", "/healthz")
        assert held.getresponse().read() == b"ok\n" and held.sock is before, "the open connection goes on"
        held.close()
    finally:
        r.stop()


def test_watch_sees_certificates(tmp_path, papers):
    r = make(tmp_path / "r", papers).start("--watch")
    try:
        put(r, papers["second"])
        wait_until(lambda: "configuration reloaded" in r.logged(), what="the renewed certificate")
    finally:
        r.stop()


def test_papers_that_do_not_do(tmp_path, papers):
    r = make(tmp_path / "r", papers)

    def refused(text):
        code, _, error = weir("run", "-c", r.file, "--listen", "127.0.0.1:0", env=r.env)
        assert code == 78 and text in error, error

    (r.folder / "server.key").chmod(0o644)
    refused("is a private key and can be read by everybody")
    put(r, (papers["first"][0], papers["second"][1]))
    refused("is not the key of the certificate")
    put(r, (b"no certificate", papers["first"][1]))
    refused("server.pem' has no certificate that can be read")
    put(r, (papers["first"][0], b""))
    refused("server.key' has no private key that can be read")
    locked = subprocess.run(["openssl", "pkey", "-aes256", "-passout", "pass:secret"], input=papers["first"][1], capture_output=True, check=True)
    put(r, (papers["first"][0], locked.stdout))
    refused("has no private key that can be read")
    (r.folder / "server.pem").unlink()
    refused("has no certificate that can be read")
