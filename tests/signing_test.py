#!/usr/bin/env python3
"""Signed requests as an independent signer makes them, and as somebody makes them who changes one on its way."""

import calendar
import gzip
import hashlib
import json
import os
import time
import unittest
from urllib.parse import parse_qsl, unquote

from harness import PATIENCE, Client, instance, started
from signing import Signer, authorization, canonical_request, sdk_date

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "identity", "testdata",
                       "signing-vectors.json")
SECRET = "sk+/='\"<secret>~%41"
LIST = "/v1/instances/batch-query"
COMMAND = "/v1/instances/async-command"
PAGE = [("x-request-id", "r"), ("page_no", "1"), ("page_size", "10")]


class TheSignerItself(unittest.TestCase):
    def test_signs_as_the_sdk_of_the_service_does(self):
        with open(VECTORS, encoding="utf-8") as file:
            vectors = json.load(file)
        self.assertGreaterEqual(len(vectors), 8)
        for vector in vectors:
            method, path, query = vector["canonical_request"].split("\n")[:3]
            with self.subTest(path=path, query=query):
                sent = dict(vector["headers"])
                names = sent["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
                headers = {name: value for name, value in sent.items() if name.lower() in names}
                meant_path, meant_query = meant(vector)
                body = vector.get("body", "").encode()
                self.assertEqual(canonical_request(method, meant_path, meant_query, headers, body),
                                 vector["canonical_request"])
                self.assertEqual(authorization(vector["ak"], vector["sk"], method, meant_path, meant_query, headers,
                                               body), sent["Authorization"])


def meant(vector):
    """Path and query of a target, without escapes."""
    path, _, query = vector["target"].partition("?")
    return unquote(path), parse_qsl(query, keep_blank_values=True)


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 3)
        drover = cls.server.cli
        drover("projects", "create", "shop", "--id", "5" * 32)
        drover("projects", "create", "other")
        drover("users", "create", "ci", "--no-password", "--role", "admin", "--project", "default")
        drover("keys", "create", "--user", "ci", "--access-key", "AKKNOWN", "--secret-file", "-", stdin=SECRET + "\n")

    def signer(self, access_key="AKKNOWN", secret_key=SECRET, project=None):
        signer = Signer(self.server, access_key, secret_key, project)
        self.addCleanup(signer.close)
        return signer

    def command(self, text="echo signed"):
        return json.dumps({"command": text, "instance_ids": [instance(0)]}).encode()

    def assert_refused(self, answer, *words, status=401, code="APIGW.0301"):
        self.assertEqual((answer.status, answer.json["error_code"]), (status, code), answer)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/json")
        self.assertTrue(answer.headers["X-Request-Id"])
        for word in words:
            self.assertIn(word, answer.json["error_msg"])

    def test_runs_a_command(self):
        signer = self.signer()
        answer = signer.signed("POST", COMMAND, body=self.command("echo \u4e2d\u6587"))
        self.assertEqual(answer.status, 200, answer)
        task = answer.json["data"]["task_id"]
        with Client(self.server, self.server.token()) as client:
            job, = client.wait_task(task)
        self.assertEqual(job["shown"], "\u4e2d\u6587\n")
        self.assertEqual(signer.signed("GET", "/v1/instances/tasks/" + task).json["data"]["jobs"][0]["status"], 2)
        # The same request, signature and date included, comes again when a client repeats it: that is no crime.
        repeated = {"body": self.command(), "date": sdk_date()}
        self.assertEqual([signer.signed("POST", COMMAND, **repeated).status for _ in range(2)], [200, 200])

    def test_what_clients_escape_is_their_business(self):
        signer = self.signer()
        query = PAGE + [("instance_name", "a b*c~d+e/\u4e2d('!)")]
        prefix = LIST + "?x-request-id=r&page_no=1&page_size=10&instance_name="
        for target in (None, prefix + "a%20b*c~d%2Be/%E4%B8%AD('!)", prefix + "a+b%2Ac%7Ed%2be%2f%e4%b8%ad%28%27%21%29",
                       LIST + "?page_size=10&instance_name=a%20b*c~d%2Be%2F%E4%B8%AD('!)&page_no=1&x-request-id=r",
                       "/v1/%69nstances/batch-query" + prefix[len(LIST):] + "a%20b*c~d%2Be%2F%E4%B8%AD('!)"):
            with self.subTest(target=target):
                self.assertEqual(signer.signed("GET", LIST, query=query, target_sent=target).status, 200)

    def test_other_headers_may_be_signed_too(self):
        signer = self.signer()
        headers = {"x-request-id": "tracing-7", "User-Agent": "probe/1.0; (a;b)", "Content-Type": "application/json"}
        answer = signer.signed("POST", COMMAND, body=self.command(), headers=headers)
        self.assertEqual((answer.status, answer.headers["X-Request-Id"]), (200, "tracing-7"))
        self.assert_refused(signer.signed("POST", COMMAND, body=self.command(), headers=headers,
                                          headers_sent={"x-request-id": "tracing-8"}))
        self.assert_refused(signer.signed("POST", COMMAND, body=self.command(), headers=headers,
                                          headers_sent={"x-request-id": None}), "x-request-id")

    def test_the_body_is_always_covered(self):
        signer = self.signer()
        body = self.command()
        digest = {"X-Sdk-Content-Sha256": hashlib.sha256(body).hexdigest()}
        self.assertEqual(signer.signed("POST", COMMAND, body=body, headers=digest).status, 200)
        self.assert_refused(signer.signed("POST", COMMAND, body=body, headers=digest, body_sent=self.command("id")))
        unsigned = {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}
        self.assert_refused(signer.signed("POST", COMMAND, body=body, headers=unsigned), "X-Sdk-Content-Sha256")

    def test_nothing_signed_can_be_changed_on_the_way(self):
        signer = self.signer(project="default")
        body = self.command()
        good = signer.signed("POST", COMMAND, body=body)
        self.assertEqual(good.status, 200, good)
        for what in ({"body_sent": self.command("reboot")}, {"body_sent": body + b" "},
                     {"target_sent": "/v1/instances/sync-command"}, {"target_sent": COMMAND + "?a=b"},
                     {"headers_sent": {"X-Sdk-Date": sdk_date(60)}}, {"headers_sent": {"Host": "elsewhere:80"}},
                     {"headers_sent": {"X-Project-Id": "other"}}, {"headers_sent": {"X-Project-Id": None}}):
            with self.subTest(**what):
                self.assertEqual(signer.signed("POST", COMMAND, body=body, **what).status, 401)
        unscoped = self.signer()
        self.assert_refused(unscoped.signed("POST", COMMAND, body=body, headers_sent={"X-Project-Id": "other"}),
                            "x-project-id")
        deletion = signer.signed("GET", "/api/v1/instances/" + instance(0), method_sent="DELETE")
        self.assertEqual(deletion.status, 401)
        listing = {"query": PAGE, "target_sent": LIST + "?x-request-id=r&page_no=2&page_size=10"}
        self.assertEqual(signer.signed("GET", LIST, **listing).status, 401)
        repeated = PAGE + [("order", "asc"), ("order", "desc")]
        self.assertNotEqual(signer.signed("GET", LIST, query=repeated).status, 401)
        swapped = LIST + "?x-request-id=r&page_no=1&page_size=10&order=desc&order=asc"
        self.assertEqual(signer.signed("GET", LIST, query=repeated, target_sent=swapped).status, 401)

    def test_the_date(self):
        signer = self.signer()
        for minutes in (-14, 14):
            self.assertEqual(signer.signed("GET", LIST, query=PAGE, date=sdk_date(minutes * 60)).status, 200)
        for minutes in (-16, 16):
            stale = signer.signed("GET", LIST, query=PAGE, date=sdk_date(minutes * 60))
            self.assert_refused(stale, "15 minutes")
            # Whoever has a wrong clock must see the right time.
            told = calendar.timegm(time.strptime(stale.json["error_msg"].split()[-1], "%Y-%m-%dT%H:%M:%SZ"))
            self.assertLess(abs(time.time() - told), PATIENCE)
        for date in ("20240102", "2024-01-02T03:04:05Z", "20240132T030405Z", sdk_date() + "0"):
            self.assert_refused(signer.signed("GET", LIST, query=PAGE, date=date), "X-Sdk-Date")
        self.assert_refused(signer.signed("GET", LIST, query=PAGE, headers_sent={"X-Sdk-Date": None}), "X-Sdk-Date")

    def test_a_malformed_authorization_is_told_what_is_wrong(self):
        signer = self.signer()
        for header, word in (("SDK-HMAC-SHA256", "Authorization"), ("SDK-HMAC-SHA256 Access=a", "SignedHeaders"),
                             ("SDK-HMAC-SHA256 Access=a, SignedHeaders=host;x-sdk-date", "Signature"),
                             ("SDK-HMAC-SHA256 Access=a, SignedHeaders=host;x-sdk-date, Signature=zz", "Signature"),
                             ("SDK-HMAC-SHA256 SignedHeaders=host, Signature=" + "0" * 64, "Access")):
            with self.subTest(header=header):
                answer = signer.signed("GET", LIST, query=PAGE, headers_sent={"Authorization": header})
                self.assert_refused(answer, word)

    def test_unknown_keys_and_wrong_secrets_look_the_same(self):
        answers = [self.signer(*pair).signed("GET", LIST, query=PAGE)
                   for pair in (("AKKNOWN", "wrong"), ("AKUNKNOWN", SECRET), ("AKKNOWN", SECRET + " "))]
        for answer in answers:
            self.assert_refused(answer)
        self.assertEqual(len({answer.body for answer in answers}), 1)

    def test_the_signature_counts_where_there_is_a_token_too(self):
        token = {"X-Auth-Token": self.server.token()}
        good = self.signer().signed("GET", LIST, query=PAGE, headers_sent={"X-Auth-Token": "wrong"})
        self.assertEqual(good.status, 200)
        self.assert_refused(self.signer(secret_key="wrong").signed("GET", LIST, query=PAGE, headers_sent=token))

    def test_projects(self):
        drover = self.server.cli
        drover("users", "create", "two", "--no-password", "--role", "readonly", "--project", "default")
        drover("users", "grant", "two", "--role", "admin", "--project", "shop")
        drover("instances", "add", "in-shop", self.sim.address(0), "--project", "shop")
        access_key, secret_key = drover("keys", "create", "--user", "two").stdout.split()

        def listed(project):
            answer = self.signer(access_key, secret_key, project).signed("GET", LIST, query=PAGE)
            self.assertEqual(answer.status, 200, answer)
            return [one["instance_id"] for one in answer.json["data"]["result"]]

        for project in ("shop", "5" * 32):
            self.assertEqual(listed(project), ["in-shop"])
        self.assertEqual(len(listed("default")), 3)
        # Which of the two?
        self.assertEqual(self.signer(access_key, secret_key).signed("GET", LIST, query=PAGE).status, 403)
        # A project without a role and one that is not there cannot be told apart.
        answers = [self.signer(access_key, secret_key, project).signed("GET", LIST, query=PAGE)
                   for project in ("other", "nowhere", "7" * 32)]
        for answer in answers:
            self.assert_refused(answer, status=403, code="KOOPHONE.API.1001")
        self.assertEqual(len({answer.body for answer in answers}), 1)
        only_reads = self.signer(access_key, secret_key, "default").signed("POST", COMMAND, body=self.command())
        self.assert_refused(only_reads, "asyncInvokeInstance", status=403, code="KOOPHONE.API.1001")

    def test_what_ends_a_key(self):
        drover = self.server.cli
        drover("users", "create", "gone", "--no-password", "--role", "admin", "--project", "default")
        access_key, secret_key = drover("keys", "create", "--user", "gone").stdout.split()
        signer = self.signer(access_key, secret_key)

        def status():
            return signer.signed("GET", LIST, query=PAGE).status

        self.assertEqual(status(), 200)
        drover("users", "disable", "gone")
        self.assertEqual(status(), 401)
        drover("users", "enable", "gone")
        self.assertEqual(status(), 200)
        drover("keys", "remove", access_key)
        self.assertEqual(status(), 401)
        with open(self.server.log_path, encoding="utf-8") as log:
            self.assertNotIn(secret_key, log.read())

    def test_an_endpoint_that_ends_in_a_slash(self):
        # The service's SDK for Java sends and signs two slashes then.
        answer = self.signer().signed("POST", "/" + COMMAND, body=self.command())
        self.assertEqual(answer.status, 200, answer)

    def test_a_compressed_answer_is_as_good(self):
        answer = self.signer().signed("GET", LIST, query=PAGE, headers_sent={"Accept-Encoding": "gzip"})
        body = gzip.decompress(answer.body) if answer.headers["Content-Encoding"] == "gzip" else answer.body
        self.assertEqual(json.loads(body)["data"]["total_count"], 3)


if __name__ == "__main__":
    unittest.main()
