"""Several servers on one database, each on a host of its own, and rounds in which one thing at a time breaks.

The hosts: node1, node2 ..., one for PostgreSQL and one for the simulated phones; clients are the tests themselves and
reach all of them. DROVER_NODES=1 makes it a single server: then nobody takes over what it leaves, and it is started
again instead.
"""

import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from crash import CLIENTS, Auditor, Rounds
from crash_load import BROKEN, NOWHERE, LoadClient, now_ms
from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, LocalClient, Server, Simulator, instance, no_zombie,
                     until)
from hosts import Network
from nodes_checks import Breakage, NodesHistory
from postgres import Postgres, Replica

NODES = int(os.environ.get("DROVER_NODES", "3"))
PHONES = 24
SHARDS = 256
LEASE_S = 5
TAKEN_OVER_S = 10 * PATIENCE_FACTOR  # a dead node's phones answer again


class Cluster:
    """Everything, running and with all phones linked, until closed."""

    def __init__(self, folder, nodes=NODES, phones=PHONES, binary=DROVER, settings=None, replica=False):
        """With `replica`, self.replica is a synchronous one of self.postgres."""
        self.folder = folder
        self.replica = None
        self.phones = [instance(phone) for phone in range(phones)]
        self.nodes = []
        self.network = Network()
        self.parts = [self.network]
        try:
            self.database_host = self.network.add("database")
            self.phones_host = self.network.add("phones", phones=True)
            self.postgres = self.keep(Postgres(host=self.database_host))
            self.simulator = self.keep(Simulator(folder, phones, host=self.phones_host))
            store = self.postgres.make_database("drover")
            if replica:
                self.replica = self.keep(Replica(self.postgres, host=self.network.add("replica")))
                store = self.replica.url("drover").replace("@", "@%s:%d," % (self.postgres.address, self.postgres.port))
            settings = dict(settings or {}, DROVER_STORE=store)
            for number in range(nodes):
                self.nodes.append(self.node(number + 1, binary, settings))
            self.nodes[0].cli("instances", "import", self.simulator.list_path)
            self.nodes[0].cli("instances", "add", NOWHERE, "adb://127.9.9.9:9")
            self.token = self.nodes[0].token(expires="30d")
            self.await_whole("all nodes share the phones")
            self.answer(self.nodes[0])
        except BaseException:
            self.close()
            raise

    def keep(self, part):
        self.parts.append(part)
        return part

    def node(self, number, binary, settings):
        host = self.network.add("node%d" % number)
        self.network.phones_are_at(self.phones_host, host)
        folder = os.path.join(self.folder, "node%d" % number)
        os.makedirs(os.path.join(folder, "data"), mode=0o700)
        if self.nodes:  # one system: its nodes have the same keys
            for key in ("masterkey", "adbkey"):
                shutil.copy2(os.path.join(self.nodes[0].data, key), os.path.join(folder, "data", key))
        return Server(folder, "--http-access-log", "false", binary=binary, settings=settings, host=host)

    def close(self):
        for node in self.nodes:
            if node.process:
                no_zombie(node.process)
        for part in reversed(self.parts):
            part.close()

    # What can be seen from outside.

    def alive(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def others(self, node):
        return [other for other in self.alive() if other is not node]

    def client(self, node):
        return Client(node, self.token)

    def links(self):
        """Which nodes have a connection with each phone: {instance: {node}}. By the nodes' own machines: a phone may
        still hold what a node has given up, if the word of that got lost."""
        found = {phone: set() for phone in self.phones}
        first = int.from_bytes(socket.inet_aton("127.1.0.1"), "big")
        for node in self.alive():
            try:
                with open("/proc/%d/net/tcp" % node.process.pid, encoding="ascii") as table:
                    lines = table.readlines()[1:]
            except OSError:
                continue  # it has just ended
            for line in lines:
                remote, state = line.split()[2:4]
                phone = address(remote) - first
                if state == "01" and 0 <= phone < len(self.phones):
                    found[instance(phone)].add(node)
        return found

    def phones_of(self, node):
        return {phone for phone, nodes in self.links().items() if node in nodes}

    def shards(self, node):
        """How many it owns; None if it does not say, or does not answer."""
        try:
            with Client(node) as client:
                client.connection.timeout = 2 * PATIENCE_FACTOR
                found = re.search(rb"^drover_shards(?:\{[^}]*\})? (\d+)", client.get("/metrics").body, re.MULTILINE)
                return int(found[1]) if found else None
        except BROKEN:
            return None

    def amiss(self):
        """What keeps it from being whole: phones that have not one node each, or nodes without about equal shares."""
        phones = {phone: [node.host for node in nodes] for phone, nodes in self.links().items() if len(nodes) != 1}
        if phones:
            return phones
        alive = self.alive()
        shares = {node.host: self.shards(node) for node in alive}
        counts = list(shares.values())
        if len(self.nodes) == 1:
            whole = counts in ([None], [SHARDS])
        else:
            whole = None not in counts and sum(counts) == SHARDS and min(counts) >= SHARDS // len(alive) // 2
        return None if whole else shares

    def is_whole(self):
        return self.amiss() is None

    def await_balance(self):
        """No shard is on its way: whoever has three less than another still gets some."""
        def balanced():
            counts = [self.shards(node) for node in self.alive()]
            return len(counts) == 1 or (None not in counts and max(counts) - min(counts) < 3)
        until(balanced, "the nodes have about as many shards each")

    def await_whole(self, what, patience=PATIENCE):
        try:
            until(self.is_whole, what, patience)
        except AssertionError as error:
            raise AssertionError("%s; amiss is %r" % (error, self.amiss())) from None

    def answer(self, node, patience=PATIENCE):
        """Seconds until all phones have answered a new command that was sent through that node."""
        begin = time.monotonic()
        with self.client(node) as client:
            def accepted():
                sent = client.post("/v1/instances/async-command",
                                   {"command": "echo answers", "instance_ids": self.phones})
                return sent.json["data"]["task_id"] if sent.status == 200 else None
            task = until(accepted, "the task is accepted", patience)
            jobs = client.wait_task(task, patience, outage=True)
        bad = [job for job in jobs if (job["state"], job["shown"]) != ("succeeded", "answers\n")]
        if bad:
            raise AssertionError("phones have not answered: %r" % bad[:3])
        return time.monotonic() - begin

    def fail_over(self):
        """The replica is the database from now on, and the dead one does not come back."""
        self.replica.promote()
        self.postgres, self.replica = self.replica, None

    # Mending it.

    def restore(self):
        """All is up, whole, and at work: what was written before is decided."""
        self.network.heal_all()
        if self.postgres.process.poll() is not None:
            self.postgres.start()
        for node in self.nodes:
            if node.process.poll() is not None:
                node.start()
        self.await_whole("all nodes share the phones", 2 * PATIENCE)
        for node in self.nodes:
            self.answer(node, 2 * PATIENCE)


def address(text):
    """Of /proc/net/tcp, as a number."""
    return struct.unpack("<I", bytes.fromhex(text.split(":")[0]))[0]


class AnyNode(Client):
    """Sends each request to one node or another, and does not wait for long: one that stands still holds up nobody's
    work on the others."""

    PATIENCE = 3 * PATIENCE_FACTOR

    def __init__(self, cluster, rng):
        self.cluster = cluster
        self.rng = rng
        self.clients = {}
        self.token = cluster.token

    def request(self, method, path, body=None, **headers):
        node = self.rng.choice(self.cluster.nodes)
        client = self.clients.get(node)
        if client is None or client.connection.port != node.port:
            if client:
                client.close()
            client = self.clients[node] = self.cluster.client(node)
            client.connection.timeout = self.PATIENCE
        try:
            return client.request(method, path, body, **headers)
        except BROKEN:
            client.close()
            raise

    def close(self):
        for client in self.clients.values():
            client.close()


class NodesClient(LoadClient):
    """Goes on with the next request when one is broken."""

    def run(self):
        self.pause = self.rng.choice((0.05, 0.1, 0.3))
        while not self.stopping.is_set():
            try:
                self.step()
            except BROKEN:
                self.stopping.wait(0.02)
        self.client.close()


class NodesAuditor(Auditor):
    """Tasks whose answers broke off are left alone: they may still be on their way."""

    def run(self):
        tasks = list(self.history.open.values())
        while tasks and not self.stopping.is_set():
            try:
                tasks = [task for task in tasks if not self.ended(task)]
            except BROKEN:
                pass
            self.stopping.wait(0.2)
        self.client.close()


class NodesRounds(Rounds):
    """Rounds on a cluster, which may be asked for one at a time: `during()`. The cluster is whole before each."""

    def __init__(self, cluster, seed, patience=2 * PATIENCE):
        self.cluster = cluster
        super().__init__(cluster.folder, seed, patience=patience)

    def prepare(self, binary, settings):
        self.number = -1
        self.phones = self.cluster.phones
        self.simulator = self.cluster.simulator
        self.history = NodesHistory(self.simulator.journal_path)
        self.token = self.cluster.token

    def close(self):
        self.plan.close()

    def exit_code(self):
        return "the nodes' exit codes: %s" % [node.process.poll() for node in self.cluster.nodes]

    def run(self, rounds, progress=lambda rounds: None):
        """Random ones. Stops at the first that shows a violation. Returns the violations."""
        rng = random.Random(str(self.seed))
        # Each kind once before any comes again.
        kinds = [kind for _ in range(rounds // len(KINDS) + 1) for kind in rng.sample(KINDS, len(KINDS))]
        for number, kind in enumerate(kinds[:rounds]):
            rng = random.Random("%s/random/%d" % (self.seed, number))
            rest = rng.random() < 0.4
            self.during(lambda: kind(self, rng), rng, faults=True, rest=rest)
            if self.history.violations:
                break
            progress(self)
        else:
            self.at_the_end()
        for violation in self.history.violations:
            self.note("%s: %s" % violation)
        return self.history.violations

    def during(self, breakage, rng=None, faults=False, rest=True, before=0.5):
        """A round: clients press, `breakage()` happens, and what it gives back is given back; it starts again the nodes
        that it ends. With `rest` all jobs have to end then and are compared with the journal, else later."""
        self.number += 1
        rng = rng or random.Random("%s/%d" % (self.seed, self.number))
        if self.number > 0:
            self.history.runs.ends.append(now_ms())
        self.history.runs.begins.append(now_ms())
        if faults:
            self.start_faults(rng)
        auditor = NodesAuditor(self.any_node("auditor"), self.history, self.number)
        clients = [NodesClient(self.any_node(client), *self.client_arguments(client, self.number), rng.random() < 0.2)
                   for client in range(CLIENTS)]
        for thread in (auditor, *clients):
            thread.start()
        result = None
        try:
            time.sleep(rng.uniform(0.3, 1) if faults else before)
            result = breakage()
            time.sleep(rng.uniform(0.3, 1))
        except (AssertionError, *BROKEN) as error:
            self.history.violation("wrong", "round %d: %r; %s" % (self.number, error, self.exit_code()))
        finally:
            self.end_load(auditor, clients)
        for node in self.cluster.nodes:
            if node.process.poll() is not None:
                self.history.violation("wrong", "%s ended with %d, and nobody wanted it to" %
                                       (node.host, node.process.returncode))
        if rest and not self.history.violations:
            self.rest()
        return result

    def rest(self):
        try:
            self.settle()
        except (AssertionError, *BROKEN) as error:
            self.history.violation("wrong", "after round %d: %r; %s" % (self.number, error, self.exit_code()))

    def any_node(self, name):
        return AnyNode(self.cluster, random.Random("%s/%d/%s/node" % (self.seed, self.number, name)))

    def wait_ready(self):
        self.cluster.restore()
        # What was sent is decided now, whoever was asked: doubtful tasks are those of this round too.
        self.history.runs.ends.append(now_ms())
        self.history.runs.begins.append(now_ms())
        self.number += 1

    def asker(self):
        return LocalClient(random.Random("%s/%d" % (self.seed, self.number)).choice(self.cluster.nodes))

    def at_the_end(self):
        self.rest()
        if self.history.violations:
            return
        self.check_complete()
        for node in self.cluster.nodes:
            with self.cluster.client(node) as client:
                for task in self.history.tasks.values():
                    if task.finished:
                        self.history.recheck(client, task)
            self.server = node
            self.check_log()

    # What breaks.

    def interrupts(self, why, node, act):
        """Does what may interrupt the jobs that the node has begun until then. Gives when, by the steady clock.

        Afterwards it can begin none that could be interrupted: it is dead, or every beginning needs the database.
        """
        self.note(why)
        # While shards move, who has which phone cannot be told from outside.
        phones = self.cluster.phones_of(node) if self.cluster.is_whole() else None
        breakage = Breakage(why, now_ms(), None, phones)
        self.history.breakages.append(breakage)
        act()
        breakage.end = now_ms()
        return time.monotonic()

    def kill(self, node):
        return self.interrupts("kill -9 of %s" % node.host, node, node.kill)

    def cut_from_database(self, node):
        return self.interrupts("%s is cut off from the database" % node.host, node,
                               lambda: self.cluster.network.cut(node.host, self.cluster.database_host))

    def ended_by_itself(self, node, patience):
        """Whether it does so, with 1: a node must that has lost what it owned."""
        try:
            code = node.process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        no_zombie(node.process)
        if code != 1:
            raise AssertionError("%s ended with %d:\n%s" % (node.host, code, node.log()[-2000:]))
        return True

    def cut_from_phones(self, node, seconds):
        """The node's jobs there may be lost, and nobody else's."""
        self.note("%s is cut off from its phones for %.1f s" % (node.host, seconds))
        phones = self.cluster.phones_of(node)
        windows = []
        for phone in phones:
            window = [now_ms(), None]
            windows.append(window)
            self.history.faults[phone].append(window)
        self.cluster.network.cut(node.host, self.cluster.phones_host)
        time.sleep(seconds)
        self.cluster.network.heal(node.host, self.cluster.phones_host)
        for window in windows:
            window[1] = now_ms()
        return phones


# The kinds of random rounds.

def killed(rounds, rng):
    node = rng.choice(rounds.cluster.nodes)
    rounds.kill(node)
    time.sleep(rng.choice((0, 0, 1, 8)) * rng.random())
    node.start()


def paused(rounds, rng):
    node = rng.choice(rounds.cluster.nodes)
    rounds.interrupts("%s stands still for 7 s" % node.host, node, lambda: node.process.send_signal(signal.SIGSTOP))
    standstill = [now_ms(), None]
    rounds.history.standstills.append(standstill)
    time.sleep(7)
    node.process.send_signal(signal.SIGCONT)
    standstill[1] = now_ms()
    if rounds.ended_by_itself(node, 6 * PATIENCE_FACTOR):
        node.start()


def stopped(rounds, rng):
    node = rng.choice(rounds.cluster.nodes)
    rounds.note("SIGTERM to %s" % node.host)
    rounds.stop_faults()  # a job on a phone that has fallen silent would be waited for
    code = node.stop()
    if code != 0:
        raise AssertionError("%s stopped with %d:\n%s" % (node.host, code, node.log()[-2000:]))
    time.sleep(rng.choice((0, 1)) * rng.random())
    node.start()


def cut_off(rounds, rng):
    cluster = rounds.cluster
    node = rng.choice(cluster.nodes)
    others = cluster.others(node)
    peer = rng.choice(("database", "phones") + (("node",) if others else ()))
    if peer == "phones":
        rounds.cut_from_phones(node, rng.uniform(0.5, 5))
    elif peer == "node":
        other = rng.choice(others)
        rounds.note("%s and %s are cut off from each other" % (node.host, other.host))
        cluster.network.cut(node.host, other.host)
        time.sleep(rng.uniform(1, LEASE_S + 2))
        cluster.network.heal(node.host, other.host)
    else:
        seconds = rng.choice((1, 2, LEASE_S + 3))
        if seconds < LEASE_S:
            rounds.note("%s is cut off from the database for %d s" % (node.host, seconds))
            cluster.network.cut(node.host, cluster.database_host)
        else:
            rounds.cut_from_database(node)
        time.sleep(seconds)
        cluster.network.heal(node.host, cluster.database_host)
        if seconds > LEASE_S and rounds.ended_by_itself(node, 10 * PATIENCE_FACTOR):
            node.start()


def database_killed(rounds, rng):
    rounds.note("kill -9 of the database")
    rounds.cluster.postgres.kill()
    time.sleep(rng.uniform(0, LEASE_S + 1))
    rounds.cluster.postgres.start()


KINDS = (killed, paused, stopped, cut_off, database_killed)


class Background(threading.Thread):
    """Something that is done meanwhile, and gives its result or its exception when joined."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what = what
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.what()
        except BaseException as error:
            self.error = error

    def outcome(self):
        self.join(2 * PATIENCE)
        if self.is_alive():
            raise AssertionError("it hangs")
        if self.error:
            raise self.error
        return self.result
