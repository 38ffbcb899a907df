#!/usr/bin/env python3
"""Phones that lie, stall, babble and vanish, among healthy ones: every job ends within its clocks with the code that
docs/api.md gives it, the healthy do not notice, and the server's memory stays bounded."""

import time
import unittest

from harness import PATIENCE_FACTOR, Client, instance, started, until

START_DEADLINE = 4  # seconds
RUN_TIMEOUT = 3
GRACE = 5 * PATIENCE_FACTOR  # for killing, and for a busy machine
HEALTHY_EVERY = 4  # of the phones, the first of so many has no fault

OK = ("succeeded", "")
OFFLINE = ("failed", "DROVER.JOB.OFFLINE")
EXPIRED = ("failed", "DROVER.JOB.EXPIRED")
UNAUTHORIZED = ("failed", "DROVER.JOB.UNAUTHORIZED")
TIMEOUT = ("failed", "DROVER.JOB.TIMEOUT")
LOST = ("lost", "DROVER.JOB.DISCONNECTED")


class Case(unittest.TestCase):
    def phones_with(self, faults, *sim_arguments, at_once=True, serve=()):
        """A fleet in which each fault has two phones, and healthy ones between them. `at_once`: from the start, else
        when all of them are connected. self.fault_of: a phone's number -> its fault or None."""
        self.fault_of = {}
        for fault in faults:
            for _ in range(2):
                if len(self.fault_of) % HEALTHY_EVERY == 0:
                    self.fault_of[len(self.fault_of)] = None
                self.fault_of[len(self.fault_of)] = fault
        self.fault_of[len(self.fault_of)] = None
        given = [(phone, fault) for phone, fault in self.fault_of.items() if fault]
        arguments = list(sim_arguments)
        if at_once:
            for phone, fault in given:
                arguments += ["--fault", "%d=%s" % (phone, fault)]
        healthy = len(self.fault_of) - len(given)
        self.sim, self.server = started(self, len(self.fault_of), *arguments, serve=serve,
                                        online=healthy if at_once else None)
        if not at_once:
            for phone, fault in given:
                self.sim.control("fault %d %s" % (phone, fault))
        self.client = Client(self.server, self.server.token())
        self.addCleanup(self.client.close)

    def run_on_all(self, command):
        """{phone: job}, and that it took no longer than its clocks allow."""
        begin = time.monotonic()
        task = self.client.run(command, [instance(phone) for phone in self.fault_of],
                               start_deadline_s=START_DEADLINE, run_timeout_s=RUN_TIMEOUT)
        bound = START_DEADLINE + RUN_TIMEOUT + GRACE
        jobs = self.client.wait_task(task, bound)
        self.assertLess(time.monotonic() - begin, bound)
        return dict(enumerate(jobs))

    def compare(self, jobs, expected):
        found = {}
        for phone, job in jobs.items():
            found.setdefault(self.fault_of[phone], set()).add((job["state"], job["error_code"]))
        wanted = {fault: code if isinstance(code, set) else {code} for fault, code in expected.items()}
        for fault, codes in found.items():
            with self.subTest(fault=fault):
                self.assertLessEqual(codes, wanted[fault])


class FromTheStart(Case):
    def test_phones_that_cannot_be_talked_to(self):
        expected = {None: OK, "absent": OFFLINE, "silent": OFFLINE, "garbage": OFFLINE, "refuse-key": UNAUTHORIZED,
                    "legacy": OK, "slow:50": OK, "double-close": OK}
        self.phones_with([fault for fault in expected if fault])
        jobs = self.run_on_all("echo hello; echo again")
        self.compare(jobs, expected)
        for phone, job in jobs.items():
            if job["state"] == "succeeded":
                self.assertEqual((job["shown"], job["exit_code"]), ("hello\nagain\n", 0), self.fault_of[phone])
            else:
                self.assertEqual((job["shown"], job["exit_code"], job["begun_at"]), (None, None, None))
        # What cannot be talked to ran nothing; the others once.
        self.assertEqual(sorted(phone for _, phone, command in self.sim.begun() if "echo again" in command),
                         [phone for phone, job in jobs.items() if job["state"] == "succeeded"])
        # And they are taken back when they mend their ways.
        self.sim.control("clear all")
        self.server.wait_online(len(self.fault_of))
        for job in self.run_on_all("echo healed").values():
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "healed\n"))


