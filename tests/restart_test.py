#!/usr/bin/env python3
"""The server is killed in the midst of everything, again and again: what it accepted is there afterwards, ends, and is
begun at most once. The phones, which are another process, keep the journal that proves it."""

import collections
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, Server, environment, instance, started, temp_folder,
                     until)

INTERRUPTED = ("lost", "DROVER.JOB.INTERRUPTED")


class Sender(threading.Thread):
    """Sends tasks, one after the other, until the server is gone. `accepted`: those that it was told are."""

    def __init__(self, server, token, name, commands, phones):
        super().__init__(name=name, daemon=True)
        self.client = Client(server, token)
        self.commands = commands
        self.phones = phones
        self.accepted = {}  # task id -> command
        self.ended = {}     # task id -> its jobs, as they were shown when it had ended
        self.refused = []

    def run(self):
        try:
            for number, command in enumerate(self.commands):
                answer = self.client.post("/v1/instances/async-command",
                                          {"command": command, "instance_ids": self.phones})
                if answer.status != 200:
                    self.refused.append(answer)
                    return
                task = answer.json["data"]["task_id"]
                self.accepted[task] = command
                if number % 4 == 0:
                    shown = self.client.get("/api/v1/tasks/" + task).json
                    if shown["state"] == "finished":
                        self.ended[task] = self.client.jobs(task)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # killed
        finally:
            self.client.close()


class Killed(unittest.TestCase):
    ROUNDS = 5
    PHONES = 20
    SENDERS = 4

    def test_at_most_once_and_nothing_is_lost(self):
        self.sim, self.server = started(self, self.PHONES)
        self.token = self.server.token()
        accepted, ended = {}, {}
        for number in range(self.ROUNDS):
            done, shown = self.round(number)
            accepted.update(done)
            ended.update(shown)
            self.server.start()
            with Client(self.server, self.token) as client:
                for task in accepted:  # at once, and not only when all has been put in order
                    self.assertEqual(client.get("/v1/instances/tasks/" + task).status, 200, "an accepted task is gone")
        self.server.wait_online(self.PHONES)
        self.verify(accepted, ended)

    def round(self, number):
        """Sends from several connections, some to a few phones, and kills the server while they do."""
        senders = []
        for sender in range(self.SENDERS):
            # One sends what ends at once, the others what is running at any moment.
            pause = "" if sender == 0 else "sleep 0.01; "
            commands = ["%secho kill-%d-%d-%d" % (pause, number, sender, command) for command in range(60)]
            first = sender * 3
            senders.append(Sender(self.server, self.token, "sender-%d" % sender, commands,
                                  [instance(phone) for phone in range(first, first + 5 + 3 * (sender % 3))]))
        for sender in senders:
            sender.start()
        # At a moment that has nothing to do with what the server does, except that it is in the midst of it.
        enough = 10 + 8 * number
        until(lambda: min(len(sender.accepted) for sender in senders) >= enough or
              not any(sender.is_alive() for sender in senders), "%d tasks each are accepted" % enough)
        self.server.kill()
        accepted, ended = {}, {}
        for sender in senders:
            sender.join(PATIENCE)
            self.assertFalse(sender.is_alive())
            self.assertEqual(sender.refused, [])
            accepted.update(sender.accepted)
            ended.update(sender.ended)
        return accepted, ended

    def verify(self, accepted, ended):
        results = collections.Counter()
        interrupted = collections.Counter()
        with Client(self.server, self.token) as client:
            for task, command in accepted.items():
                jobs = client.wait_task(task)
                if task in ended:
                    self.assertEqual(jobs, ended[task], "an end that was shown has changed")
                for job in jobs:
                    result = (job["state"], job["error_code"])
                    results[result] += 1
                    phone = int(job["instance_id"][-5:])
                    if result == INTERRUPTED:
                        interrupted[phone] += 1
                        self.assertIsNone(job["exit_code"])
                    else:
                        self.assertEqual(result, ("succeeded", ""), job)
                        self.assertEqual(job["shown"], command.rpartition("echo ")[2] + "\n")
        begun = collections.Counter((phone, command) for _, phone, command in self.sim.begun() if "kill-" in command)
        self.assertEqual([(key, count) for key, count in begun.items() if count > 1], [], "begun more than once")
        with Client(self.server, self.token) as client:
            for task, command in accepted.items():
                for job in client.jobs(task):
                    if job["state"] == "succeeded":
                        self.assertEqual(begun[int(job["instance_id"][-5:]), command], 1)
        # Had nothing been running and nothing waiting at the kills, this would have shown nothing.
        self.assertGreater(results[INTERRUPTED], self.ROUNDS)
        self.assertGreater(len(accepted), self.ROUNDS * self.SENDERS * 10)
        # A phone runs one job at a time: all others had not begun, and must have run.
        self.assertLessEqual(max(interrupted.values()), self.ROUNDS)


