#!/usr/bin/env python3
"""Several nodes on one PostgreSQL are one system, whichever of them dies, stands still, stops, joins or is cut off.

Each runs on a host of its own (hosts.py), as do the database and the phones; what is promised is compared with the
phones' journal (nodes.py). DROVER_SEED repeats the draws of a failure in the same tests, DROVER_ROUNDS sets the number
of random rounds, DROVER_NODES that of nodes."""

import json
import os
import shutil
import sys
import tempfile
import time
import unittest

from harness import PATIENCE, PATIENCE_FACTOR, Client, instance, temp_folder, until
from hosts import not_allowed
from nodes import LEASE_S, NODES, SHARDS, TAKEN_OVER_S, Background, Cluster, NodesRounds

ROUNDS = int(os.environ.get("DROVER_ROUNDS", "5"))
SEED = os.environ.get("DROVER_SEED") or str(int.from_bytes(os.urandom(4), "big"))
SOON = 2 * PATIENCE_FACTOR  # seconds, for what takes milliseconds
several = unittest.skipIf(NODES < 2, "DROVER_NODES says one node")


class OnNodes(unittest.TestCase):
    """Tests share a cluster as long as they succeed: to start one takes longer than most of them."""

    rounds = None

    def run(self, result=None):
        bad = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > bad:
            close_shared(keep=True)

    def setUp(self):
        if OnNodes.rounds is None:
            folder = tempfile.mkdtemp(prefix="drover-e2e-")
            try:
                OnNodes.rounds = NodesRounds(Cluster(folder), SEED)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self.cluster = self.rounds.cluster
        self.nodes = self.cluster.nodes
        self.network = self.cluster.network
        self.everyone = self.cluster.phones

    def client(self, node):
        client = self.cluster.client(node)
        self.addCleanup(client.close)
        return client

    def clients(self):
        return [self.client(node) for node in self.nodes]

    def one_of(self, nodes):
        """The one among them that has most to lose."""
        return max(nodes, key=lambda node: len(self.cluster.phones_of(node)))

    def another(self, node):
        """One that lives while that one does not; started anew if there are no others."""
        others = self.cluster.others(node)
        if not others:
            node.start()
        return others[0] if others else node

    def begun(self, command):
        """How often each phone has begun it."""
        counts = dict.fromkeys(self.everyone, 0)
        for _, phone, begun in self.cluster.simulator.begun():
            if begun.endswith(command):
                counts[instance(phone)] += 1
        return counts

    def once(self):
        return dict.fromkeys(self.everyone, 1)

    def runs_everywhere(self, command, node=None):
        """A task that has begun on every phone."""
        task = self.client(node or self.nodes[0]).run(command, self.everyone)
        until(lambda: self.begun(command) == self.once(), "%s runs everywhere" % command)
        return task

    def succeeded(self, node, task, shown):
        jobs = self.client(node).wait_task(task)
        self.assertEqual({(job["state"], job["error_code"], job["shown"]) for job in jobs}, {("succeeded", "", shown)})

    def nothing_broken(self, interrupted=0):
        """`interrupted`: at most so many jobs, each of which something explains."""
        self.assertEqual(self.rounds.history.violations[:5], [], "%d in all" % len(self.rounds.history.violations))
        found = sum(self.rounds.history.interrupted.values())
        self.rounds.history.interrupted.clear()
        self.assertLessEqual(found, interrupted)
        self.say("%d tasks in all, %d jobs interrupted", len(self.rounds.history.tasks), found)

    def say(self, text, *values):
        print("%s: %s" % (self._testMethodName, text % values), flush=True)


