#!/usr/bin/env python3
"""A fleet with sick phones of all kinds at once, through tasks over all and through restarts: the healthy do not
notice, every task ends within its clocks, and what the sick cost stays the same. bench/hostile_fleet.py measures it
with 10,000."""

import time
import unittest

from harness import PATIENCE_FACTOR, Client, LocalClient, instance, started, until
from sick_fleet import HEALTHY, fall_ill, fault_of, wrong_codes

PHONES = 500
FLAP_EVERY = 2  # seconds
START_DEADLINE = 3
RUN_TIMEOUT = 2
GRACE = 5 * PATIENCE_FACTOR  # for a busy machine
KILL_ANSWER = 5  # how long a phone may take to show that the kill has done its work
HEALTHY_ONES = [phone for phone in range(PHONES) if fault_of(phone) == HEALTHY]


class HostileFleet(unittest.TestCase):
    def setUp(self):
        self.sim, self.server = started(self, PHONES, serve=["--http-access-log", "false"])
        self.token = self.server.token()
        self.connect()
        fall_ill(self.sim, FLAP_EVERY)

    def connect(self):
        self.client = Client(self.server, self.token)
        self.addCleanup(self.client.close)

    def begin(self, command, **more):
        clocks = dict(start_deadline_s=START_DEADLINE, run_timeout_s=RUN_TIMEOUT)
        answer = self.client.post("/api/v1/tasks", dict(command=command, all=True, **clocks, **more))
        self.assertEqual(answer.json["jobs"], PHONES)
        return answer.json["task_id"]

    def wait_healthy(self, task):
        """Seconds until the jobs of all healthy phones have succeeded, others' having ended or not."""
        begin = time.monotonic()

        def succeeded():
            jobs = self.client.jobs(task)
            return all(jobs[phone]["state"] == "succeeded" for phone in HEALTHY_ONES)

        until(succeeded, "all healthy phones have answered")
        return time.monotonic() - begin

    def wait_links(self):
        wanted = {instance(phone) for phone in HEALTHY_ONES}

        def up():
            with LocalClient(self.server) as local:
                online = local.get("/api/v1/instances?state=online").json["instances"]
            return wanted <= {each["instance_id"] for each in online}

        until(up, "all healthy links are up")

    def restart(self):
        self.server.kill()
        self.server.start()
        self.connect()

    def assert_at_most_once(self, *commands):
        begun = [(phone, command) for _, phone, command in self.sim.begun() if command in commands]
        self.assertEqual(len(begun), len(set(begun)))

    def test_tasks_over_all(self):
        # Long enough that some of the flapping phones drop their link in the middle.
        commands = ["sleep 0.3; echo round %d" % number for number in range(3)]
        resident = []
        for command in commands:
            begin = time.monotonic()
            task = self.begin(command)
            # Long before the sick ones' clocks: nobody waits for them.
            self.assertLess(self.wait_healthy(task), START_DEADLINE * PATIENCE_FACTOR * 0.75)
            jobs = self.client.wait_task(task, START_DEADLINE + RUN_TIMEOUT + GRACE)
            self.assertLess(time.monotonic() - begin, START_DEADLINE + RUN_TIMEOUT + GRACE)
            self.assertEqual(wrong_codes(jobs), [])
            resident.append(self.server.rss_kib())
        self.assert_at_most_once(*commands)
        until(lambda: self.sim.stats()["running"] == 0, "nothing that timed out is left running on the phones")
        # Three tasks of 500 jobs are kept, and nothing else is.
        self.assertLess(resident[-1] - resident[0], 4 * 1024 * PATIENCE_FACTOR)
        # A phone that fails again and again is no news.
        self.assertLess(len(self.server.log().splitlines()), 30, self.server.log()[-2000:])

    def test_phones_that_hang_and_do_not_hear_the_kill(self):
        self.wait_links()
        hung = [phone for phone in range(PHONES) if fault_of(phone) == "hang"]
        begin = time.monotonic()
        task = self.begin("echo begun")
        until(lambda: all(self.client.jobs(task)[phone]["state"] == "running" for phone in hung), "they run")
        for phone in hung:
            self.sim.control("fault %d silent" % phone)
        # They are killed, in vain. Until that is given up, others' commands go on as ever.
        killing = 0
        while self.client.get("/api/v1/tasks/" + task).json["state"] != "finished":
            killing += time.monotonic() - begin > RUN_TIMEOUT
            quick = self.client.run("echo meanwhile", [instance(phone) for phone in HEALTHY_ONES[:100]])
            for job in self.client.wait_task(quick, KILL_ANSWER * PATIENCE_FACTOR / 2):
                self.assertEqual(job["state"], "succeeded")
        self.assertGreater(killing, 1)
        self.assertLess(time.monotonic() - begin, RUN_TIMEOUT + KILL_ANSWER + GRACE)
        jobs = self.client.jobs(task)
        for phone in hung:
            self.assertEqual((jobs[phone]["error_code"], jobs[phone]["shown"]), ("DROVER.JOB.TIMEOUT", "begun\n"))

    def test_restart_amid_a_task(self):
        self.wait_links()
        task = self.begin("sleep 0.5; echo done")
        until(lambda: self.client.get("/api/v1/tasks/" + task).json["counts"]["running"] > 0, "it has begun")
        self.restart()
        self.wait_links()
        jobs = self.client.wait_task(task, START_DEADLINE + RUN_TIMEOUT + GRACE)
        for phone in HEALTHY_ONES:
            self.assertIn(jobs[phone]["error_code"], ("", "DROVER.JOB.INTERRUPTED"))
        self.assert_at_most_once("sleep 0.5; echo done")
        # And all of them work.
        after = self.begin("echo after")
        self.wait_healthy(after)
        self.client.wait_task(after, START_DEADLINE + RUN_TIMEOUT + GRACE)
        self.assert_at_most_once("sleep 0.5; echo done", "echo after")


if __name__ == "__main__":
    unittest.main()
