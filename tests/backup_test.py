#!/usr/bin/env python3
"""Backups of a server at work: whole or not there, and nothing of them runs a second time."""

import collections
import json
import os
import signal
import sqlite3
import stat
import subprocess
import threading
import unittest

from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, Server, cli, environment, instance, no_zombie, started,
                     temp_folder, until)

BUSY = "echo running; sleep %d" % (2 * PATIENCE_FACTOR)
INTERRUPTED = ("lost", "DROVER.JOB.INTERRUPTED")


def server_on(test, folder, data):
    server = Server(folder, data=data)
    test.addCleanup(server.close)
    return server


def partial(folder):
    return [name for name in os.listdir(folder) if ".partial-" in name]


class Restored(unittest.TestCase):
    def test_what_was_open_ends_as_interrupted_and_never_runs_again(self):
        sim, server = started(self, 4)
        token = server.token()
        copy = os.path.join(server.folder, "copy")
        with Client(server, token) as client:
            done = client.run("echo done", [instance(phone) for phone in range(4)])
            client.wait_task(done)
            # Two phones are busy for as long as the copy takes: what waits behind that has not begun in it.
            running = client.run(BUSY, [instance(0), instance(1)])
            queued = client.run("echo queued", [instance(0), instance(1)])
            until(lambda: sum("echo running" in command for _, _, command in sim.begun()) == 2, "both run")
            report = json.loads(server.cli("backup", copy, "--json").stdout)
            self.assertEqual((report["backup"], report["open_jobs"], report["tasks"]), (copy, 4, 3))
            for job in client.wait_task(queued):
                self.assertEqual(job["state"], "succeeded", "the server is disturbed")
            later = client.run("echo later", [instance(2)])
            client.wait_task(later)
        self.assertEqual(server.stop(), 0)

        self.assertEqual(sorted(os.listdir(copy)), ["adbkey", "adbkey.pub", "drover.db", "masterkey"])
        self.assertEqual(stat.S_IMODE(os.stat(copy).st_mode), 0o700)
        for name in os.listdir(copy):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(copy, name)).st_mode), 0o600, name)
        self.assertEqual(partial(server.folder), [])

        restored = server_on(self, server.folder, copy)
        restored.wait_online(4)  # by the same key
        with Client(restored, token) as client:
            for job in client.wait_task(done):
                self.assertEqual((job["state"], job["shown"]), ("succeeded", "done\n"))
            for task in (running, queued):
                for job in client.wait_task(task):
                    self.assertEqual((job["state"], job["error_code"]), INTERRUPTED)
            self.assertEqual(client.get("/v1/instances/tasks/" + later).status, 404)
            fresh = client.run("echo fresh", [instance(phone) for phone in range(4)])
            for job in client.wait_task(fresh):
                self.assertEqual(job["state"], "succeeded")
        begun = collections.Counter(command for _, _, command in sim.begun() if command.startswith("echo "))
        self.assertEqual(begun, {"echo done": 4, BUSY: 2, "echo queued": 2, "echo later": 1,
                                 "echo fresh": 4})

    def test_under_load_nothing_runs_twice(self):
        sim, server = started(self, 8)
        token = server.token()
        accepted = []
        stop = threading.Event()

        def send():
            with Client(server, token) as client:
                while not stop.is_set():
                    accepted.append(client.run("sleep 0.01; echo load-%d" % len(accepted),
                                               [instance(phone) for phone in range(8)]))
        sender = threading.Thread(target=send)
        sender.start()
        copies = [os.path.join(server.folder, "copy-%d" % number) for number in range(3)]
        reports = []
        try:
            for copy in copies:
                enough = len(accepted) + 20
                until(lambda: len(accepted) >= enough or not sender.is_alive(), "tasks are accepted")
                reports.append(json.loads(server.cli("backup", copy, "--json").stdout))
        finally:
            stop.set()
            sender.join(PATIENCE)
        self.assertTrue(all(report["open_jobs"] > 0 for report in reports), reports)
        with Client(server, token) as client:
            for task in accepted:
                client.wait_task(task)
        self.assertEqual(server.stop(), 0)
        for copy, report in zip(copies, reports):
            restored = server_on(self, server.folder, copy)
            restored.wait_online(8)
            interrupted = 0
            with Client(restored, token) as client:
                for task in accepted[:report["tasks"]]:
                    for job in client.wait_task(task):
                        if job["state"] == "succeeded":
                            continue
                        self.assertEqual((job["state"], job["error_code"]), INTERRUPTED)
                        interrupted += 1
            self.assertEqual(interrupted, report["open_jobs"])
            self.assertEqual(restored.stop(), 0)
        begun = collections.Counter((phone, command) for _, phone, command in sim.begun() if "load-" in command)
        self.assertEqual(set(begun.values()), {1})
        self.assertEqual(len(begun), 8 * len(accepted))


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, cls.server = started(cls, 1)

    def test_a_folder_with_something_in_it(self):
        full = temp_folder(self)
        with open(os.path.join(full, "mine"), "w") as mine:
            mine.write("mine")
        refused = self.server.cli("backup", full, expect=2)
        self.assertIn(full, refused.stderr)
        self.assertEqual(os.listdir(full), ["mine"])
        self.assertIn("empty folder", self.server.cli("backup", os.path.join(full, "mine"), expect=2).stderr)

    def test_an_empty_folder_is_taken(self):
        folder = temp_folder(self)
        self.server.cli("backup", folder + "/")
        self.assertIn("drover.db", os.listdir(folder))

    def test_a_link_to_an_empty_folder_is_taken(self):
        folder = temp_folder(self)
        os.mkdir(os.path.join(folder, "there"))
        os.symlink("there", os.path.join(folder, "link"))
        self.server.cli("backup", os.path.join(folder, "link"))
        self.assertIn("drover.db", os.listdir(os.path.join(folder, "there")))
        self.assertEqual(sorted(os.listdir(folder)), ["link", "there"])

    def test_where_nothing_can_be_made(self):
        refused = self.server.cli("backup", os.path.join(self.server.folder, "no", "such"), expect=2)
        self.assertIn("no/such", refused.stderr)

    def test_without_a_database(self):
        folder = temp_folder(self)
        refused = cli("backup", os.path.join(folder, "copy"), "--data-dir", os.path.join(folder, "nothing"), expect=2,
                      environment=environment())
        self.assertIn("there is no database", refused.stderr)
        self.assertEqual(os.listdir(folder), [])