class WhileConnected(Case):
    EXPECTED = {None: OK, "garbage-stream": LOST, "oversize": LOST, "bad-magic": LOST, "no-exit": LOST, "drop": LOST,
                "drop:40": LOST, "hang": TIMEOUT, "endless": TIMEOUT, "double-close": OK, "slow:30": OK,
                # Not one that ran and is not known of: nothing ever came back, not even OKAY.
                "silent": {TIMEOUT, LOST}}

    def test_phones_that_misbehave_with_a_command(self):
        self.phones_with([fault for fault in self.EXPECTED if fault], at_once=False)
        jobs = self.run_on_all("echo hello; echo err >&2")
        self.compare(jobs, self.EXPECTED)
        for phone, job in jobs.items():
            if job["state"] == "succeeded":
                self.assertEqual(sorted(job["shown"].splitlines()), ["err", "hello"])
            if job["state"] == "lost":
                self.assertIsNone(job["exit_code"])
            if self.fault_of[phone] == "hang":
                self.assertEqual(sorted(job["shown"].splitlines()), ["err", "hello"], "its output is kept")
        # At most once, whatever went wrong.
        begun = [phone for _, phone, command in self.sim.begun() if command == "echo hello; echo err >&2"]
        self.assertEqual(len(begun), len(set(begun)))
        until(lambda: self.sim.stats()["running"] == 0, "nothing that timed out is left running on the phones")
        self.sim.control("clear all")
        self.server.wait_online(len(self.fault_of))
        for job in self.run_on_all("echo healed").values():
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "healed\n"))

    def test_phones_that_vanish_and_come_back(self):
        self.phones_with(["reboot:1", "flap:1"], at_once=False)
        # Begun before the fault.
        first = self.client.run("sleep 2; echo before", [instance(phone) for phone in self.fault_of],
                                start_deadline_s=START_DEADLINE, run_timeout_s=RUN_TIMEOUT)
        until(lambda: self.client.get("/api/v1/tasks/" + first).json["counts"]["queued"] == 0, "all have begun")
        for phone, fault in self.fault_of.items():
            if fault == "reboot:1":
                self.sim.control("fault %d reboot:1" % phone)
        jobs = dict(enumerate(self.client.wait_task(first, RUN_TIMEOUT + GRACE)))
        self.compare(jobs, {None: OK, "reboot:1": LOST, "flap:1": LOST})
        # Accepted while they are away: they run when the phones are back, none of them twice.
        self.sim.control("clear all flap")
        for job in self.run_on_all("echo after").values():
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "after\n"))
        for command in ("sleep 2; echo before", "echo after"):
            begun = [phone for _, phone, ran in self.sim.begun() if ran == command]
            self.assertEqual(len(begun), len(set(begun)))

    def test_flapping_phones_run_nothing_twice(self):
        self.phones_with(["flap:1"] * 8, at_once=False)
        for number in range(5):
            jobs = self.run_on_all("sleep 0.3; echo flap %d" % number)
            self.compare(jobs, {None: OK, "flap:1": {OK, LOST, OFFLINE, EXPIRED}})
        begun = [(phone, command) for _, phone, command in self.sim.begun() if "; echo flap" in command]
        self.assertEqual(len(begun), len(set(begun)))


class Memory(Case):
    def test_endless_output(self):
        kept = 1 << 20
        self.phones_with(["endless"] * 10, at_once=False, serve=["--jobs-max-output", str(kept)])
        self.client.wait_task(self.client.run("true", [instance(0)]))
        before = self.server.rss_kib()
        task = self.client.run("echo begin", [instance(phone) for phone in self.fault_of], run_timeout_s=RUN_TIMEOUT)
        most = before

        def ended():
            nonlocal most
            most = max(most, self.server.rss_kib())
            return self.client.get("/api/v1/tasks/" + task).json["state"] == "finished"

        until(ended, "endless output has been cut off")
        jobs = dict(enumerate(self.client.jobs(task)))
        self.compare(jobs, {None: OK, "endless": TIMEOUT})
        flood = 0
        for phone, job in jobs.items():
            if self.fault_of[phone] == "endless":
                whole = self.client.get("/api/v1/jobs/" + job["job_id"]).json
                held = self.client.get("/api/v1/jobs/%s/stdout" % job["job_id"])
                self.assertLessEqual(len(held.body), kept)
                self.assertGreater(len(held.body), kept // 2)
                self.assertEqual(whole["stdout_omitted_bytes"], int(held.headers["X-Drover-Omitted-Bytes"]))
                flood += whole["stdout_omitted_bytes"]
        # It was a flood, or this shows nothing.
        self.assertGreater(flood, 20 * 10 * kept / PATIENCE_FACTOR ** 2)
        # Twenty outputs of 1 MiB, once more on their way to the disk, and room to breathe.
        self.assertLess(most - before, 100 * 1024 * PATIENCE_FACTOR)


if __name__ == "__main__":
    unittest.main()
