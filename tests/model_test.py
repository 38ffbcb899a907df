#!/usr/bin/env python3
"""Random requests over both APIs, from several connections, against a model of what Drover promises: while phones fail,
instances come and go, and the server is stopped, killed and started again. The phones, which are another process, keep
the journal that proves what began.

    model_test.py [--seed N] [--seconds S]

A seed fixes what each connection asks, not how the processes keep pace: what failed may have to be run a few times."""

import argparse
import collections
import http.client
import random
import re
import sys
import threading
import time
import unittest

from harness import PATIENCE, PATIENCE_FACTOR, Client, Server, Simulator, temp_folder, until

PROJECTS = ("default", "second")
INSTANCES = 4  # of a project: p0, p1 ...; each has two phones of its own to move between
PHONES = len(PROJECTS) * INSTANCES * 2
SENDERS = 4
COMMANDS = ("", "", "", "; exit 3", "; sleep 0.02", "; sleep 0.2", "; sleep 60", "; gen 5000", "; yes",
            "; no-such-program")
FAULTS = ("hang", "drop", "drop:30", "flap:0.3", "absent", "silent", "slow:20", "reboot:0.2", "no-exit", "refuse-open",
          "garbage-stream", "oversize", "bad-magic", "refuse-key", "legacy", "endless", "double-close")
RANK = collections.defaultdict(lambda: 2, queued=0, running=1)
TAG = re.compile(r"\becho t(\d+)\.")  # which every command begins with


def phone_of(project, number, which):
    return (PROJECTS.index(project) * INSTANCES + number) * 2 + which


class Request:
    """One task that was asked for. `answer`: accepted, refused, or None: the connection broke before one came."""

    def __init__(self, project, number, instances):
        self.project = project
        self.number = number
        self.instances = instances  # None: all, until it is known which these were
        self.answer = None
        self.task = None
        self.cancelled = False
        self.jobs = None     # as last seen
        self.stops_seen = 0  # planned stops until then
        self.lock = threading.Lock()  # held while somebody looks, so that looks have an order


