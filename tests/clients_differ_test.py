#!/usr/bin/env python3
"""Clients that are right in different ways, over raw sockets: each gets the answer it can read, and every answer, those of
the server itself included, keeps what docs/api.md says of all of them."""

import gzip
import json
import socket
import unittest

from harness import PATIENCE, Client, Server, instance, started, temp_folder

ASYNC = "/v1/instances/async-command"
SYNC = "/v1/instances/sync-command"
STATUS = "/v1/instances/batch-query-status"
LIST = "/v1/instances/batch-query?page_no=1&page_size=10"
PARAMETER = "KOOPHONE.API.1000"

# Whatever else an answer said would tell strangers what runs here.
HEADERS = {"content-type", "content-length", "content-encoding", "vary", "date", "x-request-id", "connection", "allow",
           "retry-after", "x-drover-task-id", "x-drover-omitted-bytes", "x-drover-omitted-at"}


class Wire:
    """A connection that sends exactly these bytes, and holds every answer to the rules that all of them keep."""

    def __init__(self, case, port):
        self.case = case
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""
        case.addCleanup(self.socket.close)

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                self.case.fail("closed without an answer: %r" % self.buffer)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("ascii").split("\r\n")
        version, status, _ = first.split(" ", 2)
        self.case.assertEqual(version, "HTTP/1.1")
        fields = [tuple(line.split(": ", 1)) for line in lines]
        headers = {name.lower(): value for name, value in fields}
        self.case.assertEqual(len(headers), len(fields), "a header twice: %r" % fields)
        return int(status), headers

    def interim(self):
        """100 Continue."""
        self.case.assertEqual(self.head(), (100, {}))

    def answer(self, bodiless=False):
        status, headers = self.head()
        size = 0 if bodiless else int(headers["content-length"])
        while len(self.buffer) < size:
            self.case.assertTrue(self.more(), "closed within a body")
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        self.keeps_the_rules(status, headers, body)
        return Got(status, headers, body)

    def keeps_the_rules(self, status, headers, body):
        case = self.case
        case.assertLessEqual(set(headers), HEADERS)
        case.assertRegex(headers["x-request-id"], r"^[!-~]{1,128}$")
        case.assertRegex(headers["date"], r"^\w{3}, \d{2} \w{3} \d{4} [\d:]{8} GMT$")
        if body:
            case.assertRegex(headers["content-type"], r"^(application/json|text/plain)")
        if status in (429, 503):
            case.assertGreaterEqual(int(headers["retry-after"]), 1)
        if status >= 400 and body:
            case.assertEqual(headers["content-type"], "application/json")
            error = json.loads(body)
            case.assertEqual(list(error), ["error_code", "error_msg"])
            for value in error.values():
                case.assertIsInstance(value, str)
                case.assertTrue(value)

    def ask(self, data):
        self.send(data)
        return self.answer()

    def ended(self):
        while self.more():
            pass
        return self.buffer == b""


class Got:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%d %r %r>" % (self.status, self.headers, self.body[:300])


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 4)
        cls.token = cls.server.token()

    def wire(self):
        return Wire(self, self.server.port)

    def request(self, method, target, *lines, body=None, version="1.1", token=True, host=True):
        """`body` brings its Content-Length, unless `lines` say how it comes."""
        lines = list(lines)
        if host:
            lines.insert(0, "Host: drover")
        if token:
            lines.append("X-Auth-Token: " + self.token)
        if body is not None and not any(line.startswith("Transfer-Encoding") for line in lines):
            lines.append("Content-Length: %d" % len(body))
        return "\r\n".join(["%s %s HTTP/%s" % (method, target, version), *lines, "", ""]).encode() + (body or b"")

    def ask(self, *arguments, **options):
        return self.wire().ask(self.request(*arguments, **options))

    def command(self, text, phone=0):
        return json.dumps({"command": text, "instance_ids": [instance(phone)]}).encode()

    def shown(self, body, *lines):
        """What a sync-command with this body printed."""
        answer = self.ask("POST", SYNC, *lines, body=body)
        self.assertEqual(answer.status, 200, answer)
        result, = answer.json["data"]["cmd_results"]
        self.assertEqual((result["status"], result["error_code"]), (2, ""), result)
        return result["execute_msg"]