def close_shared(keep=False):
    rounds, OnNodes.rounds = OnNodes.rounds, None
    if rounds is None:
        return
    folder = rounds.cluster.folder
    try:
        rounds.cluster.close()
        rounds.close()
        if keep:
            kept = folder + "-kept"
            shutil.copytree(folder, kept, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
            print("seed %s; everything is kept in %s" % (SEED, kept), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tearDownModule():
    close_shared()


class AnyNodeTakesAnyRequest(OnNodes):
    def test_all_phones_through_each_node(self):
        clients = self.clients()
        for number, client in enumerate(clients):
            task = client.run("echo through-%d" % number, self.everyone)
            pages = []
            for other in clients:
                other.wait_task(task)
                pages.append((other.jobs(task), other.get("/api/v1/tasks/%s" % task).json,
                              other.get("/v1/instances/tasks/%s" % task).json))
            self.assertEqual([(job["instance_id"], job["state"], job["shown"]) for job in pages[0][0]],
                             [(phone, "succeeded", "through-%d\n" % number) for phone in self.everyone])
            for page in pages[1:]:
                self.assertEqual(page, pages[0])
            lists = [other.get("/api/v1/tasks?limit=5").json for other in clients]
            self.assertEqual(lists[0]["tasks"][0]["task_id"], task)
            self.assertEqual(lists, [lists[0]] * len(lists))
            self.assertEqual(self.begun("echo through-%d" % number), self.once())

    def test_what_one_is_told_all_know(self):
        first, second, third = (self.nodes * 3)[:3]
        address = self.cluster.simulator.address(1)
        with self.client(first) as teller:
            stored = teller.post("/api/v1/instances", {"instances": [{"instance_id": "moved", "address": address}]})
            self.assertEqual(stored.status, 200, stored)
        sent = [(node, self.client(node).run("echo moved-%d" % number, ["moved"], start_deadline_s=20))
                for number, node in enumerate((second, third))]
        for number, (node, task) in enumerate(sent):
            self.succeeded(node, task, "moved-%d\n" % number)
        token = second.token()
        with Client(third, token) as client:
            self.assertEqual(client.get("/api/v1/me").status, 200)
            self.assertEqual(self.client(first).request("DELETE", "/api/v1/instances/moved").status, 200)
            gone, = client.wait_task(client.run("echo gone", ["moved"]))
            self.assertEqual((gone["state"], gone["error_code"]), ("failed", "CPS0005"))
        second.cli("users", "create", "alice", "--role", "admin", "--project", "default", "--generate-password")
        self.assertIn("alice", third.cli("users", "list").stdout)
        third.cli("users", "remove", "alice")
        self.assertNotIn("alice", second.cli("users", "list").stdout)

    def test_who_waits_elsewhere_hears_of_the_end(self):
        begin = time.monotonic()
        task = self.client(self.nodes[0]).run("sleep 1.5; echo waited", self.everyone)
        waiters = [(native, Background(lambda client=self.client(node), path=path: client.get(path % task)))
                   for node in self.nodes
                   for native, path in ((False, "/v1/instances/tasks/%s?wait=30"), (True, "/api/v1/tasks/%s?wait=30"))]
        for native, waiter in waiters:
            answer = waiter.outcome()
            self.assertEqual(answer.status, 200, answer)
            if native:
                self.assertEqual(answer.json["state"], "finished")
            else:
                self.assertEqual({job["status"] for job in answer.json["data"]["jobs"]}, {2})
            self.assertGreater(time.monotonic() - begin, 1.5)
            self.assertLess(answer.seconds, 1.5 + SOON)

    def test_a_wait_for_one_phone_is_short(self):
        """Whichever node took the task, has the phone, or is asked."""
        late = []
        for owner in self.nodes:
            phone = sorted(self.cluster.phones_of(owner))[0]
            for taker in self.nodes:
                for asked in self.nodes:
                    task = self.client(taker).run("sleep 0.3; echo short", [phone])
                    answer = self.client(asked).get("/api/v1/tasks/%s?wait=30" % task)
                    self.assertEqual(answer.json["state"], "finished")
                    late.append(answer.seconds - 0.3)
        late.sort()
        self.say("%.0f to %.0f ms after its end, half of them within %.0f", 1000 * late[0], 1000 * late[-1],
                 1000 * late[len(late) // 2])
        # Whom nobody tells asks once a second.
        self.assertLess(sum(late[len(late) // 2:]) / len(late[len(late) // 2:]), 0.25 * PATIENCE_FACTOR)

    def test_who_cancels_elsewhere_is_heard(self):
        first, second, third = (self.clients() * 3)[:3]
        phones = self.everyone[:6]
        busy = first.run("sleep 600; echo busy", phones)
        waiting = second.run("echo cancelled", phones)
        begin = time.monotonic()
        self.assertEqual(third.post("/api/v1/tasks/%s/cancel" % waiting, {}).status, 200)
        for client in (first, second, third):
            self.assertEqual({(job["state"], job["error_code"]) for job in client.wait_task(waiting)},
                             {("cancelled", "DROVER.JOB.CANCELLED")})
        self.assertLess(time.monotonic() - begin, SOON)
        self.assertEqual(third.post("/api/v1/tasks/%s/cancel" % busy, {}).status, 200)  # and what runs is killed
        self.assertEqual({job["state"] for job in second.wait_task(busy)}, {"cancelled"})
        self.assertLess(time.monotonic() - begin, 2 * SOON)
        self.assertEqual(sum(self.begun("echo cancelled").values()), 0)

    def test_order_of_one_client(self):
        clients = self.clients()
        tasks = [clients[number % len(clients)].run("echo order-%d." % number, self.everyone) for number in range(45)]
        for task in tasks:
            clients[0].wait_task(task)
        orders = {phone: [] for phone in self.everyone}
        for _, phone, command in self.cluster.simulator.begun():
            if "echo order-" in command:
                orders[instance(phone)].append(int(command.rsplit("-", 1)[1].rstrip(".")))
        for phone, order in orders.items():
            self.assertEqual(order, list(range(45)), phone)


class Breaks(OnNodes):
    def test_a_kill(self):
        victim = self.one_of(self.nodes)
        survivor = (self.cluster.others(victim) or [victim])[0]
        running = self.runs_everywhere("echo running-kill; sleep 3")
        queued = [self.client(node).run("echo queued-kill-%d" % number, self.everyone)
                  for number, node in enumerate(self.nodes)]
        lost = self.cluster.phones_of(victim)
        self.assertTrue(lost)
        self.assertTrue(len(lost) < len(self.everyone) or NODES == 1)
        begin = self.rounds.kill(victim)
        if survivor is victim:
            victim.start()
        self.cluster.answer(survivor, 3 * TAKEN_OVER_S)
        seconds = time.monotonic() - begin
        self.say("all phones answer %.1f s after the kill", seconds)
        for number, task in enumerate(queued):
            self.succeeded(survivor, task, "queued-kill-%d\n" % number)
            self.assertEqual(self.begun("echo queued-kill-%d" % number), self.once())
        for node in self.cluster.alive():
            for job in self.client(node).wait_task(running):
                self.assertEqual((job["state"], job["error_code"]),
                                 ("lost", "DROVER.JOB.INTERRUPTED") if job["instance_id"] in lost else
                                 ("succeeded", ""), job)
        self.assertEqual(self.begun("echo running-kill; sleep 3"), self.once())
        self.assertLess(seconds, TAKEN_OVER_S)
        if victim is not survivor:
            victim.start()
        self.cluster.restore()

    def test_a_kill_under_load(self):
        def kill():
            victim = self.one_of(self.nodes)
            begin = self.rounds.kill(victim)
            self.cluster.answer(self.another(victim), 3 * TAKEN_OVER_S)
            seconds = time.monotonic() - begin
            if victim.process.poll() is not None:
                victim.start()
            return seconds
        seconds = self.rounds.during(kill)
        self.nothing_broken(interrupted=len(self.everyone))
        self.say("all phones answer %.1f s after the kill", seconds)
        self.assertLess(seconds, TAKEN_OVER_S)

    def test_a_planned_stop(self):
        victim = self.one_of(self.nodes)

        def stop():
            task = self.runs_everywhere("echo drained; sleep 2")
            begin = time.monotonic()
            code = victim.stop()
            stopped = time.monotonic()
            other = self.another(victim)
            self.cluster.answer(other)
            self.say("stopped within %.1f s, all phones answer %.1f s later", stopped - begin,
                     time.monotonic() - stopped)
            self.assertEqual(code, 0)
            self.assertLess(time.monotonic() - stopped, TAKEN_OVER_S / 2)  # nobody had to wait for a lease to end
            self.succeeded(other, task, "drained\n")
            if other is not victim:
                victim.start()
        self.rounds.during(stop)
        self.assertEqual(self.begun("echo drained; sleep 2"), self.once())
        self.nothing_broken()

    @several
    def test_a_join(self):
        newcomer = self.nodes[-1]
        self.assertEqual(newcomer.stop(), 0)
        self.cluster.await_whole("the others share its phones")
        self.assertEqual(self.cluster.phones_of(newcomer), set())

        def join():
            task = self.runs_everywhere("echo stays; sleep 3")
            newcomer.start()
            begin = time.monotonic()
            self.cluster.await_whole("it has its share")
            self.say("it has its share after %.1f s: %s shards", time.monotonic() - begin,
                     [self.cluster.shards(node) for node in self.nodes])
            self.succeeded(newcomer, task, "stays\n")
        self.rounds.during(join)
        self.assertEqual(self.begun("echo stays; sleep 3"), self.once())
        self.nothing_broken()
        self.assertEqual(sum(self.cluster.shards(node) for node in self.nodes), SHARDS)
        self.assertTrue(self.cluster.phones_of(newcomer))

    def test_a_short_cut_from_the_database(self):
        victim = self.one_of(self.nodes)
        self.cluster.await_balance()
        before = self.cluster.links()

        def cut():
            self.network.cut(victim.host, self.cluster.database_host)
            time.sleep(2)
            self.network.heal(victim.host, self.cluster.database_host)
            for node in self.nodes:
                self.cluster.answer(node)
        self.rounds.during(cut)
        self.nothing_broken()
        self.assertEqual(self.cluster.links(), before)  # no phone has moved

    def test_a_long_cut_from_the_database(self):
        victim = self.one_of(self.nodes)
        other = (self.cluster.others(victim) or [None])[0]
        made = json.loads(victim.cli("tokens", "create", "--project", "default", "--role", "admin", "--json").stdout)

        def status():
            with Client(victim, made["token"]) as client:
                return client.get("/api/v1/me").status  # for which the database is not asked

        def cut():
            begin = self.rounds.cut_from_database(victim)
            seconds = None
            ready = Background(lambda: until(lambda: self.client(victim).get("/readyz").status == 503,
                                             "it says that its database is away", 11 * PATIENCE_FACTOR))
            if other:
                self.cluster.answer(other, 3 * TAKEN_OVER_S)
                seconds = time.monotonic() - begin
                other.cli("tokens", "revoke", made["token_id"])
                self.assertEqual(status(), 503, "it cannot know that it was revoked")
            time.sleep(max(0, begin + 12 * PATIENCE_FACTOR - time.monotonic()))
            self.network.heal(victim.host, self.cluster.database_host)
            healed = time.monotonic()
            ended = self.rounds.ended_by_itself(victim, PATIENCE if other else 1)
            self.say("healed after %.1f s; %s %.1f s later", healed - begin, "it ended" if ended else "it goes on",
                     time.monotonic() - healed)
            if ended:
                victim.start()
                self.assertEqual(status(), 401)
            ready.outcome()
            return seconds, ended
        seconds, ended = self.rounds.during(cut) or (None, None)
        self.nothing_broken(interrupted=len(self.everyone))
        if other:
            self.say("all phones answer %.1f s after the cut", seconds)
            self.assertTrue(ended)
            self.assertLess(seconds, TAKEN_OVER_S)

    def test_a_cut_from_the_phones(self):
        victim = self.one_of(self.nodes)

        def cut():
            self.rounds.cut_from_phones(victim, 11)
        self.rounds.during(cut)
        self.nothing_broken()
        self.say("ends: %s", dict(self.rounds.history.results))

    @several
    def test_cuts_between_nodes(self):
        before = self.cluster.links()
        pairs = [(one.host, other.host) for one in self.nodes for other in self.nodes if one is not other]

        def cut():
            for pair in pairs:
                self.network.cut(*pair)
            begin = time.monotonic()
            task = self.client(self.nodes[0]).run("sleep 1; echo apart", self.everyone)
            for node in self.nodes:
                self.succeeded(node, task, "apart\n")
                self.assertLess(self.cluster.answer(node), 2 * SOON)
            self.assertLess(time.monotonic() - begin, 1 + (1 + 2 * len(self.nodes)) * SOON)
            time.sleep(max(0, begin + LEASE_S + 2 - time.monotonic()))
            for node in self.nodes:
                self.assertLess(self.cluster.answer(node), 2 * SOON)
            for pair in pairs:
                self.network.heal(*pair)
        self.rounds.during(cut)
        self.nothing_broken()
        self.assertEqual(self.cluster.links(), before)

    def test_a_kill_of_the_database(self):
        def kill():
            running = self.runs_everywhere("echo outlives; sleep 3")
            self.cluster.postgres.kill()
            time.sleep(LEASE_S + 2)
            self.cluster.postgres.start()
            begin = time.monotonic()
            for node in self.nodes:
                self.cluster.answer(node)
            self.say("all nodes and phones answer %.1f s after its restart", time.monotonic() - begin)
            self.succeeded(self.nodes[0], running, "outlives\n")
        self.rounds.during(kill)  # which also sees to it that every node still runs
        self.nothing_broken()
        self.assertEqual(self.begun("echo outlives; sleep 3"), self.once())


class Failover(unittest.TestCase):
    """The database dies for good, and its synchronous replica is promoted: at once, or when all leases have ended."""

    def test_a_replica_takes_over_at_once(self):
        self.fail_over(0.5)

    def test_a_replica_takes_over_late(self):
        self.fail_over(LEASE_S + 2)

    def fail_over(self, pause):
        cluster = Cluster(temp_folder(self), replica=True)
        self.addCleanup(cluster.close)
        rounds = NodesRounds(cluster, SEED)
        self.addCleanup(rounds.close)

        def fail():
            with cluster.client(cluster.nodes[0]) as client:
                running = client.run("echo outlives; sleep %d" % (pause + 3), cluster.phones)
            until(lambda: len([begun for begun in cluster.simulator.begun() if "outlives" in begun[2]]) ==
                  len(cluster.phones), "it runs everywhere")
            cluster.postgres.kill()
            time.sleep(pause)
            cluster.fail_over()
            begin = time.monotonic()
            for node in cluster.nodes:
                cluster.answer(node)
            print("all nodes and phones answer %.1f s after the promotion" % (time.monotonic() - begin), flush=True)
            with cluster.client(cluster.nodes[-1]) as client:
                self.assertEqual({(job["state"], job["shown"]) for job in client.wait_task(running)},
                                 {("succeeded", "outlives\n")})
        rounds.during(fail)  # which also sees to it that every node still runs
        self.assertEqual(rounds.history.violations[:5], [])
        self.assertEqual(sum(rounds.history.interrupted.values()), 0)
        self.assertGreater(len(rounds.history.tasks), 20)


class Random(OnNodes):
    def test_rounds(self):
        print("seed %s" % SEED, flush=True)
        self.rounds.run(ROUNDS, lambda rounds: self.say("after round %d: %s", rounds.number, rounds.summary()))
        self.say("%s", self.rounds.summary())
        self.assertEqual(self.rounds.history.violations[:10], [])
        self.assertGreater(len(self.rounds.history.tasks), 20 * ROUNDS)


if __name__ == "__main__":
    reason = not_allowed()
    if reason:
        print("skipped: " + reason)
        sys.exit(77)
    unittest.TestCase.maxDiff = None
    unittest.main(verbosity=2)