class Model:
    """What was asked and seen, and whatever cannot be."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = []
        self.complaints = []
        self.stops = 0  # planned ones

    def complain(self, request, what, *details):
        with self.lock:
            self.complaints.append("t%s. (%s) %s %s" % (request.number, request.task, what,
                                                        " ".join(repr(each)[:600] for each in details)))

    def ask(self, project, instances):
        with self.lock:
            request = Request(project, len(self.requests), instances)
            self.requests.append(request)
        return request

    def any_accepted(self, dice, project):
        with self.lock:
            newest = self.requests[-dice.choice((5, 30, 1000000)):]
            fitting = [request for request in newest if request.project == project and request.answer == "accepted"]
        return dice.choice(fitting) if fitting else None

    def saw(self, request, jobs):
        """Drover's own view of all jobs of a task; request.lock is held since before it was asked for."""
        names = [job["instance_id"] for job in jobs]
        if request.instances is None:
            request.instances = names
        if names != request.instances:
            self.complain(request, "has other instances", names, request.instances)
        for index, job in enumerate(jobs):
            before = request.jobs[index] if request.jobs else None
            self.saw_job(request, job, before)
        request.jobs = jobs
        request.stops_seen = self.stops

    def saw_job(self, request, job, before):
        state = job["state"]
        if (RANK[state] == 2) != (job["ended_at"] is not None):
            self.complain(request, "has half an end", job)
        if request.cancelled and state == "queued":
            self.complain(request, "was cancelled and waits", job)
        if before is None:
            return
        if RANK[before["state"]] == 2:
            if job != before:
                self.complain(request, "ended anew", before, job)
        elif RANK[state] < RANK[before["state"]] and request.stops_seen == self.stops:
            # A planned stop puts back what no phone has taken yet.
            self.complain(request, "went back", before, job)

    def check_journal(self, begun):
        """At most once, on its own phones, in order, and not at all where nothing may have begun."""
        last = {}
        counts = collections.Counter()
        for _at, phone, command in begun:
            tag = TAG.search(command)
            if not tag:
                continue
            request = self.requests[int(tag.group(1))]
            if request.answer != "accepted":
                if request.answer == "refused":
                    self.complain(request, "was begun though refused")
                continue
            name = "p%d" % (phone // 2 % INSTANCES)
            if PROJECTS[phone // 2 // INSTANCES] != request.project:
                self.complain(request, "was begun on another project's phone")
            counts[request.number, name] += 1
            jobs = [job for job in request.jobs or () if job["instance_id"] == name]
            # A lost one may begin when Drover has long gone on: a slow phone reads late.
            if jobs and all(job["exit_code"] is not None for job in jobs):
                if request.task < last.get(phone, ""):
                    self.complain(request, "was begun after a later one", phone)
                last[phone] = request.task
        for request in self.requests:
            if request.jobs is None:
                continue
            for name in set(job["instance_id"] for job in request.jobs):
                jobs = [job for job in request.jobs if job["instance_id"] == name]
                surely = sum(job["exit_code"] is not None for job in jobs)
                perhaps = sum(RANK[job["state"]] < 2 or job["begun_at"] is not None for job in jobs)
                if not surely <= counts[request.number, name] <= perhaps:
                    self.complain(request, "began %d times on %s" % (counts[request.number, name], name), jobs)


class World:
    """The server with its phones, and whether it is meant to be up."""

    def __init__(self, test, dice):
        folder = temp_folder(test)
        self.sim = Simulator(folder, PHONES)
        test.addCleanup(self.sim.close)
        self.server = Server(folder, "--drain-timeout-s", "2")
        test.addCleanup(self.server.close)
        self.dice = dice
        self.model = Model()
        self.server.cli("projects", "create", PROJECTS[1])
        self.tokens = {project: self.server.token(project, expires="24h") for project in PROJECTS}
        self.changes = 0  # odd: the server is about to stop, or not yet back
        self.over = threading.Event()
        self.up = threading.Event()
        self.up.set()
        for project in PROJECTS:
            with Client(self.server, self.tokens[project]) as client:
                for number in range(INSTANCES):
                    self.put(client, project, number, 0)

    def put(self, client, project, number, which):
        return client.post("/api/v1/instances", {"instances": [
            {"instance_id": "p%d" % number, "address": self.sim.address(phone_of(project, number, which))}]})

    def restart(self):
        planned = self.dice.random() < 0.5
        self.model.stops += planned
        self.changes += 1
        if planned:
            code = self.server.stop()  # while it drains, it is asked on
            if code != 0:
                raise AssertionError("the server stopped with %d" % code)
        else:
            self.server.kill()
        self.up.clear()
        self.server.start()
        self.changes += 1
        self.up.set()


class Sender(threading.Thread):
    """One user of a project, with a connection of his own."""

    def __init__(self, world, number, seed):
        super().__init__(name="sender-%d" % number, daemon=True)
        self.world = world
        self.model = world.model
        self.dice = random.Random(seed * 1000 + number)
        self.project = PROJECTS[number % len(PROJECTS)]
        self.client = self.stranger = None
        self.connected = None  # the world's changes when we connected
        self.asked = 0
        self.failed = None

    def run(self):
        try:
            while not self.world.over.is_set():
                if self.world.up.wait(0.1):
                    self.turn()
        except BaseException as failure:  # else nobody would hear of it
            self.failed = failure
        finally:
            self.disconnect()

    def disconnect(self):
        for client in (self.client, self.stranger):
            if client:
                client.close()
        self.client = self.stranger = None

    def turn(self):
        changes = self.world.changes
        try:
            if changes != self.connected:
                self.disconnect()
                self.connected = changes
                self.client = Client(self.world.server, self.world.tokens[self.project])
                other = PROJECTS[1 - PROJECTS.index(self.project)]
                self.stranger = Client(self.world.server, self.world.tokens[other])
            self.act(changes)
        except (OSError, http.client.HTTPException, ValueError) as broken:
            self.connected = None
            if changes % 2 == 0 and changes == self.world.changes:
                raise AssertionError("the connection broke though the server was up: %r" % broken) from broken
        self.world.over.wait(self.dice.random() * 0.01)

    def act(self, changes):
        self.asked += 1
        acts = ((35, self.send), (25, self.look), (8, self.wait), (8, self.list), (8, self.cancel), (8, self.spy),
                (8, self.change_instances))
        act, = self.dice.choices([act for _, act in acts], [weight for weight, _ in acts])
        act(changes)

    def expect(self, answer, changes, *statuses):
        """503 too, but only while the server stops."""
        if answer.status in statuses:
            return answer.status == 200
        if answer.status == 503 and (changes % 2 == 1 or changes != self.world.changes):
            if "Retry-After" not in answer.headers:
                raise AssertionError("503 without Retry-After")
            self.world.over.wait(0.05)
            return False
        raise AssertionError("%r, expected %r" % (answer, statuses))

    def send(self, changes):
        names = ["p%d" % self.dice.randrange(INSTANCES + 1) for _ in range(self.dice.randrange(1, 5))]
        native = self.dice.random() < 0.5
        everywhere = native and self.dice.random() < 0.2
        request = self.model.ask(self.project, None if everywhere else names)
        body = {"command": "echo t%d.%s" % (request.number, self.dice.choice(COMMANDS)),
                "start_deadline_s": self.dice.randrange(1, 7), "run_timeout_s": self.dice.randrange(1, 4)}
        body.update({"all": True} if everywhere else {"instance_ids": names})
        answer = self.client.post("/api/v1/tasks" if native else "/v1/instances/async-command", body)
        if not self.expect(answer, changes, 200):
            request.answer = "refused"
            return
        request.task = answer.json["task_id"] if native else answer.json["data"]["task_id"]
        request.answer = "accepted"
        if not native and [job["instance_id"] for job in answer.json["data"]["cmd_jobs"]] != names:
            self.model.complain(request, "was accepted for others", answer)

    def look(self, changes):
        """Both views of a task, KooPhone's between two of Drover's own."""
        request = self.model.any_accepted(self.dice, self.project)
        if request is None or not request.lock.acquire(blocking=False):
            return
        with Held(request.lock):
            task = self.client.get("/api/v1/tasks/" + request.task)
            before = self.jobs(request, changes)
            koophone = self.client.get("/v1/instances/tasks/" + request.task)
            after = self.jobs(request, changes)
            for answer in (task, koophone):
                self.expect(answer, changes, 200)
            self.compare_counts(request, task.json, before)
            for first, seen, last in zip(before, koophone.json["data"]["jobs"], after):
                if first == last and seen != self.as_koophone(first):
                    self.model.complain(request, "looks otherwise to KooPhone's clients", first, seen)

    @staticmethod
    def as_koophone(job):
        status = {"queued": 1, "running": 1, "succeeded": 2}.get(job["state"], -1)
        return {"job_id": job["job_id"], "status": status, "error_code": job["error_code"],
                "error_msg": job["error_msg"], "execute_msg": job["shown"]}

    def jobs(self, request, changes):
        answer = self.client.get("/api/v1/tasks/%s/jobs" % request.task)
        self.expect(answer, changes, 200)
        self.model.saw(request, answer.json["jobs"])
        return answer.json["jobs"]

    def compare_counts(self, request, task, jobs):
        """`jobs` were asked for after the task."""
        counts = dict(task["counts"])
        if counts.pop("jobs") != len(jobs) or sum(counts.values()) != len(jobs):
            self.model.complain(request, "has counts that do not add up", task)
        later = collections.Counter(job["state"] for job in jobs)
        for state in ("succeeded", "failed", "lost", "cancelled"):
            if counts[state] > later[state] or (task["state"] == "finished" and counts[state] != later[state]):
                self.model.complain(request, "has counts that are not its jobs'", task, jobs)

    def wait(self, changes):
        request = self.model.any_accepted(self.dice, self.project)
        if request is None:
            return
        native = self.dice.random() < 0.5
        answer = self.client.get("%s/tasks/%s?wait=1" % ("/api/v1" if native else "/v1/instances", request.task))
        self.expect(answer, changes, 200)
        if answer.seconds > 1 + 5 * PATIENCE_FACTOR:
            self.model.complain(request, "was waited for too long", answer)

    def list(self, changes):
        """The newest are ours, and one of them is what it is when asked for by itself."""
        request = self.model.any_accepted(self.dice, self.project)
        if request is None or not request.lock.acquire(blocking=False):
            return
        with Held(request.lock):
            answer = self.client.get("/api/v1/tasks?limit=1000")
            self.expect(answer, changes, 200)
            tasks = answer.json["tasks"]
            for task in tasks:
                listed = self.model.requests[int(TAG.search(task["command"]).group(1))]
                if listed.project != self.project or listed.answer == "refused":
                    self.model.complain(listed, "stands in the list of", self.project)
            found = [task for task in tasks if task["task_id"] == request.task]
            if not found:
                if len(tasks) < 1000:
                    self.model.complain(request, "is in no list")
                return
            alone = self.client.get("/api/v1/tasks/" + request.task)
            self.expect(alone, changes, 200)
            if found[0]["state"] == "finished" and alone.json != found[0]:
                self.model.complain(request, "is not as listed", found[0], alone.json)
            self.compare_counts(request, found[0], self.jobs(request, changes))

    def cancel(self, changes):
        request = self.model.any_accepted(self.dice, self.project)
        if request is None or not request.lock.acquire(blocking=False):
            return
        with Held(request.lock):
            if self.expect(self.client.post("/api/v1/tasks/%s/cancel" % request.task, {}), changes, 200):
                request.cancelled = True

    def spy(self, changes):
        """What is another project's is not there."""
        request = self.model.any_accepted(self.dice, self.project)
        if request is None:
            return
        answers = (self.stranger.get("/v1/instances/tasks/" + request.task),
                   self.stranger.get("/api/v1/tasks/" + request.task),
                   self.stranger.get("/api/v1/tasks/%s/jobs" % request.task),
                   self.stranger.get("/api/v1/jobs/" + request.task[:-1] + "1"),
                   self.stranger.post("/api/v1/tasks/%s/cancel" % request.task, {}))
        for answer in answers:
            self.expect(answer, changes, 404)

    def change_instances(self, changes):
        number = self.dice.randrange(INSTANCES)
        if self.dice.random() < 0.2:
            self.expect(self.client.request("DELETE", "/api/v1/instances/p%d" % number), changes, 200, 404)
        else:
            answer = self.world.put(self.client, self.project, number, self.dice.randrange(2))
            self.expect(answer, changes, 200)


class Held:
    """Releases a lock that was taken before."""

    def __init__(self, lock):
        self.lock = lock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lock.release()


class Promises(unittest.TestCase):
    seed = None
    seconds = 10.0

    def test_whatever_happens(self):
        seed = self.seed if self.seed is not None else int(time.time() * 1000) % 1000000
        print("seed %d" % seed, flush=True)
        dice = random.Random(seed)
        world = World(self, dice)
        senders = [Sender(world, number, seed) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            self.disturb(world, dice, senders)
        finally:
            world.over.set()
            for sender in senders:
                sender.join(PATIENCE)
        self.check(world, senders)
        self.settle(world)
        world.model.check_journal(world.sim.begun())
        self.check(world, senders)
        # Had nothing happened, nothing would have been shown.
        answers = collections.Counter(request.answer for request in world.model.requests)
        ends = collections.Counter(job["state"] for request in world.model.requests for job in request.jobs or ())
        print("asked %d times; tasks: %s; jobs: %s" %
              (sum(sender.asked for sender in senders), dict(answers), dict(ends)))
        self.assertGreater(answers["accepted"], 5 * self.seconds / PATIENCE_FACTOR)
        self.assertGreater(ends["succeeded"], self.seconds / PATIENCE_FACTOR)

    def check(self, world, senders):
        for sender in senders:
            self.assertFalse(sender.is_alive(), "a request has no end")
            if sender.failed:
                raise sender.failed
        self.assertFalse(world.model.complaints, "\n".join(world.model.complaints[:20]))

    def disturb(self, world, dice, senders):
        """The rest of the world, until the time is over or something is wrong."""
        until_then = time.monotonic() + self.seconds
        while time.monotonic() < until_then and not world.model.complaints and all(map(Sender.is_alive, senders)):
            what = dice.random()
            if what < 0.35:
                phone = dice.randrange(PHONES)
                world.sim.control("fault %d %s" % (phone, dice.choice(FAULTS)))
            elif what < 0.93:
                world.sim.control("clear %s" % dice.choice(["all", dice.randrange(PHONES)]))
            else:
                world.restart()
            world.over.wait(dice.random() * 0.3)

    def settle(self, world):
        """Every clock runs out; what had no answer is there or never was."""
        if world.dice.random() < 0.5:
            world.sim.control("clear all")
        for project in PROJECTS:
            with Client(world.server, world.tokens[project]) as client:
                self.find_lost_answers(world.model, project, client)
                for request in world.model.requests:
                    if request.project == project and request.answer == "accepted":
                        client.wait_task(request.task)
                        world.model.saw(request, client.jobs(request.task))
        until(lambda: world.server.process.poll() is None, "the server lives")

    def find_lost_answers(self, model, project, client):
        listed = {}
        before = None
        while True:
            page = client.get("/api/v1/tasks?limit=1000" + ("&before=" + before if before else "")).json["tasks"]
            if not page:
                break
            listed.update((int(TAG.search(task["command"]).group(1)), task["task_id"]) for task in page)
            before = page[-1]["task_id"]
        for request in model.requests:
            if request.project != project:
                self.assertNotIn(request.number, listed, "it is another project's")
            elif request.answer is None:
                request.task = listed.get(request.number)
                request.answer = "accepted" if request.task else "refused"
            elif request.answer == "accepted":
                self.assertEqual(listed.get(request.number), request.task, "what was accepted is there")
            else:
                self.assertNotIn(request.number, listed, "it was refused")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seed", type=int, help="what to ask; otherwise a new one, which is printed")
    arguments.add_argument("--seconds", type=float, default=Promises.seconds, help="how long to ask (%(default)s)")
    chosen = arguments.parse_args()
    Promises.seed, Promises.seconds = chosen.seed, chosen.seconds
    unittest.main(argv=sys.argv[:1])
