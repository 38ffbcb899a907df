#!/usr/bin/env python3
"""Clients that send what they should not, over raw sockets: each is told which field broke which rule, none of it is
stored, and everybody else is served all the while."""

import json
import os
import socket
import sqlite3
import time
import unittest

from harness import PATIENCE, PATIENCE_FACTOR, Client, instance, started, until

ASYNC = "/v1/instances/async-command"
SYNC = "/v1/instances/sync-command"
STATUS = "/v1/instances/batch-query-status"
NATIVE = "/api/v1/tasks"
PARAMETER = "KOOPHONE.API.1000"
NO_PATH = "APIGW.0101"


class RawAnswer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return "<%d %r %r>" % (self.status, self.headers, self.body[:300])


class Raw:
    """Sends bytes, and reads answers as strictly as a proxy would."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next answer, or None when the server has closed."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                assert not self.buffer, self.buffer
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("ascii").split("\r\n")
        version, status = first.split(" ", 2)[:2]
        assert version == "HTTP/1.1", first
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers["Content-Length"])
        while len(self.buffer) < size:
            assert self.more(), "closed within a body"
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return RawAnswer(int(status), headers, body)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def close(self):
        self.socket.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 4)
        cls.token = cls.server.token()

    def setUp(self):
        self.stored = self.rows()
        self.commands = len(self.sim.begun())

    def tearDown(self):
        """Whatever a test did: the server serves, and has nothing of what it refused."""
        self.assertEqual(self.rows(), self.stored, "something that was refused was stored")
        self.assertEqual(len(self.sim.begun()), self.commands, "something that was refused ran")
        with Client(self.server, self.token) as client:
            job, = client.wait_task(client.run("echo still here", [instance(0)]))
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "still here\n"))

    def rows(self):
        database = sqlite3.connect("file:%s?mode=ro" % os.path.join(self.server.data, "drover.db"), uri=True)
        try:
            return {table: database.execute("SELECT count(*) FROM " + table).fetchone()[0]
                    for table in ("task", "result", "begun", "instance", "project", "token")}
        finally:
            database.close()

    def raw(self):
        connection = Raw(self.server.port)
        self.addCleanup(connection.close)
        return connection

    def head(self, method, path, *lines, token=True):
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: drover", *lines]
        if token:
            lines.append("X-Auth-Token: " + self.token)
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def request(self, method, path, body=None, *lines):
        if body is None:
            return self.head(method, path, *lines)
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.head(method, path, "Content-Type: application/json", "Content-Length: %d" % len(body),
                         *lines) + body

    def check(self, answer, status, code, *words):
        """An error as docs/api.md has it, whose message holds these words."""
        self.assertIsNotNone(answer, "closed without an answer")
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json", answer)
        self.assertTrue(answer.headers["X-Request-Id"])
        found = json.loads(answer.body)
        self.assertEqual(list(found), ["error_code", "error_msg"], answer)
        self.assertEqual(found["error_code"], code, answer)
        self.assertIsInstance(found["error_msg"], str)
        self.assertTrue(found["error_msg"])
        for word in words:
            self.assertIn(word, found["error_msg"])
        self.assertNotIn(self.token, answer.body.decode())

    def refused(self, method, path, body, status, code, *words):
        connection = self.raw()
        connection.send(self.request(method, path, body))
        self.check(connection.answer(), status, code, *words)


class Bodies(Case):
    def test_each_broken_rule_is_named(self):
        good = {"command": "echo refused", "instance_ids": [instance(1)]}

        def but(**changes):
            return {**good, **changes}

        def without(name):
            return {key: value for key, value in good.items() if key != name}

        text = json.dumps(good).encode()
        for path, most in ((ASYNC, "100"), (SYNC, "100"), (NATIVE, "100,000")):
            for body, words in (
                    (text[:-1], ["body", "JSON"]),
                    (text + b"x", ["body", "JSON"]),
                    (b"", ["body", "JSON"]),
                    (b"\0", ["body", "JSON"]),
                    (b"{'command':1}", ["body", "JSON"]),
                    (b"[1]", ["body", "object"]),
                    (b"null", ["body", "object"]),
                    (b'"command"', ["body", "object"]),
                    (b'{"command":"\xff","instance_ids":["a"]}', ["body", "UTF-8"]),
                    (b'{"command":"\xed\xa0\x80","instance_ids":["a"]}', ["body", "UTF-8"]),
                    (b'{"command":"\\ud800","instance_ids":["a"]}', ["body"]),
                    (b'{"command":"a","instance_ids":["a"],"deep":' + b"[" * 100000 + b"]" * 100000 + b"}",
                     ["body", "16 levels"]),
                    (without("command"), ["command", "missing"]),
                    (but(command=None), ["command", "string"]),
                    (but(command=7), ["command", "string"]),
                    (but(command=["ls"]), ["command", "string"]),
                    (but(command={}), ["command", "string"]),
                    (but(command=""), ["command", "1 to 1,024 bytes"]),
                    (but(command="x" * 1025), ["command", "1,024 bytes"]),
                    (but(command="漢" * 342), ["command", "1,024 bytes"]),
                    (but(command="a\0b"), ["command", "NUL"]),
                    (but(instance_ids=None), ["instance_ids", "array"]),
                    (but(instance_ids="sim-00001"), ["instance_ids", "array"]),
                    (but(instance_ids={}), ["instance_ids", "array"]),
                    (but(instance_ids=[]), ["instance_ids", "1 to " + most]),
                    (but(instance_ids=["a", 1]), ["instance_ids[1]", "string"]),
                    (but(instance_ids=[None]), ["instance_ids[0]", "string"]),
                    (but(instance_ids=["a", "b" * 33]), ["instance_ids[1]", "1 to 32"]),
                    (but(instance_ids=["a", ""]), ["instance_ids[1]", "1 to 32"]),
                    (but(instance_ids=["a b"]), ["instance_ids[0]", "A-Z a-z 0-9 _ -"]),
                    (but(instance_ids=["a\0"]), ["instance_ids[0]", "A-Z a-z 0-9 _ -"]),
                    (but(instance_ids=["ä"]), ["instance_ids[0]", "A-Z a-z 0-9 _ -"]),
                    *((but(**{clock: value}), [clock, "integer"])
                      for clock in ("start_deadline_s", "run_timeout_s")
                      for value in (0, -1, 86401, 1.5, "1", True, None, [], 10**30)),
            ):
                with self.subTest(path=path, body=body if len(repr(body)) < 200 else repr(body)[:200]):
                    self.refused("POST", path, body, 400, PARAMETER, *words)
        for path in (ASYNC, SYNC):
            self.refused("POST", path, without("instance_ids"), 400, PARAMETER, "instance_ids", "missing")
            self.refused("POST", path, but(instance_ids=["a"] * 101), 400, PARAMETER, "instance_ids", "101")
        # Where the whole fleet may be meant, it must be said, and only once.
        self.refused("POST", NATIVE, without("instance_ids"), 400, PARAMETER, "instance_ids", "all")
        self.refused("POST", NATIVE, but(all=True), 400, PARAMETER, "all", "instance_ids")
        self.refused("POST", NATIVE, {"command": "echo refused", "all": False}, 400, PARAMETER, "all")
        self.refused("POST", NATIVE, {"command": "echo refused", "all": 1}, 400, PARAMETER, "all")

    def test_the_longest_that_is_allowed(self):
        with Client(self.server, self.token) as client:
            command = "echo " + "漢" * 339 + "xx"
            self.assertEqual(len(command.encode()), 1024)
            job, = client.wait_task(client.run(command, [instance(1)]))
            self.assertEqual(job["shown"], command[5:] + "\n")
            found = client.wait_task(client.run("true", ["n" * 32] * 100))
            self.assertEqual([job["error_code"] for job in found], ["CPS0005"] * 100)
        self.setUp()  # These were accepted.

    def test_other_operations(self):
        for method, path, body, words in (
                ("POST", STATUS, {}, ["instance_ids", "missing"]),
                ("POST", STATUS, {"instance_ids": ["a"] * 101}, ["instance_ids", "1 to 100"]),
                ("POST", STATUS, {"instance_ids": 1}, ["instance_ids", "array"]),
                ("GET", "/v1/instances/batch-query", None, ["page_no", "missing"]),
                ("GET", "/v1/instances/batch-query?page_no=1", None, ["page_size", "missing"]),
                ("GET", "/v1/instances/batch-query?page_no=0&page_size=1", None, ["page_no"]),
                ("GET", "/v1/instances/batch-query?page_no=1&page_size=1001", None, ["page_size"]),
                ("GET", "/v1/instances/batch-query?page_no=x&page_size=1", None, ["page_no"]),
                ("GET", "/v1/instances/batch-query?page_no=1&page_size=1&query_start_time=now", None,
                 ["query_start_time"]),
                ("GET", "/api/v1/tasks?limit=0", None, ["limit"]),
                ("GET", "/api/v1/tasks?limit=99999999999999999999", None, ["limit"]),
                ("GET", "/api/v1/instances?state=sleepy", None, ["state"]),
                ("POST", "/api/v1/instances", {"instances": []}, ["instances"]),
                ("POST", "/api/v1/instances", {"instances": [{"instance_id": "a"}]}, ["address"]),
                ("POST", "/api/v1/instances", {"instances": [{"instance_id": "ok", "address": "adb://127.0.0.1:9"},
                                                             {"instance_id": "a", "address": "http://x"}]},
                 ["a: ", "address", "adb://HOST:PORT"]),
                ("POST", "/api/v1/instances", {"instances": [{"instance_id": "a b", "address": "adb://127.0.0.1:9"}]},
                 ["instance id", "a b", "1 to 32 of A-Z a-z 0-9 _ -"]),
        ):
            with self.subTest(path=path, body=body):
                self.refused(method, path, body, 400, PARAMETER, *words)
        with Client(self.server, self.token) as client:
            task = client.run("true", ["missing"])
            client.wait_task(task)
        self.setUp()  # It was accepted.
        for wait in ("61", "-1", "x", "", "1.5", "99999999999999999999"):
            self.refused("GET", "/v1/instances/tasks/%s?wait=%s" % (task, wait), None, 400, PARAMETER, "wait")
        for one in ("x", "0" * 31, "0" * 33, "0" * 32, "F" * 32, "%2e%2e", "..", "a" * 2000):
            self.refused("GET", "/v1/instances/tasks/" + one, None, 404, PARAMETER)

    def test_too_large(self):
        connection = self.raw()
        connection.send(self.head("POST", ASYNC, "Content-Type: application/json", "Content-Length: 10485760"))
        # Refused by its length alone; a client that goes on sending may see the connection reset.
        self.check(connection.answer(), 413, PARAMETER, "body", "too large")

    def test_too_large_and_sent_all_the_same(self):
        before = self.server.rss_kib()
        for framing in ("Content-Length: 10485760", "Transfer-Encoding: chunked"):
            connection = self.raw()
            connection.send(self.head("POST", ASYNC, "Content-Type: application/json", framing))
            block = b"x" * 65536
            if "chunked" in framing:
                block = b"10000\r\n" + block + b"\r\n"
            try:
                for _ in range(160):
                    connection.send(block)
            except (BrokenPipeError, ConnectionResetError):
                continue
            answer = connection.answer()
            if answer is not None:
                self.check(answer, 413, PARAMETER, "body", "too large")
        self.assertLess(self.server.rss_kib() - before, 8 * 1024 * PATIENCE_FACTOR)

    def test_not_json_by_its_type(self):
        body = json.dumps({"command": "echo refused", "instance_ids": [instance(1)]}).encode()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            connection = self.raw()
            connection.send(self.head("POST", ASYNC, "Content-Type: " + kind, "Content-Length: %d" % len(body)) + body)
            self.check(connection.answer(), 415, PARAMETER, "Content-Type")


class Paths(Case):
    def test_unknown_paths(self):
        for method, path in (("GET", "/v2"), ("GET", "/v1"), ("POST", "/v1/instances"), ("GET", "/v1/instances/x"),
                             ("POST", ASYNC + "/"), ("GET", "/api//v1/tasks"), ("GET", "/api/v1/tasks/../../etc"),
                             ("GET", "/api/v2/tasks"), ("DELETE", "/nothing"), ("GET", "/api/v1/tasks%2f")):
            with self.subTest(path=path):
                self.refused(method, path, None, 404, NO_PATH)

    def test_wrong_methods_are_told_the_right_ones(self):
        for method, path, allowed in (("GET", ASYNC, "POST"), ("PUT", ASYNC, "POST"), ("OPTIONS", ASYNC, "POST"),
                                      ("BREW", ASYNC, "POST"), ("POST", "/v1/instances/tasks/x", "GET"),
                                      ("DELETE", "/healthz", "GET"), ("PATCH", "/api/v1/tasks", "POST")):
            connection = self.raw()
            connection.send(self.request(method, path))
            answer = connection.answer()
            self.check(answer, 405, NO_PATH)
            self.assertIn(allowed, answer.headers["Allow"].split(", "))

    def test_head_has_no_body(self):
        connection = self.raw()
        connection.send(self.head("HEAD", "/healthz") + self.head("GET", "/healthz", "Connection: close"))
        data = b""
        while connection.more():
            pass
        data = connection.buffer
        self.assertEqual(data.count(b"HTTP/1.1 200"), 2)
        self.assertEqual(data.count(b'{"status"'), 1)


class Framing(Case):
    def test_broken_requests(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"GET\r\n\r\n", b"nonsense\r\n\r\n",
                     b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
                     b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" % ASYNC.encode(),
                     b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\n" % ASYNC.encode(),
                     b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
                     % ASYNC.encode(),
                     # The two ways in which requests are smuggled past a proxy.
                     b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" % ASYNC.encode(),
                     b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" % ASYNC.encode(),
                     b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Auth-Token: %s\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" % (ASYNC.encode(), self.token.encode())):
            with self.subTest(data=data[:120]):
                connection = self.raw()
                connection.send(data)
                answer = connection.answer()
                # TLS to a plain port may be closed without a word; all else is told what is wrong, then closed.
                if answer is not None or not data.startswith(b"\x16"):
                    self.check(answer, answer.status, PARAMETER)
                    self.assertIn(answer.status, (400, 501, 505))
                    self.assertIsNone(connection.answer(), "the server goes on after a request of unknown length")

    def test_too_large_a_header(self):
        for lines in (["X-Large: " + "x" * 70000], ["X-%d: y" % number for number in range(6000)]):
            connection = self.raw()
            try:
                connection.send(self.head("GET", "/healthz", *lines))
            except (BrokenPipeError, ConnectionResetError):
                continue
            self.check(connection.answer(), 431, PARAMETER)
        connection = self.raw()
        connection.send(self.head("GET", "/" + "p" * 15000))
        self.assertIn(connection.answer().status, (404, 414, 431))

    def test_pipelining(self):
        good = json.dumps({"instance_ids": [instance(1)]}).encode()
        connection = self.raw()
        connection.send(self.request("POST", STATUS, good) + self.request("GET", "/nothing") +
                        self.request("POST", ASYNC, b"{") + self.head("GET", "/healthz") * 200)
        self.assertEqual(connection.answer().status, 200)
        self.check(connection.answer(), 404, NO_PATH)
        self.check(connection.answer(), 400, PARAMETER)
        self.assertEqual([connection.answer().status for _ in range(200)], [200] * 200)

    def test_byte_by_byte(self):
        connection = self.raw()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in self.request("POST", STATUS, {"instance_ids": [instance(1)]}):
            connection.send(bytes([byte]))
        self.assertEqual(connection.answer().status, 200)

    def test_half_requests_hold_up_nobody_and_store_nothing(self):
        whole = self.request("POST", ASYNC, {"command": "echo half", "instance_ids": [instance(1)]})
        for part in (1, 10, whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            for reset in (False, True):
                connection = self.raw()
                connection.send(whole[:part])
                if reset:  # RST instead of FIN
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    connection.close()
                else:
                    connection.socket.shutdown(socket.SHUT_WR)
                    connection.answer()

    def test_slow_senders_and_readers_hold_up_nobody(self):
        # A header must be whole within 10 s of its first byte, however busily its bytes trickle in.
        slow = [self.raw() for _ in range(50)]
        begin = time.monotonic()
        for connection in slow:
            connection.send(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        # These want answers, many and large, and read none of them.
        deaf = [self.raw() for _ in range(5)]
        for connection in deaf:
            connection.socket.setblocking(False)
            try:
                for _ in range(1000):
                    connection.send(self.head("GET", "/metrics") * 50)
            except BlockingIOError:
                pass
        slowest = 0
        pending = set(slow)

        def trickle():
            nonlocal slowest
            with Client(self.server, self.token) as client:
                answer = client.get("/api/v1/tasks?limit=1")
            self.assertEqual(answer.status, 200)
            slowest = max(slowest, answer.seconds)
            for connection in list(pending):
                try:
                    connection.send(b"x")
                    connection.socket.setblocking(False)
                    connection.socket.recv(4096)
                    pending.discard(connection)  # told so, or closed
                except BlockingIOError:
                    connection.socket.setblocking(True)
                except OSError:
                    pending.discard(connection)
            return not pending

        until(trickle, "slow senders have been closed", 20 * PATIENCE_FACTOR)
        self.assertGreater(time.monotonic() - begin, 8, "closed before their time")
        self.assertLess(slowest, 1 * PATIENCE_FACTOR)
        self.assertLess(self.server.rss_kib(), 300 * 1024 * PATIENCE_FACTOR)


if __name__ == "__main__":
    unittest.main()