class Queued(unittest.TestCase):
    def test_running_is_interrupted_and_queued_runs(self):
        sim, server = started(self, 3)
        token = server.token()
        with Client(server, token) as client:
            running = client.run("echo running; sleep 30", [instance(0), instance(1)])
            queued = client.run("echo queued", [instance(0), instance(1)])
            until(lambda: sum("echo running" in command for _, _, command in sim.begun()) == 2, "both run")
        server.kill()
        server.start()
        with Client(server, token) as client:
            for job in client.wait_task(running):
                self.assertEqual((job["state"], job["error_code"], job["exit_code"]), INTERRUPTED + (None,))
                self.assertTrue(job["begun_at"])
            for job in client.wait_task(queued):
                self.assertEqual((job["state"], job["shown"]), ("succeeded", "queued\n"))
            lost = client.get("/api/v1/tasks/%s/jobs?state=lost" % running).json["jobs"]
            self.assertEqual(len(lost), 2)
        for text in ("echo running", "echo queued"):
            self.assertEqual(sorted(phone for _, phone, command in sim.begun() if text in command), [0, 1])

    def test_the_start_deadline_goes_on_while_it_is_down(self):
        _, server = started(self, 1)
        token = server.token()
        with Client(server, token) as client:
            server.cli("instances", "add", "nowhere", "adb://127.9.9.9:9")
            task = client.run("true", ["nowhere"], start_deadline_s=2)
            begin = time.monotonic()
        server.kill()
        until(lambda: time.monotonic() - begin > 2, "the deadline has passed")
        server.start()
        with Client(server, token) as client:
            job, = client.wait_task(task, 3 * PATIENCE_FACTOR)
            self.assertEqual(job["error_code"], "DROVER.JOB.OFFLINE")


class Terminated(unittest.TestCase):
    def ready(self, server):
        """/readyz's status over a new connection, or None if there is none any more."""
        try:
            with Client(server) as client:
                return client.get("/readyz").status
        except OSError:
            return None

    def test_drains(self):
        sim, server = started(self, 2)
        token = server.token()
        client = Client(server, token)
        self.addCleanup(client.close)
        running = client.run("sleep 3; echo drained", [instance(0)])
        queued = client.run("echo later", [instance(0)])
        until(lambda: any("echo drained" in command for _, _, command in sim.begun()), "it runs")
        self.assertEqual(client.get("/readyz").status, 200)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/readyz").status == 503, "it says that it stops")
        refused = client.post("/v1/instances/async-command", {"command": "echo refused", "instance_ids": [instance(1)]})
        self.assertEqual((refused.status, refused.json["error_code"]), (503, "KOOPHONE.API.9999"))
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        # Questions are answered all the while, also that of somebody who waits.
        shown = client.get("/v1/instances/tasks/%s?wait=20" % running)
        self.assertEqual([job["execute_msg"] for job in shown.json["data"]["jobs"]], ["drained\n"])
        self.assertEqual(server.process.wait(PATIENCE), 0)
        server.start()
        with Client(server, token) as again:
            job, = again.wait_task(running)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "drained\n"))
            job, = again.wait_task(queued)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "later\n"))
        begun = [command for _, _, command in sim.begun()]
        self.assertEqual((begun.count("sleep 3; echo drained"), begun.count("echo later")), (1, 1))
        self.assertNotIn("echo refused", begun)

    def interrupted_by(self, stop, *serve):
        sim, server = started(self, 1, serve=serve)
        token = server.token()
        with Client(server, token) as client:
            task = client.run("echo long; sleep 50", [instance(0)])
        until(lambda: any("echo long" in command for _, _, command in sim.begun()), "it runs")
        begin = time.monotonic()
        self.assertEqual(stop(server), 0)
        self.assertLess(time.monotonic() - begin, 8 * PATIENCE_FACTOR)
        server.start()
        with Client(server, token) as client:
            job, = client.wait_task(task)
            self.assertEqual((job["state"], job["error_code"]), INTERRUPTED)
        self.assertEqual(sum("echo long" in command for _, _, command in sim.begun()), 1)

    def test_drains_no_longer_than_it_was_told(self):
        self.interrupted_by(Server.stop, "--drain-timeout-s", "1")

    def test_a_second_signal_ends_the_waiting(self):
        def twice(server):
            server.process.send_signal(signal.SIGINT)
            until(lambda: self.ready(server) != 200, "it stops")
            return server.stop()
        self.interrupted_by(twice)


class DataFolder(unittest.TestCase):
    def test_a_second_server_is_refused(self):
        _, server = started(self, 1)
        second = subprocess.run([DROVER, "serve", "--http-port", "0", "--data-dir", server.data], capture_output=True,
                                text=True, timeout=PATIENCE, env=environment())
        self.assertNotEqual(second.returncode, 0)
        self.assertEqual(second.stdout, "")
        self.assertIn(server.data, second.stderr)
        self.assertRegex(second.stderr, "(?i)(in use|another|already|uses)")
        # The first one was not disturbed, its socket neither.
        self.assertIn("sim-00000", server.cli("instances", "list").stdout)
        self.assertEqual(server.cli("run", "--all", "--", "true").returncode, 0)

    def test_a_port_that_is_taken_is_named(self):
        folder = temp_folder(self)
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            refused = subprocess.run([DROVER, "serve", "--http-port", str(port), "--data-dir",
                                      os.path.join(folder, "data")], capture_output=True, text=True, timeout=PATIENCE,
                                     env=environment())
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(str(port), refused.stderr)


if __name__ == "__main__":
    unittest.main()