class RequestIds(Case):
    def test_wherever_the_id_is_it_comes_back(self):
        for target, lines, wanted in (
                (LIST, ["x-request-id: from-header"], "from-header"),
                (LIST, ["X-REQUEST-ID: Any.Case"], "Any.Case"),
                (LIST + "&x-request-id=from-query", [], "from-query"),
                (LIST + "&x-request-id=from-query", ["X-Request-Id: both"], "both"),
                (LIST + "&x-request-id=%7Bid%7D", [], "{id}"),
                ("/nothing?x-request-id=nowhere", [], "nowhere"),
                (LIST + "&x-request-id=" + "i" * 128, [], "i" * 128)):
            with self.subTest(target=target, lines=lines):
                self.assertEqual(self.ask("GET", target, *lines).headers["x-request-id"], wanted)

    def test_without_one_each_answer_has_its_own(self):
        wire = self.wire()
        ids = [wire.ask(self.request("GET", LIST)).headers["x-request-id"] for _ in range(5)]
        for bad in ("", "two words", "i" * 129, "\t"):
            ids.append(wire.ask(self.request("GET", LIST, "x-request-id: " + bad)).headers["x-request-id"])
        self.assertEqual(len(set(ids)), len(ids))
        for one in ids:
            self.assertRegex(one, "^[0-9a-f]{32}$")


class Types(Case):
    def test_of_a_request_without_a_body(self):
        for kind in ("application/json", "application/json; charset=utf-8", "text/plain", ""):
            with self.subTest(kind=kind):
                self.assertEqual(self.ask("GET", LIST, "Content-Type: " + kind).status, 200)

    def test_of_a_body(self):
        for kind in ("application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON",
                     "application/json ; charset=\"utf-8\""):
            with self.subTest(kind=kind):
                self.assertEqual(self.shown(self.command("echo typed"), "Content-Type: " + kind), "typed\n")
        self.assertEqual(self.shown(self.command("echo none")), "none\n")

    def test_bodies_of_escapes_only(self):
        for text in ("grüße", "你好", "a\U0001f600b", "\U00010000\U0010ffff"):
            escaped = "".join("\\u%04X" % int.from_bytes(pair, "big") for pair in self.units("echo " + text))
            body = '{"command":"%s","instance_ids":["%s"]}' % (escaped, instance(1))
            with self.subTest(text=text):
                self.assertEqual(self.shown(body.encode("ascii")), text + "\n")
        for half in (r"\uD83D", r"\uDE00", r"\uDE00\uD83D", r"\uD83Dx"):
            with self.subTest(half=half):
                body = '{"command":"echo %s","instance_ids":["%s"]}' % (half, instance(1))
                answer = self.ask("POST", ASYNC, body=body.encode())
                self.assertEqual((answer.status, answer.json["error_code"]), (400, PARAMETER))

    @staticmethod
    def units(text):
        data = text.encode("utf-16-be")
        return [data[at:at + 2] for at in range(0, len(data), 2)]

    def test_posts_without_a_body(self):
        for path in (ASYNC, SYNC, STATUS, "/api/v1/tasks", "/api/v1/instances"):
            for lines in ([], ["Content-Length: 0"], ["Content-Length: 0", "Content-Type: application/json"],
                          ["Content-Type: application/json"]):
                with self.subTest(path=path, lines=lines):
                    answer = self.ask("POST", path, *lines)
                    self.assertEqual((answer.status, answer.json["error_code"]), (400, PARAMETER))
                    self.assertIn("body", answer.json["error_msg"])
            chunked = self.wire().ask(self.request("POST", path, "Transfer-Encoding: chunked") + b"0\r\n\r\n")
            self.assertEqual(chunked.status, 400)
            self.assertIn("body", chunked.json["error_msg"])


