#!/usr/bin/env python3
"""HTTPS as clients meet it: curl, Python's ssl and `drover` itself against a server with certificates from files, whose
certificate is exchanged while it runs."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import unittest

from certificates import Pair
from harness import PATIENCE, Client, Server, cli, environment, temp_folder, until

PADDED = 16 * 1024 * 1024  # the largest body that any route takes


def trusting(authority, client=None, version=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if client:
        context.load_cert_chain(client.certificate, client.key)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class HttpsClient(Client):
    """harness.Client through TLS."""

    def __init__(self, server, context, token=None):
        self.context = context
        super().__init__(server, token)

    def connect(self, server):
        return http.client.HTTPSConnection("localhost", server.port, timeout=60 + PATIENCE, context=self.context)

    def serial(self):
        return self.connection.sock.getpeercert()["serialNumber"]


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = temp_folder(cls)
        cls.ca = Pair(cls.folder, "ca", ca=True)
        cls.pair = Pair(cls.folder, "server", cls.ca)
        cls.server = Server(temp_folder(cls), *cls.pair.settings())
        cls.addClassCleanup(cls.server.close)
        cls.token = cls.server.token()

    def connect(self):
        return HttpsClient(self.server, trusting(self.ca), self.token)

    def secured(self, receive_buffer=None):
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", self.server.port))
        connection = trusting(self.ca).wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(connection.close)
        return connection

    def curl(self, *arguments):
        return subprocess.run(["curl", "-sS", "--cacert", self.ca.certificate, *arguments,
                               "https://localhost:%d/healthz" % self.server.port],
                              capture_output=True, text=True, timeout=PATIENCE)

    def test_addresses_that_are_told_begin_with_https(self):
        self.assertEqual(self.server.url, "https://127.0.0.1:%d" % self.server.port)
        until(lambda: "serving https://" in self.server.log(), "the log names the URL")

    def test_curl_speaks_1_2_and_1_3_and_nothing_older(self):
        for version in ("1.2", "1.3"):
            done = self.curl("--tlsv" + version, "--tls-max", version)
            self.assertEqual((done.returncode, json.loads(done.stdout or "null")), (0, {"status": "ok"}), done.stderr)
        old = self.curl("--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
        self.assertEqual(old.returncode, 35, old.stderr)  # CURLE_SSL_CONNECT_ERROR
        self.assertIn("alert protocol version", old.stderr)

    def test_curl_verifies_the_name(self):
        done = subprocess.run(["curl", "-sS", "--cacert", self.ca.certificate, "--resolve",
                               "other.test:%d:127.0.0.1" % self.server.port,
                               "https://other.test:%d/healthz" % self.server.port],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 60, done.stderr)  # CURLE_PEER_FAILED_VERIFICATION

    def test_the_connection_is_kept_and_requests_may_be_pipelined(self):
        with self.connect() as client:
            for _ in range(20):
                self.assertEqual(client.get("/healthz").status, 200)
        connection = self.secured()
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
        answers = b""
        while answers.count(b'{"status":"ok"}') < 500:
            part = connection.recv(65536)
            self.assertTrue(part)
            answers += part

    def test_large_bodies_both_ways(self):
        with self.connect() as client:
            few = {"instances": [{"instance_id": "padded", "address": "adb://127.0.0.1:1"}]}
            body = json.dumps(few).encode()
            answer = client.post("/api/v1/instances", body + b" " * (PADDED - len(body)))
            self.assertEqual(answer.status, 200, answer)
            many = {"instances": [{"instance_id": "phone-%05d" % i, "address": "adb://127.0.0.1:1"}
                                  for i in range(20000)]}
            self.assertEqual(client.post("/api/v1/instances", many).status, 200)
            listed = client.get("/api/v1/instances").json["instances"]
            self.assertLessEqual({i["instance_id"] for i in many["instances"]}, {i["instance_id"] for i in listed})

            # Who does not read holds nobody up, and gets all when it does.
            slow = self.secured(receive_buffer=4096)
            slow.sendall(b"GET /api/v1/instances HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: %s\r\n\r\n" %
                         self.token.encode())
            for _ in range(20):
                self.assertEqual(client.get("/healthz").status, 200)
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
            head, _, body = answer.partition(b"\r\n\r\n")
            self.assertIn(b"200 OK", head)
            self.assertGreaterEqual(len(json.loads(body)["instances"]), 20000)

    def test_what_is_no_tls_does_not_disturb(self):
        plain = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"400 Bad Request", plain.recv(65536))
        garbage = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        garbage.sendall(os.urandom(1).replace(b"\x16", b"\x17") + os.urandom(9999))
        half = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the beginning of a greeting
        with self.connect() as client:
            self.assertEqual(client.get("/healthz").status, 200)
            failed = next(line for line in client.get("/metrics").body.decode().splitlines()
                          if line.startswith("drover_http_tls_handshakes_failed_total "))
            self.assertGreaterEqual(float(failed.split()[1]), 1)
        for connection in (plain, garbage, half):
            connection.close()

    # `drover` as the client.

    def ask(self, *arguments, url=None, expect=0, **variables):
        return cli("instances", "list", "--server", url or "https://localhost:%d" % self.server.port, *arguments,
                   environment=environment(DROVER_TOKEN=self.token, **variables), expect=expect)

    def test_drover_trusts_who_it_is_told_to(self):
        self.ask("--ca", self.ca.certificate)
        self.ask(DROVER_CA=self.ca.certificate)
        self.ask("--ca", self.ca.certificate, url="https://127.0.0.1:%d" % self.server.port)
        self.ask(SSL_CERT_FILE=self.ca.certificate)  # the system's own

    def test_drover_trusts_nobody_else_and_says_why(self):
        other = Pair(self.folder, "other-ca", ca=True)
        for arguments, why in (([], "signed by nobody who is trusted here"),
                               (["--ca", other.certificate], "signed by nobody who is trusted here"),
                               (["--ca", self.folder + "/none"], "--ca " + self.folder + "/none: No such file")):
            self.assertIn(why, self.ask(*arguments, expect=2).stderr)
        plain = Server(temp_folder(self))
        self.addCleanup(plain.close)
        self.assertIn("does not speak TLS", self.ask(url=plain.url.replace("http:", "https:"), expect=2).stderr)
        self.assertIn("speaks TLS only", self.ask(url="http://localhost:%d" % self.server.port, expect=1).stderr)

        def why_not(pair, *arguments):
            server = Server(temp_folder(self), *pair.settings())
            try:
                return self.ask(*arguments, url="https://localhost:%d" % server.port, expect=2).stderr
            finally:
                server.close()
        self.assertIn("self-signed", why_not(Pair(self.folder, "alone")))
        trusted = ["--ca", self.ca.certificate]
        self.assertIn("not for localhost", why_not(Pair(self.folder, "elsewhere", self.ca, "DNS:elsewhere"), *trusted))
        self.assertIn("has expired", why_not(Pair(self.folder, "old", self.ca, days=-1), *trusted))


class ClientCertificates(unittest.TestCase):
    def test_who_has_none_or_a_wrong_one_is_not_served(self):
        folder = temp_folder(self)
        ca, clients, strangers = (Pair(folder, name, ca=True) for name in ("ca", "clients", "strangers"))
        right, wrong = Pair(folder, "right", clients), Pair(folder, "wrong", strangers)
        server = Server(folder, *Pair(folder, "server", ca).settings(tls_client_ca=clients.certificate))
        self.addCleanup(server.close)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with HttpsClient(server, trusting(ca, right, version)) as client:
                self.assertEqual(client.get("/healthz").status, 200)
            for who in (None, wrong):
                with HttpsClient(server, trusting(ca, who, version)) as client, self.assertRaises(ssl.SSLError):
                    client.get("/healthz")

        def ask(who, expect):
            shown = ["--client-certificate", who.certificate, "--client-key", who.key] if who else []
            return cli("instances", "list", "--server", "https://localhost:%d" % server.port, "--ca", ca.certificate,
                       *shown, environment=environment(DROVER_TOKEN=server.token()), expect=expect).stderr
        ask(right, 0)
        self.assertIn("give --client-certificate", ask(None, 2))
        self.assertIn("does not accept the certificate in " + wrong.certificate, ask(wrong, 2))
        server.cli("instances", "list")  # the Unix socket asks for nothing


class Reload(unittest.TestCase):
    def test_a_new_certificate_is_used_without_a_restart(self):
        folder = temp_folder(self)
        ca = Pair(folder, "ca", ca=True)
        first, second, third = (Pair(folder, name, ca) for name in ("first", "second", "third"))
        files = Pair(folder, "served", ca)

        def put(certificate, key):
            for source, target in ((certificate.certificate, files.certificate), (key.key, files.key)):
                shutil.copy(source, target + ".new")
                os.chmod(target + ".new", 0o600)
                os.rename(target + ".new", target)

        def served():
            with HttpsClient(server, trusting(ca)) as client:
                self.assertEqual(client.get("/healthz").status, 200)
                return client.serial()

        put(first, first)
        server = Server(folder, *files.settings())
        self.addCleanup(server.close)
        with HttpsClient(server, trusting(ca)) as old:
            self.assertEqual(old.get("/healthz").status, 200)
            connection = old.connection.sock
            put(second, second)
            until(lambda: served() == second.serial, "new connections meet the new certificate")
            self.assertEqual(old.get("/healthz").status, 200)
            self.assertIs(old.connection.sock, connection)
            self.assertEqual(old.serial(), first.serial)

        put(third, first)  # a pair that does not fit
        until(lambda: "not the key of the certificate" in server.log(), "the broken pair is logged")
        self.assertEqual(served(), second.serial)
        put(third, third)
        until(lambda: served() == third.serial, "the mended pair is used")
        self.assertEqual(server.stop(), 0)  # all of the log is written
        self.assertEqual(server.log().count("not the key of the certificate"), 1)
        self.assertEqual(server.log().count("TLS uses the certificate in " + files.certificate), 3)


class Start(unittest.TestCase):
    def setUp(self):
        self.folder = temp_folder(self)
        self.pair = Pair(self.folder, "server")

    def refused(self, *arguments):
        return cli("serve", "--http-port", "0", "--data-dir", self.folder + "/data", *arguments,
                   environment=environment(), expect=2).stderr

    def test_what_is_wrong_is_named_with_setting_and_file(self):
        other = Pair(self.folder, "other")
        shown = self.folder + "/shown.key"
        shutil.copy(self.pair.key, shown)
        os.chmod(shown, 0o644)
        for certificate, key, why in (
                (self.folder + "/none", self.pair.key, "http.tls_certificate: " + self.folder + "/none: No such file"),
                (self.pair.certificate, self.folder + "/none", "http.tls_key: " + self.folder + "/none: No such file"),
                (self.pair.certificate, shown, "http.tls_key: " + shown + ": others than its owner may use it"),
                (self.pair.certificate, other.key, "http.tls_key: " + other.key + ": not the key of"),
                (self.pair.key, self.pair.key, "http.tls_certificate: " + self.pair.key + ": not a certificate")):
            self.assertIn(why, self.refused("--http-tls-certificate", certificate, "--http-tls-key", key))
        self.assertIn("http.tls_key: needs http.tls_certificate", self.refused("--http-tls-key", self.pair.key))

    def test_doctor_looks_at_the_certificate(self):
        def verdict(pair, expect=0):
            report = cli("doctor", "--json", "--data-dir", data, environment=environment(
                DROVER_HTTP_TLS_CERTIFICATE=pair.certificate, DROVER_HTTP_TLS_KEY=pair.key), expect=expect)
            return next(check["result"] for check in json.loads(report.stdout)["checks"]
                        if check["check"] == "certificate")
        data = self.folder + "/data"
        Server(self.folder, data=data).close()
        self.assertEqual(verdict(self.pair), "ok")
        self.assertEqual(verdict(Pair(self.folder, "soon", days=13)), "warn")
        os.chmod(self.pair.key, 0o644)
        self.assertEqual(verdict(self.pair, expect=1), "fail")

    def test_beyond_loopback_there_is_tls_or_a_word_for_it(self):
        said = self.refused("--http-address", "0.0.0.0")
        for way in ("http.tls_certificate", "proxy", "http.allow_plaintext"):
            self.assertIn(way, said)
        for settings, warns in ((["--http-allow-plaintext", "true"], True), (self.pair.settings(), False)):
            server = Server(self.folder, "--http-address", "0.0.0.0", *settings)
            server.close()
            self.assertEqual("travel in clear" in server.log(), warns)
            os.remove(server.log_path)


if __name__ == "__main__":
    unittest.main()
