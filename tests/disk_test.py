#!/usr/bin/env python3
"""What the disk can do to the server: it is full, fails, fails to sync, or loses what was not synced when the power
goes. Nothing accepted is lost, nothing begins twice, and the server goes on by itself when the disk works again.

DROVER_BROKEN names the program whose disk fails to order (tests/broken)."""

import collections
import http.client
import os
import random
import subprocess
import threading
import time
import unittest

from crash import Rounds
from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, LocalClient, Server, Simulator, environment, instance,
                     no_zombie, temp_folder, until)

BROKEN = os.environ.get("DROVER_BROKEN", "")
SLEEP = 2 * PATIENCE_FACTOR  # seconds that such a job takes: it ends when the disk has failed
BODY = 300_000  # bytes of output of each job that runs while the disk fails: more than an old log has room for


def tmpfs(test, size, **more):
    """A small file system of the test's own, or the test is skipped."""
    folder = temp_folder(test)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "drover-test", folder], capture_output=True,
                          text=True)
    if made.returncode != 0:
        test.skipTest("needs to mount a file system (root): " + made.stderr.strip())
    test.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
    return folder


def fill(folder):
    """Until nothing more fits."""
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                pass


class Sender(threading.Thread):
    """Sends one small task after the other, until stopped. `accepted` and `refused` are the commands."""

    def __init__(self, server, token, name, phones):
        super().__init__(daemon=True)
        self.client = Client(server, token)
        self.prefix = name
        self.phones = phones
        self.stopping = threading.Event()
        self.accepted = {}  # command -> task
        self.refused = []
        self.unexpected = []

    def run(self):
        number = 0
        try:
            while not self.stopping.is_set():
                number += 1
                command = "echo %s-%d-" % (self.prefix, number)
                answer = self.client.post("/v1/instances/async-command",
                                          {"command": command, "instance_ids": self.phones})
                if answer.status == 200:
                    self.accepted[command] = answer.json["data"]["task_id"]
                elif is_refusal(answer):
                    self.refused.append(command)
                else:
                    self.unexpected.append(answer)
                self.stopping.wait(0.02)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.unexpected.append(error)
        finally:
            self.client.close()

    def stop(self):
        self.stopping.set()
        self.join(PATIENCE)


def is_refusal(answer):
    return (answer.status == 503 and answer.json["error_code"] == "KOOPHONE.API.9999" and
            int(answer.headers["Retry-After"]) > 0)


