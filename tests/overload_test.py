#!/usr/bin/env python3
"""More than a node can take, from many clients at once: it refuses early and says when to come back, its memory stays
within its bounds, and who is not part of the crowd is served all the while."""

import json
import resource
import select
import socket
import statistics
import time
import unittest

from harness import PATIENCE, PATIENCE_FACTOR, Client, LocalClient, Server, instance, started, temp_folder, until

ASYNC = "/v1/instances/async-command"
NATIVE = "/api/v1/tasks"
FULL = "KOOPHONE.API.9999"
RATE = "APIGW.0308"
MIB = 1024  # KiB

# Every client here is a descriptor of this process too.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Crowd:
    """Many sockets that never block."""

    def __init__(self, test, port, count, receive_buffer=None):
        self.sockets = []
        test.addCleanup(self.close)
        for _ in range(count):
            one = socket.socket()
            self.sockets.append(one)
            if receive_buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            one.settimeout(PATIENCE)
            one.connect(("127.0.0.1", port))
        for one in self.sockets:
            one.setblocking(False)

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets = []

    def send(self, data):
        """To each; False for those that are closed."""
        return [self.send_to(one, data) for one in self.sockets]

    @staticmethod
    def send_to(one, data):
        try:
            return one.send(data) > 0
        except BlockingIOError:
            return True
        except OSError:
            return False

    def take(self, size=65536):
        """What each has at the moment: None for those that are closed."""
        found = []
        for one in self.sockets:
            try:
                found.append(one.recv(size) or None)
            except BlockingIOError:
                found.append(b"")
            except OSError:
                found.append(None)
        return found


class Case(unittest.TestCase):
    def head(self, method, path, token, *lines):
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: drover", "X-Auth-Token: " + token, *lines]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def check(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json["error_code"], code, answer)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1, answer)

    def served(self, client, count=1):
        """The times of so many requests that go through the store, in seconds."""
        times = []
        for _ in range(count):
            answer = client.get(NATIVE + "?limit=1")
            self.assertEqual(answer.status, 200, answer)
            times.append(answer.seconds)
        return times


