#!/usr/bin/env python3
"""What stopping and starting do to tasks, one case at a time. crash_test.py has all of them at once, at random."""

import os
import signal
import socket
import subprocess
import time
import unittest

from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, Server, environment, instance, started, temp_folder,
                     until)

INTERRUPTED = ("lost", "DROVER.JOB.INTERRUPTED")

DRAINED = "sleep %d; echo drained" % (3 * PATIENCE_FACTOR)


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
        running = client.run(DRAINED, [instance(0)])
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
        self.assertEqual((begun.count(DRAINED), begun.count("echo later")), (1, 1))
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

    def test_a_signal_at_the_very_end_comes_too_late(self):
        server = Server(temp_folder(self))
        self.addCleanup(server.close)
        for _ in range(10):
            server.process.send_signal(signal.SIGTERM)
            while server.process.poll() is None:
                server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.returncode, 0)
            server.start()


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