class Continuing(Case):
    def test_bodies_that_wait_to_be_asked_for(self):
        for padding in (0, 20_000, 500_000):  # the second goes beside the header's buffer
            body = self.command("echo asked")[:-1] + b" " * padding + b"}"
            wire = self.wire()
            with self.subTest(padding=padding):
                wire.send(self.request("POST", SYNC, "Expect: 100-continue", "Content-Length: %d" % len(body)))
                wire.interim()
                self.assertEqual(wire.ask(body).json["data"]["cmd_results"][0]["execute_msg"], "asked\n")
                self.assertEqual(wire.ask(self.request("GET", LIST)).status, 200)

    def test_nobody_is_asked_for_what_is_refused(self):
        for lines, token, path, status in (
                (["Content-Length: 2000000"], True, ASYNC, 413),
                (["Content-Length: 500000"], False, ASYNC, 401),
                (["Content-Length: 10"], True, "/nothing", 404),
                (["Content-Length: 10"], True, "/v1/instances/tasks/x", 405)):
            wire = self.wire()
            with self.subTest(lines=lines, path=path):
                wire.send(self.request("POST", path, "Expect: 100-continue", *lines, token=token))
                answer = wire.answer()
                self.assertEqual((answer.status, answer.headers["connection"]), (status, "close"))
                self.assertTrue(wire.ended())

    def test_other_expectations(self):
        self.assertEqual(self.ask("POST", SYNC, "Expect: the-best", "Content-Length: 10").status, 417)
        self.assertEqual(self.ask("POST", SYNC, "Expect: 100-Continue", body=self.command("true")).status, 200)