class Stopped(unittest.TestCase):
    def filled(self):
        """A data folder whose copying takes long enough to be interrupted, of a killed server."""
        _, server = started(self, 1)
        server.kill()
        database = sqlite3.connect(os.path.join(server.data, "drover.db"))
        database.execute("WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100) "
                         "INSERT INTO result SELECT n << 20, 2, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, '', x'', "
                         "randomblob(1000000), NULL FROM number")
        database.commit()
        database.close()
        return server

    def copying(self, server):
        copy = os.path.join(server.folder, "copy")
        process = subprocess.Popen([DROVER, "backup", copy, "--data-dir", server.data], env=environment(),
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(no_zombie, process)
        until(lambda: process.poll() is not None or
              any(os.path.exists(os.path.join(server.folder, name, "drover.db")) for name in partial(server.folder)),
              "it copies")
        return copy, process

    def test_ctrl_c_leaves_nothing_behind(self):
        server = self.filled()
        copy, process = self.copying(server)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)
        self.assertEqual(partial(server.folder), [])
        self.assertFalse(os.path.exists(copy))

    def test_a_copy_that_was_killed_has_not_its_name(self):
        server = self.filled()
        copy, process = self.copying(server)
        process.kill()
        process.wait(PATIENCE)
        self.assertFalse(os.path.exists(copy))
        # And it is not in the way of the next one; of a killed server, too.
        server.cli("backup", copy)
        self.assertEqual(cli("doctor", "--full", "--data-dir", copy, environment=environment()).returncode, 0)


if __name__ == "__main__":
    unittest.main()
