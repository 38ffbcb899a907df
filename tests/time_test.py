#!/usr/bin/env python3
"""Clocks that jump and processes that stand still.

libfaketime moves the wall clock of a running server and leaves its steady one alone: deadlines and time-outs keep their
length, ids stay unique, lists stay in order, nothing is deleted. Its time is said in a file that it reads again for
each question."""

import email.utils
import glob
import os
import signal
import sys
import threading
import time
import unittest

from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, LocalClient, Server, Simulator, instance, started,
                     temp_folder, until)

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY
IN_1970 = DAY           # as Unix time
IN_2100 = 4102444800

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


class MovedClock:
    """What a server is told of the wall clock."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        self.offset = 0
        self.move(0)

    def move(self, seconds):
        """Seconds ahead of the true time."""
        self.offset = int(seconds)
        with open(self.path + ".new", "w") as file:
            file.write("%+d\n" % self.offset)
        os.rename(self.path + ".new", self.path)

    def set(self, unix_time):
        self.move(unix_time - time.time())

    def settings(self):
        return {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1", "NO_FAKE_STAT": "1"}


def why_not():
    """Why the clock cannot be moved here, or None."""
    if not LIBRARY:
        return "libfaketime is not installed (Debian's package faketime)"
    with open(DROVER, "rb") as binary:
        program = binary.read()
    if b"__asan_init" in program or b"__tsan_init" in program:
        return "libfaketime does not go together with a sanitizer's runtime: both want to be loaded first"
    return None


def finished(local, task):
    return local.get("/api/v1/tasks/" + task).json["state"] == "finished"


def listed(local):
    """The ids of all tasks, as listed: the newest first."""
    return [task["task_id"] for task in local.get("/api/v1/tasks?limit=1000").json["tasks"]]


class Moved(unittest.TestCase):
    def setUp(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        folder = temp_folder(self)
        self.clock = MovedClock(folder)
        self.sim = Simulator(folder, 4)
        self.addCleanup(self.sim.close)
        self.server = Server(folder, settings=self.clock.settings())
        self.addCleanup(self.server.close)
        self.server.adopt(self.sim)
        self.server.cli("instances", "add", "nowhere", "adb://127.9.9.9:9")

    def assert_moved(self, local):
        """The control: it is the server whose clock has moved, and by so much."""
        def shown():
            date = email.utils.parsedate_to_datetime(local.get("/healthz").headers["Date"]).timestamp()
            return abs(date - time.time() - self.clock.offset) < 5 * PATIENCE_FACTOR
        until(shown, "the server's clock is %+d s off" % self.clock.offset, 5 * PATIENCE_FACTOR)

    def run_one(self, local, text):
        task = local.run("echo " + text, [instance(1)])
        job, = local.wait_task(task)
        self.assertEqual((job["state"], job["shown"]), ("succeeded", text + "\n"))
        self.assertLessEqual(job["begun_at"], job["ended_at"])
        return task


class Running(Moved):
    def test_jumps_change_nothing_that_is_under_way(self):
        token = self.server.token(expires="1h")
        with LocalClient(self.server) as local, Client(self.server, token) as tenant:
            begin = time.monotonic()
            tasks = [
                local.run("sleep 4; echo kept", [instance(0)], run_timeout_s=60),
                local.run("sleep 60", [instance(2)], run_timeout_s=4),
                local.run("echo never", ["nowhere"], start_deadline_s=4),
                local.run("echo later", ["nowhere"], start_deadline_s=600),
            ]
            kept, hanging, offline, later = tasks
            until(lambda: len([1 for _, _, text in self.sim.begun() if text.startswith("sleep")]) == 2, "they run")

            ends = {}

            def wait(name, task):
                with LocalClient(self.server) as mine:
                    answer = mine.get("/api/v1/tasks/%s?wait=4" % task)
                    ends[name] = (answer.seconds, answer.json["state"])

            waiting = threading.Thread(target=wait, args=("later", later))
            waiting.start()

            for offset in (DAY, YEAR, -HOUR, IN_1970 - time.time(), IN_2100 - time.time(), -DAY, 0):
                self.clock.move(offset)
                self.assert_moved(local)
                expired = tenant.get("/api/v1/tasks").status == 401
                self.assertEqual(expired, offset > HOUR, "a token expires by the wall clock: %+d" % offset)
                tasks.append(self.run_one(local, "at%d" % offset))
                ended = [finished(local, task) for task in (kept, hanging, offline, later)]
                if time.monotonic() - begin < 4:
                    self.assertEqual(ended, [False] * 4)

            job, = local.wait_task(kept)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "kept\n"))
            job, = local.wait_task(offline)
            self.assertEqual(job["error_code"], "DROVER.JOB.OFFLINE")
            job, = local.wait_task(hanging)
            self.assertEqual(job["error_code"], "DROVER.JOB.TIMEOUT")
            passed = time.monotonic() - begin
            self.assertGreater(passed, 4)
            self.assertLess(passed, 4 + 12 * PATIENCE_FACTOR)

            waiting.join(PATIENCE)
            seconds, state = ends["later"]
            self.assertEqual(state, "running")
            self.assertGreater(seconds, 3.9)
            self.assertLess(seconds, 4 + 6 * PATIENCE_FACTOR)

            self.assertEqual(len(set(tasks)), len(tasks))
            self.assertEqual(listed(local), tasks[::-1])
            shown = local.get("/api/v1/instances").json["instances"]
            states = {found["instance_id"]: found["state"] for found in shown}
            self.assertEqual([states[instance(i)] for i in range(4)], ["online"] * 4)
            self.assertEqual(self.sim.stats()["handshakes"], 4, "no link was lost")


class Restarted(Moved):
    def test_each_start_finds_another_time(self):
        with LocalClient(self.server) as local:
            tasks = [self.run_one(local, "first")]
            tasks.append(local.run("echo never", ["nowhere"], start_deadline_s=600))
        for number, at in enumerate((IN_1970, IN_2100, time.time(), time.time() - HOUR, time.time() + 2 * YEAR)):
            (self.server.stop if number % 2 else self.server.kill)()
            self.clock.set(at)
            self.server.start()
            self.server.wait_online(4)
            with LocalClient(self.server) as local:
                self.assert_moved(local)
                if number == 0:
                    # The clock was set back, which makes no deadline longer, nor is it over.
                    self.assertFalse(finished(local, tasks[1]))
                else:
                    job, = local.wait_task(tasks[1])
                    self.assertEqual(job["error_code"], "DROVER.JOB.OFFLINE")
                # After what the retention's first look has written.
                tasks.append(self.run_one(local, "start%d" % number))
                self.assertEqual(len(set(tasks)), len(tasks))
                self.assertEqual(listed(local), tasks[::-1])
        self.assertIn("nothing is deleted for its age", self.server.log())
        self.assertEqual([text for _, _, text in self.sim.begun() if "never" in text], [])


class StandingStill(unittest.TestCase):
    PHONES = 300  # more than epoll tells of at once

    def test_what_came_meanwhile_wins_over_the_deadline_it_met(self):
        def scaled(seconds):
            return int(seconds * PATIENCE_FACTOR)

        # The answers come when their time-out has passed, but before the server can notice.
        sim, server = started(self, self.PHONES + 4)
        timed_out, queued_on, silent, rebooted = range(self.PHONES, self.PHONES + 4)
        with LocalClient(server) as local:
            sim.control("fault %d silent" % silent)
            answered = [local.run("sleep %d; echo answered" % scaled(9),
                                  [instance(i) for i in range(first, first + 100)], run_timeout_s=scaled(6))
                        for first in range(0, self.PHONES, 100)]
            hanging = local.run("sleep 100", [instance(timed_out)], run_timeout_s=scaled(8))
            busy = local.run("sleep %d; echo busy" % scaled(7), [instance(queued_on)], run_timeout_s=60)
            late = local.run("echo late", [instance(queued_on)], start_deadline_s=scaled(8))
            unheard = local.run("echo unheard", [instance(silent)], run_timeout_s=600)
            lost = local.run("sleep 100", [instance(rebooted)], run_timeout_s=600)
            until(lambda: len([1 for _, _, text in sim.begun() if "sleep" in text]) == self.PHONES + 3, "they run")
            os.kill(server.process.pid, signal.SIGSTOP)
            begin = time.monotonic()
            try:
                sim.control("fault %d reboot:1" % rebooted)
                until(lambda: time.monotonic() - begin > scaled(12), "it has stood still for long", 2 * PATIENCE)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)

            jobs = [job for task in answered for job in local.wait_task(task)]
            self.assertEqual(len(jobs), self.PHONES)
            self.assertEqual([job for job in jobs if job["shown"] != "answered\n" or job["state"] != "succeeded"], [])
            job, = local.wait_task(busy)
            self.assertEqual(job["state"], "succeeded")
            ends = {}
            for name, task in (("hanging", hanging), ("late", late), ("unheard", unheard), ("lost", lost)):
                job, = local.wait_task(task)
                ends[name] = (job["state"], job["error_code"])
            self.assertEqual(ends, {"hanging": ("failed", "DROVER.JOB.TIMEOUT"),
                                    "late": ("failed", "DROVER.JOB.EXPIRED"),
                                    "unheard": ("lost", "DROVER.JOB.DISCONNECTED"),
                                    "lost": ("lost", "DROVER.JOB.DISCONNECTED")})
            # The link of the phone that was away is made again, and works.
            again = local.run("echo again", [instance(rebooted), instance(queued_on)])
            self.assertEqual([job["shown"] for job in local.wait_task(again)], ["again\n"] * 2)
        self.assertEqual([text for _, _, text in sim.begun() if text == "echo late"], [])


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    # What could not be tested makes the whole count as skipped, for ctest to tell.
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