class Compressed(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with Client(cls.server, cls.token) as client:
            short = client.run("ls -l /system", [instance(1)] * 25)
            client.wait_task(short)
            large = client.post("/api/v1/tasks", {"command": "ls -l /system",
                                                  "instance_ids": [instance(n % 4) for n in range(2000)]}).json["task_id"]
            client.wait_task(large)
        cls.targets = ["/v1/instances/tasks/" + short, "/api/v1/tasks/%s/jobs?limit=10000" % large, "/metrics"]

    def test_those_who_ask_get_the_same_in_less(self):
        for target in self.targets[:2]:
            plain = self.ask("GET", target)
            self.assertNotIn("content-encoding", plain.headers)
            self.assertEqual(plain.headers["vary"], "Accept-Encoding")
            for lines in (["Accept-Encoding: gzip"], ["accept-encoding: deflate;q=0.5, GZIP;q=0.1"],
                          ["Accept-Encoding: *"], ["Accept-Encoding: br", "Accept-Encoding: gzip"]):
                with self.subTest(target=target, lines=lines):
                    packed = self.ask("GET", target, *lines)
                    self.assertEqual(packed.headers["content-encoding"], "gzip")
                    self.assertEqual(packed.headers["vary"], "Accept-Encoding")
                    self.assertEqual(gzip.decompress(packed.body), plain.body)
                    self.assertLess(len(packed.body), len(plain.body) / 4)

    def test_those_who_do_not_get_it_as_it_is(self):
        for value in ("gzip;q=0", "gzip;q=0.000, *", "identity", "br, deflate", "", "*;q=0", "gzip;q=0.5, identity"):
            with self.subTest(value=value):
                answer = self.ask("GET", self.targets[0], "Accept-Encoding: " + value)
                self.assertNotIn("content-encoding", answer.headers)
                answer.json  # as it is

    def test_short_ones_stay_as_they_are(self):
        for method, target in (("GET", "/healthz"), ("GET", "/nothing"), ("POST", ASYNC)):
            answer = self.ask(method, target, "Accept-Encoding: gzip")
            self.assertNotIn("content-encoding", answer.headers)
            self.assertNotIn("vary", answer.headers)

    def test_head_says_the_same_as_get(self):
        for target in self.targets[:2] + ["/healthz", "/nothing"]:
            for lines in ([], ["Accept-Encoding: gzip"]):
                wire = self.wire()
                with self.subTest(target=target, lines=lines):
                    wire.send(self.request("HEAD", target, *lines) + self.request("GET", target, *lines))
                    head, get = wire.answer(bodiless=True), wire.answer()
                    self.assertEqual(head.status, get.status)
                    for name in set(get.headers) - {"date", "x-request-id"}:
                        self.assertEqual(head.headers[name], get.headers[name], name)

    def test_over_http_1_0_and_pipelined(self):
        wire = self.wire()
        wire.send(b"".join(self.request("GET", target, "Accept-Encoding: gzip") for target in self.targets * 5))
        for _ in range(5):
            for _target in self.targets:
                self.assertTrue(gzip.decompress(wire.answer().body))
        old = self.ask("GET", self.targets[0], "Accept-Encoding: gzip", version="1.0")
        self.assertEqual(old.headers["content-encoding"], "gzip")


class Connections(Case):
    def test_http_1_0(self):
        for host in (True, False):
            wire = self.wire()
            answer = wire.ask(self.request("GET", LIST, version="1.0", host=host))
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertTrue(wire.ended())
        wire = self.wire()
        for _ in range(3):
            answer = wire.ask(self.request("GET", LIST, "Connection: Keep-Alive", version="1.0"))
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "keep-alive"))
        answer = wire.ask(self.request("POST", SYNC, version="1.0", body=self.command("echo old")))
        self.assertEqual(answer.json["data"]["cmd_results"][0]["execute_msg"], "old\n")
        self.assertTrue(wire.ended())

    def test_http_1_1(self):
        wire = self.wire()
        for lines in ([], ["Connection: Keep-Alive"], ["Connection: keep-alive, TE"]):
            answer = wire.ask(self.request("GET", LIST, *lines))
            self.assertEqual(answer.status, 200)
            self.assertNotIn("connection", answer.headers)
        self.assertEqual(wire.ask(self.request("GET", LIST, "CONNECTION: Close")).headers["connection"], "close")
        self.assertTrue(wire.ended())

    def test_chunked(self):
        body = self.command("echo in pieces")
        for size in (1, 7, len(body)):
            pieces = [body[at:at + size] for at in range(0, len(body), size)]
            chunks = b"".join(b"%x;note=\"x\"\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            for trailer in (b"", b"X-Trailer: t\r\n"):
                wire = self.wire()
                answer = wire.ask(self.request("POST", SYNC, "Transfer-Encoding: Chunked", "TE: trailers") + chunks +
                                  b"0\r\n" + trailer + b"\r\n")
                self.assertEqual(answer.json["data"]["cmd_results"][0]["execute_msg"], "in pieces\n")
                self.assertEqual(wire.ask(self.request("GET", LIST)).status, 200)

    def test_pipelined(self):
        wire = self.wire()
        wire.send(b"".join(self.request("POST", SYNC, "x-request-id: %d" % number, body=self.command("echo %d" % number))
                           + self.request("HEAD", LIST) + b"\r\n" + self.request("GET", "/nothing")
                           for number in range(20)))
        for number in range(20):
            answer = wire.answer()
            self.assertEqual(answer.headers["x-request-id"], str(number))
            self.assertEqual(answer.json["data"]["cmd_results"][0]["execute_msg"], "%d\n" % number)
            self.assertEqual(wire.answer(bodiless=True).status, 200)
            self.assertEqual(wire.answer().status, 404)


class Targets(Case):
    def test_forms(self):
        for target in (LIST, "/" + LIST, "http://drover:8580" + LIST, "HTTPS://other" + LIST, "http://drover/" + LIST,
                       "/v1/instances/batch%2Dquery?page_no=%31&page_size=10"):
            with self.subTest(target=target):
                self.assertEqual(self.ask("GET", target).status, 200)
        for target in ("//" + LIST, LIST.replace("/v1/", "/v1//"), "/v1/instances/batch-query/?page_no=1&page_size=10"):
            with self.subTest(target=target):
                self.assertEqual(self.ask("GET", target).status, 404)

    def test_posts_of_an_endpoint_with_a_slash(self):
        answer = self.ask("POST", "/" + SYNC, body=self.command("echo slash"))
        self.assertEqual(answer.json["data"]["cmd_results"][0]["execute_msg"], "slash\n")

    def test_header_names_of_any_case(self):
        body = self.command("echo any case")
        for change in (str.lower, str.upper, str.title):
            lines = [change(name) + ":" + value for name, value in (
                ("host", "drover"), ("x-auth-token", "\t %s " % self.token), ("content-type", "application/json"),
                ("content-length", " %d" % len(body)), ("connection", "close"))]
            wire = self.wire()
            answer = wire.ask(("POST %s HTTP/1.1\r\n%s\r\n\r\n" % (SYNC, "\r\n".join(lines))).encode() + body)
            self.assertEqual(answer.json["data"]["cmd_results"][0]["execute_msg"], "any case\n")
            self.assertTrue(wire.ended())


class Refusals(Case):
    """What they look like is checked with every answer that is read."""

    def test_of_every_kind(self):
        too_long = "X-Long: " + "x" * 40_000
        for status, data in (
                (400, self.request("GET", LIST.replace("page_no=1", "page_no=x"))),
                (400, self.request("POST", ASYNC, body=b"{")),
                (400, b"rubbish\r\n\r\n"),
                (400, b"GET / HTTP/2.0\r\n\r\n"),
                (400, self.request("GET", "/%zz")),
                (400, self.request("GET", LIST, host=False)),
                (400, self.request("GET", LIST, "Host: twice")),
                (400, self.request("POST", ASYNC, "Content-Length: 1", "Transfer-Encoding: chunked")),
                (400, self.request("POST", ASYNC, "Transfer-Encoding: chunked") + b"x\r\n"),
                (401, self.request("GET", LIST, token=False)),
                (401, self.request("GET", LIST, "X-Auth-Token: wrong", token=False)),
                (403, self.request("GET", "/api/v1/tokens")),
                (404, self.request("GET", "/v1/nothing")),
                (404, self.request("GET", "/v1/instances/tasks/" + "0" * 32)),
                (405, self.request("PUT", ASYNC)),
                (405, self.request("BREW", ASYNC)),
                (413, self.request("POST", ASYNC, "Content-Length: 99999999")),
                (413, self.request("POST", ASYNC, "Transfer-Encoding: chunked") + b"200000\r\n" + b"x" * 0x200000),
                (415, self.request("POST", ASYNC, "Content-Type: text/xml", body=b"<x/>")),
                (417, self.request("POST", ASYNC, "Expect: more", "Content-Length: 1")),
                (431, self.request("GET", LIST, too_long)),
                (431, self.request("GET", "/" + "p" * 40_000)),
                (431, self.request("GET", LIST, *("X-%d: y" % number for number in range(500))))):
            with self.subTest(status=status, data=data[:100]):
                wire = self.wire()
                try:
                    wire.send(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused before all of it was sent; what it said is still there to be read
                self.assertEqual(wire.answer().status, status)

    def test_name_the_request_also_where_it_was_not_understood(self):
        for status, lines in ((400, ["Host: twice"]), (400, ["Transfer-Encoding: gzip"]), (417, ["Expect: more"]),
                              (431, ["X-%d: y" % number for number in range(500)])):
            answer = self.ask("GET", LIST, "x-request-id: mine", *lines)
            self.assertEqual((answer.status, answer.headers["x-request-id"]), (status, "mine"))


class Busy(unittest.TestCase):
    def test_the_server_full_of_connections(self):
        server = self.server("--http-max-connections", "2")
        first, second, third = (Wire(self, server.port) for _ in range(3))
        for wire in (first, second):
            self.assertEqual(wire.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200)
        third.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(third.answer().status, 503)

    def test_the_queue_full(self):
        for settings, status in ((["--jobs-max-queued", "1"], 503), (["--jobs-max-queued-per-project", "1"], 429)):
            server = self.server(*settings)
            server.cli("instances", "add", "away", "adb://127.0.0.1:1")
            with Client(server, server.token()) as client:
                client.run("true", ["away"])  # waits for the phone
                head = ("POST %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 2\r\n\r\n{}" %
                        (ASYNC, client.token))
            self.assertEqual(Wire(self, server.port).ask(head.encode()).status, status)

    def server(self, *settings):
        server = Server(temp_folder(self), *settings)
        self.addCleanup(server.close)
        return server


if __name__ == "__main__":
    unittest.main()