class Outage:
    """While tasks run, wait and are sent, the disk breaks; later it works again. For subclasses: breaks() and
    heals()."""

    PHONES = 8
    # A full disk still takes what fits into the room that the database has already.
    takes_a_little = False

    def started(self, folder, data_parent, **server):
        self.sim = Simulator(folder, self.PHONES)
        self.addCleanup(self.sim.close)
        self.server = Server(data_parent, **server)
        self.addCleanup(self.server.close)
        self.server.adopt(self.sim)
        self.token = self.server.token()

    def go_through_it(self):
        client = Client(self.server, self.token)
        self.addCleanup(client.close)
        old = client.run("echo old", [instance(0)])
        client.wait_task(old)
        busy, free = [instance(n) for n in range(4)], [instance(n) for n in range(4, 8)]
        running = client.run("sleep %d; gen %d; exit 3" % (SLEEP, BODY), busy)
        waiting = client.run("echo waiting", busy)
        until(lambda: sum("gen %d" % BODY in command for _, _, command in self.sim.begun()) == 4, "all four run")
        senders = [Sender(self.server, self.token, "sender-%d" % n, [free[n], free[n + 1]]) for n in range(3)]
        for sender in senders:
            sender.start()
        until(lambda: all(sender.accepted for sender in senders), "all are served")

        self.breaks()
        until(lambda: client.get("/readyz").status == 503, "it says that it cannot store")
        until(lambda: all(sender.refused for sender in senders), "tasks are refused")
        self.while_broken(client, old, running, waiting)
        begin = time.monotonic()
        self.heals()
        until(lambda: client.get("/readyz").status == 200, "it works again", 3 * PATIENCE_FACTOR)
        self.back_after = time.monotonic() - begin
        healed = {sender: len(sender.accepted) for sender in senders}
        until(lambda: all(len(sender.accepted) > healed[sender] for sender in senders), "all are served again")
        for sender in senders:
            sender.stop()
            self.assertEqual(sender.unexpected, [])
        self.assertIsNone(self.server.process.poll())

        accepted = {command: task for sender in senders for command, task in sender.accepted.items()}
        refused = [command for sender in senders for command in sender.refused]
        shown = self.verify(client, running, waiting, accepted, refused)
        print("%s: %d tasks accepted, %d refused, back after %.1f s" % (self.id().split(".")[-1], len(accepted),
                                                                      len(refused), self.back_after), flush=True)
        client.close()
        # And all of it is on the disk.
        self.server.kill()
        self.server.start()
        with Client(self.server, self.token) as again:
            for task, jobs in shown.items():
                self.assertEqual(again.jobs(task), jobs)

    def while_broken(self, client, old, running, waiting):
        # Not only for a moment: several times over it tries in vain.
        self.late = {}  # command -> the task's id, None when it was refused
        until_then = time.monotonic() + 1.5
        while time.monotonic() < until_then:
            command = "echo late-%d" % len(self.late)
            answer = client.post("/v1/instances/async-command", {"command": command, "instance_ids": [instance(7)]})
            self.late[command] = answer.json["data"]["task_id"] if answer.status == 200 else None
            self.assertTrue(self.late[command] or is_refusal(answer), answer)
            self.assertEqual(client.get("/healthz").status, 200)
            self.assertEqual([job["shown"] for job in client.jobs(old)], ["old\n"])
            if not self.takes_a_little:
                self.assertIsNone(self.late[command])
                ready = client.get("/readyz")
                self.assertEqual(ready.status, 503)
                self.assertIn("store", ready.json["error_msg"])
                # What is not stored is not shown.
                states = {job["state"] for task in (running, waiting) for job in client.jobs(task)}
                self.assertLessEqual(states, {"running", "queued"})
        until(lambda: self.sim.stats().get("running", 0) == 0, "the jobs have ended on the phones")

    def verify(self, client, running, waiting, accepted, refused):
        shown = {}
        for job in client.wait_task(running):
            self.assertEqual((job["state"], job["exit_code"], job["output_bytes"]), ("failed", 3, BODY))
            whole = client.get("/api/v1/jobs/" + job["job_id"]).json
            self.assertEqual(len(whole["stdout"]), BODY)
        shown[running] = client.jobs(running)
        shown[waiting] = client.wait_task(waiting)
        for task in [*accepted.values(), *filter(None, self.late.values())]:
            shown[task] = client.wait_task(task)
        for task, jobs in shown.items():
            if task != running:
                self.assertEqual({job["state"] for job in jobs}, {"succeeded"}, jobs)
        begun = collections.Counter((phone, command) for _, phone, command in self.sim.begun())
        for command in accepted:
            self.assertEqual([count for (_, text), count in begun.items() if text == command], [1, 1], command)
        for command, task in self.late.items():
            self.assertEqual([count for (_, text), count in begun.items() if text == command], [1] if task else [])
        for command in refused:
            self.assertEqual([key for key in begun if key[1] == command], [], "it was refused")
        for (_, command), count in begun.items():
            if command.startswith(("sleep %d;" % SLEEP, "echo waiting")):
                self.assertEqual(count, 1, command)
        return shown


@unittest.skipUnless(BROKEN, "DROVER_BROKEN is not set")
class OrderedOutage(Outage, unittest.TestCase):
    def run_with(self, word):
        folder = temp_folder(self)
        self.control = os.path.join(folder, "disk")
        self.word = word
        self.started(folder, folder, binary=BROKEN, settings={"DROVER_DISK_CONTROL": self.control})
        self.go_through_it()

    def breaks(self):
        with open(self.control + ".new", "w") as control:
            control.write(self.word)
        os.rename(self.control + ".new", self.control)

    def heals(self):
        os.unlink(self.control)

    def test_no_file_grows(self):
        self.takes_a_little = True
        self.run_with("full")

    def test_writes_fail(self):
        self.run_with("fail-write")

    def test_syncs_fail(self):
        self.run_with("fail-sync")

    def test_everything_fails(self):
        self.run_with("fail")


@unittest.skipUnless(BROKEN, "DROVER_BROKEN is not set")
class FailingDisk(unittest.TestCase):
    def setUp(self):
        folder = temp_folder(self)
        self.control = os.path.join(folder, "disk")
        self.sim = Simulator(folder, 2)
        self.addCleanup(self.sim.close)
        self.server = Server(folder, binary=BROKEN, settings={"DROVER_DISK_CONTROL": self.control})
        self.addCleanup(self.server.close)
        self.server.adopt(self.sim)
        self.token = self.server.token()

    def breaks(self, word):
        with open(self.control, "w") as control:
            control.write(word)

    def refuse(self, client, command):
        answer = client.post("/v1/instances/async-command", {"command": command, "instance_ids": [instance(0)]})
        self.assertTrue(is_refusal(answer), answer)

    def test_an_idle_server_is_not_ready_until_it_can_store_again(self):
        with Client(self.server, self.token) as client:
            self.assertEqual(client.get("/readyz").status, 200)
            self.breaks("fail-sync")
            self.refuse(client, "echo refused")
            end = time.monotonic() + 2
            while time.monotonic() < end:  # there is nothing to be stored, and it finds out all the same
                self.assertEqual(client.get("/readyz").status, 503)
            os.unlink(self.control)
            until(lambda: client.get("/readyz").status == 200, "it works again", 3 * PATIENCE_FACTOR)
            job, = client.wait_task(client.run("echo served", [instance(0)]))
            self.assertEqual(job["state"], "succeeded")

    def test_what_was_refused_does_not_come_back_after_a_kill(self):
        # Each sync fails, while all that is written is there for the next process.
        with Client(self.server, self.token) as client:
            accepted = client.run("echo accepted", [instance(0)])
            client.wait_task(accepted)
            for number in range(3):
                self.breaks("fail-sync")
                self.refuse(client, "echo refused-%d" % number)
                self.server.kill()
                os.unlink(self.control)
                self.server.start()
                client.close()
                client.connection = client.connect(self.server)
                self.server.wait_online(2)
                self.assertEqual(client.jobs(accepted)[0]["state"], "succeeded")
                client.wait_task(client.run("echo after", [instance(0)]))
            tasks = client.get("/api/v1/tasks").json["tasks"]
            self.assertEqual(sorted(task["command"] for task in tasks), ["echo accepted"] + 3 * ["echo after"])
        self.assertEqual([command for _, _, command in self.sim.begun() if "refused" in command], [])