class Queues(Case):
    def test_full_queues_refuse_and_recover(self):
        sim, server = started(self, 4, serve=("--jobs-max-queued", "30", "--jobs-max-queued-per-project", "20"))
        for project in ("second", "third"):
            server.cli("projects", "create", project)
            server.cli("instances", "import", sim.list_path, "--project", project)
        clients = [Client(server, server.token(project)) for project in ("default", "second", "third")]
        for client in clients:
            self.addCleanup(client.close)
            until(lambda: len(client.get("/api/v1/instances?state=online").json["instances"]) == 4, "phones are online")
        first, second, third = clients
        sleep = {"command": "sleep 600", "instance_ids": [instance(0)] * 10}

        held = [self.accepted(first, sleep) for _ in range(2)]
        self.check(first.post(ASYNC, sleep), 429, RATE)
        self.check(first.post(NATIVE, sleep), 429, RATE)
        self.check(first.post(NATIVE, {"command": "true", "all": True}), 429, RATE)
        # Refused before it is read: nothing says that it is no JSON.
        self.check(first.request("POST", ASYNC, b"{" * 100), 429, RATE)
        self.check(first.request("POST", NATIVE, b"{" * 1000000), 429, RATE)
        first.close()  # That one closed the connection, its body unread.

        job, = second.wait_task(second.run("echo not concerned", [instance(1)]))
        self.assertEqual(job["shown"], "not concerned\n")
        held_by_second = self.accepted(second, sleep)
        self.check(second.post(ASYNC, sleep), 503, FULL)
        self.check(third.post(ASYNC, sleep), 503, FULL)
        # What runs can still be asked for, and called off.
        self.assertEqual(first.get("/v1/instances/tasks/" + held[0]).status, 200)
        for task in held:
            self.assertEqual(first.post("/api/v1/tasks/%s/cancel" % task, {}).status, 200)
            first.wait_task(task)
        job, = first.wait_task(first.run("echo again", [instance(2)]))
        self.assertEqual(job["shown"], "again\n")
        second.post("/api/v1/tasks/%s/cancel" % held_by_second, {})

    def accepted(self, client, body):
        answer = client.post(ASYNC, body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["data"]["task_id"]

    def test_the_memory_of_queued_tasks_is_bounded(self):
        _, server = started(self, 1, serve=("--jobs-queue-memory", str(8 << 20)))
        before = server.rss_kib()
        with Client(server, server.token()) as client:
            tasks = []
            body = {"command": "sleep 600 #" + "x" * 1000, "instance_ids": [instance(0)]}
            while len(tasks) < 20000:
                answer = client.post(ASYNC, body)
                if answer.status != 200:
                    break
                tasks.append(answer.json["data"]["task_id"])
            self.check(answer, 429, RATE)
            # A project has half of it.
            self.assertLess(server.rss_kib() - before, (4 + 12) * MIB * PATIENCE_FACTOR)
            self.assertGreater(len(tasks), 500)
            client.post("/api/v1/tasks/%s/cancel" % tasks[-1], {})
            self.assertEqual(client.post(ASYNC, body).status, 200)


class Connections(Case):
    def test_idle_ones_and_those_beyond_the_bound(self):
        limit = min(10000, hard - 1000)
        server = Server(temp_folder(self), "--http-max-connections", str(limit))
        self.addCleanup(server.close)
        if limit < 10000:
            print("only %d idle connections: the descriptor limit is %d" % (limit, hard))
        token = server.token()
        before = server.rss_kib()
        crowd = Crowd(self, server.port, limit)
        with LocalClient(server) as local:
            until(lambda: b"drover_http_connections %d" % (limit + 1) in local.get("/metrics").body, "all are there")
            each = (server.rss_kib() - before) / limit
            print("%d idle connections: %.2f KiB each" % (limit, each))
            self.assertLess(each, 2 * PATIENCE_FACTOR)
            # More than are told so at once: accepting pauses, for them alone.
            beyond = Crowd(self, server.port, 200)
            told = until(lambda: b"".join(data or b"" for data in beyond.take()), "one beyond the bound is told so")
            self.assertIn(b"503", told.split(b"\r\n")[0])
            for word in (b"Retry-After: ", b"Connection: close", FULL.encode()):
                self.assertIn(word, told)
            begin = time.monotonic()
            for _ in range(20):
                with LocalClient(server) as another:
                    self.served(another)
            self.assertLess(time.monotonic() - begin, 1 * PATIENCE_FACTOR)
        beyond.close()
        crowd.close()

        def good():
            try:
                with Client(server, token) as client:
                    return client.get(NATIVE).status == 200
            except OSError:
                return False

        until(good, "there is room again")

    def test_thousand_slow_senders(self):
        server = Server(temp_folder(self))
        self.addCleanup(server.close)
        token = server.token()
        with Client(server, token) as client:
            self.served(client)
            before = server.rss_kib()
            heads = Crowd(self, server.port, 500)
            bodies = Crowd(self, server.port, 500)
            heads.send(b"GET /healthz HTTP/1.1\r\nHost: drover\r\nX-Slow: ")
            bodies.send(self.head("POST", NATIVE, token, "Content-Type: application/json", "Content-Length: 1000000"))
            times = []
            until_then = time.monotonic() + 7  # a head has ten seconds to come
            for _ in range(20):
                if times and time.monotonic() > until_then:
                    break
                self.assertTrue(all(heads.send(b"x")) and all(bodies.send(b" ")))
                times += self.served(client, 5)
            self.assertLess(max(times), 0.5 * PATIENCE_FACTOR)
            # Memory grows with what has come, not with what was announced.
            self.assertLess(server.rss_kib() - before, 64 * MIB * PATIENCE_FACTOR)

    def test_large_bodies_together_are_bounded(self):
        server = Server(temp_folder(self), "--http-memory", str(16 << 20))
        self.addCleanup(server.close)
        token = server.token()
        with Client(server, token) as client:
            self.served(client)
            before = server.rss_kib()
            crowd = Crowd(self, server.port, 200)
            crowd.send(self.head("POST", ASYNC, token, "Content-Type: application/json", "Content-Length: 1000000"))
            said = []

            def refused():
                crowd.send(b" " * 32768)
                said.extend(data for data in crowd.take() if data)
                return any(b"HTTP/1.1 503" in data and b"Retry-After: " in data for data in said)

            until(refused, "a large body is refused")
            self.assertLess(server.rss_kib() - before, (8 + 24) * MIB * PATIENCE_FACTOR)
            self.served(client)
            # Who may not send one at all is told so before it is read.
            stranger = Crowd(self, server.port, 1)
            stranger.send(self.head("POST", NATIVE, "wrong", "Content-Type: application/json", "Content-Length: 9000000"))
            until(lambda: b"401" in (stranger.take()[0] or b""), "a stranger is refused")
            crowd.close()
            body = {"command": "true", "instance_ids": ["missing"], "padding": "x" * 900000}
            until(lambda: client.post(ASYNC, body).status == 200, "there is room again")

    def test_slow_readers_of_large_answers(self):
        server = Server(temp_folder(self), "--http-memory", str(64 << 20))
        self.addCleanup(server.close)
        token = server.token()
        with Client(server, token) as client:
            server.cli("projects", "create", "other")
            another = Client(server, server.token("other"))
            self.addCleanup(another.close)
            task = client.post(NATIVE, {"command": "true", "instance_ids": ["n" * 32] * 10000}).json["task_id"]
            path = "/api/v1/tasks/%s/jobs?limit=10000" % task
            client.wait_task(task)
            size = len(client.get(path).body)
            before = server.rss_kib()
            crowd = Crowd(self, server.port, 1000, 65536)
            crowd.send(self.head("GET", path, token))
            times = []
            closed = lambda: float(next(line for line in client.get("/metrics").body.decode().splitlines()
                                        if line.startswith("drover_http_slow_readers_closed_total")).split()[1])

            def full():
                times.extend(self.served(another))
                return closed() > 5

            until(full, "slow readers are closed", 60 * PATIENCE_FACTOR)
            self.assertGreater(size * 1000, 1000 << 20)
            self.assertLess(server.rss_kib() - before, (32 + 128) * MIB * PATIENCE_FACTOR)
            # Copying hundreds of megabytes is what sanitizers slow down most.
            self.assertLess(statistics.median(times), PATIENCE_FACTOR ** 2)


class Floods(Case):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 1)
        cls.token = cls.server.token()

    def flood(self, crowd, data, seconds):
        """Sends to all that can take more and drops what they answer, while a good client goes on; its times."""
        times, answers = [], 0
        poll = select.epoll()
        by_number = {one.fileno(): one for one in crowd.sockets}
        for number in by_number:
            poll.register(number, select.EPOLLIN | select.EPOLLOUT)
        end = time.monotonic() + seconds
        with Client(self.server, self.token) as client:
            while time.monotonic() < end:
                for number, events in poll.poll(0, 200):
                    if events & select.EPOLLIN:
                        try:
                            answers += by_number[number].recv(65536).count(b"HTTP/1.1 ")
                        except BlockingIOError:
                            pass
                    if events & select.EPOLLOUT:
                        crowd.send_to(by_number[number], data)
                times += self.served(client)
        poll.close()
        times.sort()
        return times, answers

    def test_wrong_tokens_and_pipelines_without_end(self):
        for name, data in (("wrong tokens", self.head("GET", NATIVE, "wrong" * 8)),
                           ("pipelines", self.head("GET", "/healthz", self.token) * 100)):
            with self.subTest(name):
                crowd = Crowd(self, self.server.port, 500)
                times, answers = self.flood(crowd, data, 3)
                crowd.close()
                print("%s: %d answers seen; another client's p50 %.1f ms, p99 %.1f ms" % (
                    name, answers, 1000 * statistics.median(times), 1000 * times[len(times) * 99 // 100]))
                self.assertGreater(answers, 1000)
                self.assertLess(times[len(times) * 99 // 100], 1 * PATIENCE_FACTOR)

    def test_half_closed_clients_are_answered_and_forgotten(self):
        crowd = Crowd(self, self.server.port, 500)
        crowd.send(self.head("GET", NATIVE + "?limit=1", self.token))
        for one in crowd.sockets:
            one.shutdown(socket.SHUT_WR)
        left = set(crowd.sockets)
        answered = set()

        def all_ended():
            for one, data in zip(crowd.sockets, crowd.take()):
                if data is None:
                    left.discard(one)
                elif data:
                    answered.add(one)
            return not left

        until(all_ended, "the server has closed them")
        self.assertEqual(len(answered), 500)

    def test_many_who_wait_for_one_task_get_one_answer(self):
        with Client(self.server, self.token) as client:
            task = client.run("sleep 2", [instance(0)])
            crowd = Crowd(self, self.server.port, 500)
            crowd.send(self.head("GET", "/v1/instances/tasks/%s?wait=30" % task, self.token))
            self.served(client, 10)
            got = [b""] * 500

            def all_answered():
                for i, data in enumerate(crowd.take()):
                    got[i] += data or b""
                return all(b"\r\n\r\n" in data for data in got)

            until(all_answered, "all have their answer")
            self.assertEqual({json.loads(data.split(b"\r\n\r\n")[1])["data"]["jobs"][0]["status"] for data in got}, {2})


if __name__ == "__main__":
    unittest.main()