class FullFileSystem(Outage, unittest.TestCase):
    """A real one."""

    takes_a_little = True

    def test_it_fills_up_and_gets_room(self):
        self.small = tmpfs(self, 16 << 20)
        self.started(temp_folder(self), self.small)
        self.go_through_it()

    def breaks(self):
        fill(self.small)

    def heals(self):
        os.unlink(os.path.join(self.small, "filler"))


class Start(unittest.TestCase):
    """On a disk that cannot be used: one clear line, exit code 2, at once."""

    def refused(self, data, *words, binary=DROVER, **settings):
        begin = time.monotonic()
        ended = subprocess.run([binary, "serve", "--http-port", "0", "--data-dir", data], capture_output=True,
                               text=True, timeout=PATIENCE, env=environment(**settings))
        self.assertLess(time.monotonic() - begin, 5 * PATIENCE_FACTOR)
        self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
        said = [line for line in ended.stderr.splitlines() if line.startswith("drover: ")]
        self.assertEqual(len(said), 1, ended.stderr)
        self.assertIn(data, said[0])
        for word in words:
            self.assertIn(word, said[0])

    def test_full(self):
        small = tmpfs(self, 1 << 20)
        fill(small)
        self.refused(os.path.join(small, "data"), "No space left")
        os.unlink(os.path.join(small, "filler"))
        server = Server(small)  # what was begun is no hindrance
        self.addCleanup(server.close)

    def test_full_after_the_key(self):
        # Room for less and less: wherever it ends, the message is clear, and the next start goes well.
        small = tmpfs(self, 1 << 20)
        filler = os.path.join(small, "filler")
        for left in (4096, 16384, 32768, 65536, 98304):
            fill(small)
            os.truncate(filler, os.path.getsize(filler) // 4096 * 4096 - left)
            self.refused(os.path.join(small, "data"))
        os.unlink(filler)
        server = Server(small)
        self.addCleanup(server.close)

    def test_read_only(self):
        small = tmpfs(self, 8 << 20)
        server = Server(small)
        server.kill()
        self.addCleanup(server.close)
        data = os.path.join(small, "data")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        self.refused(data, "Read-only file system")
        self.refused(os.path.join(small, "new"), "Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", small], check=True)
        server.start()

    def test_no_database_can_be_made(self):
        folder = temp_folder(self)
        os.makedirs(os.path.join(folder, "data", "drover.db"))
        self.refused(os.path.join(folder, "data"), "it is not a regular file")

    @unittest.skipUnless(BROKEN, "DROVER_BROKEN is not set")
    def test_failing(self):
        folder = temp_folder(self)
        control = os.path.join(folder, "disk")
        for word in ("fail", "fail-open", "fail-read", "fail-write", "fail-sync", "fail-map", "full"):
            with open(control, "w") as file:
                file.write(word)
            self.refused(os.path.join(folder, "data"), binary=BROKEN, DROVER_DISK_CONTROL=control)
        os.unlink(control)
        server = Server(folder)
        self.addCleanup(server.close)


@unittest.skipUnless(BROKEN, "DROVER_BROKEN is not set")
class PowerCut(unittest.TestCase):
    """What was not synced is in the process's memory only, so that kill -9 loses it (or a part of it)."""

    ROUNDS = 15 if PATIENCE_FACTOR <= 1 else 5

    def test_no_cut_breaks_a_promise(self):
        seed = os.environ.get("DROVER_SEED") or random.randrange(1 << 32)
        rounds = Rounds(temp_folder(self), seed, binary=BROKEN, settings={"DROVER_DISK": "power-cut:%s" % seed})
        self.addCleanup(rounds.close)
        violations = rounds.run(self.ROUNDS)
        print("seed %s: %s" % (seed, " ".join("%s=%s" % item for item in rounds.summary().items())), flush=True)
        self.assertEqual(violations, [], "seed %s" % seed)


if __name__ == "__main__":
    unittest.main()
