"""Kills the server in the midst of everything, round after round, and checks that it keeps its promises.

One simulator lives through all rounds; its journal is the witness. Each round starts the server on the same data
folder, loads it from several clients and kills it at a random moment, sometimes while it still takes up what the last
one left. What is drawn comes from the seed: the same seed gives the same requests and the same moments, as far as
threads and the machine repeat themselves.
"""

import os
import random
import shutil
import signal
import threading
import time

from crash_checks import KINDS, History
from crash_load import BROKEN, NOWHERE, LoadClient, now_ms
from harness import DROVER, PATIENCE, PATIENCE_FACTOR, Client, LocalClient, Server, Simulator, instance, no_zombie

PHONES = 16
WEAK = 4  # so many of them, the last ones, have faults now and then
CLIENTS = 6
FAULTS = ("flap:0.05", "flap:0.3", "drop", "drop:40", "silent", "no-exit", "reboot:0.2", "double-close", "absent")


class Auditor(threading.Thread):
    """Looks at every open task of the rounds before, again and again, until the server is gone."""

    def __init__(self, client, history, run):
        super().__init__(daemon=True)
        self.client = client
        self.history = history
        self.run_number = run
        self.stopping = threading.Event()

    def run(self):
        try:
            self.history.adopt_doubtful(self.client, self.run_number)
            tasks = list(self.history.open.values())
            while tasks and not self.stopping.is_set():
                tasks = [task for task in tasks if not self.ended(task)]
                self.stopping.wait(0.05)
        except BROKEN:
            pass  # killed
        finally:
            self.client.close()

    def ended(self, task):
        if self.stopping.is_set():
            return False
        jobs = self.history.look(self.client, task)
        return jobs is None or len(task.shown) == len(jobs)


class Rounds:
    """`binary` and `settings` are the server's (harness.Server). After each `settle_every` rounds nothing disturbs for
    a while: then all jobs have to end within `patience` seconds, and are compared with the journal."""

    HISTORY = History

    def __init__(self, folder, seed, binary=DROVER, settings=None, patience=PATIENCE, settle_every=10):
        self.folder = folder
        self.seed = seed
        self.patience = patience
        self.settle_every = settle_every
        self.number = 0
        self.faulty = []  # phones
        self.begin = time.monotonic()
        self.plan = open(os.path.join(folder, "rounds.log"), "w", encoding="utf-8")
        try:
            self.prepare(binary, settings)
        except BaseException:
            self.close()
            raise

    def prepare(self, binary, settings):
        self.simulator = Simulator(self.folder, PHONES)
        self.server = Server(self.folder, "--http-access-log", "false", binary=binary, settings=settings)
        self.history = self.HISTORY(self.simulator.journal_path)
        self.phones = [instance(phone) for phone in range(PHONES)]
        self.server.adopt(self.simulator)
        self.server.cli("instances", "add", NOWHERE, "adb://127.9.9.9:9")
        self.token = self.server.token(expires="30d")
        self.server.kill()

    def close(self):
        simulator, server = getattr(self, "simulator", None), getattr(self, "server", None)
        if simulator:
            simulator.close()
        if server and server.process:
            no_zombie(server.process)
        self.plan.close()

    def run(self, rounds, progress=lambda rounds: None):
        """Stops at the first round that shows a violation. Returns the violations."""
        try:
            for self.number in range(rounds):
                self.round(random.Random("%s/%d" % (self.seed, self.number)))
                if self.history.violations:
                    break
                progress(self)
            else:
                self.at_the_end()
        except (AssertionError, *BROKEN) as error:  # it did not start, hangs, or was gone when nobody killed it
            self.history.violation("wrong", "round %d: %r; %s" % (self.number, error, self.exit_code()))
        for violation in self.history.violations:
            self.note("%s: %s" % violation)
        return self.history.violations

    def exit_code(self):
        return "the server's exit code: %s" % self.server.process.poll()

    def note(self, text):
        self.plan.write("%d round %d: %s\n" % (now_ms(), self.number, text))
        self.plan.flush()

    # One round.

    def round(self, rng):
        style = rng.choices(("load", "early", "twice", "drain"), (45, 25, 15, 15))[0]
        if (self.number + 1) % self.settle_every == 0:
            self.launch()
            self.settle()
        elif style == "early":
            return self.kill_early(rng)
        else:
            self.launch()
            self.server.wait_ready()
        self.load(rng, style)
        if style == "twice":
            for _ in range(rng.randrange(1, 3)):
                self.kill_early(rng)

    def launch(self):
        self.history.runs.begins.append(now_ms())
        self.server.launch()

    def kill(self, why):
        process = self.server.process
        code = process.poll()
        process.kill()
        no_zombie(process)
        self.history.runs.ends.append(now_ms())
        self.note("run %d: %s" % (len(self.history.runs.ends) - 1, why))
        if code is not None and (code != 0 or "SIGTERM" not in why):
            self.history.violation("wrong", "the server ended by itself with %d" % code)

    def kill_early(self, rng):
        """At a moment that has nothing to do with how far the start has come."""
        moment = rng.uniform(0, 0.08 * PATIENCE_FACTOR)
        self.launch()
        time.sleep(moment)
        self.kill("killed %.0f ms after it was started" % (moment * 1000))

    def load(self, rng, style):
        run = len(self.history.runs.ends)
        pressing = rng.random() < 0.5
        moment = rng.uniform(0, 0.3 if pressing else rng.choice((0.1, 0.5, 1.0)))
        self.start_faults(rng)
        auditor = Auditor(LocalClient(self.server), self.history, run)
        clients = [LoadClient(Client(self.server, self.token), *self.client_arguments(client, run), pressing)
                   for client in range(CLIENTS)]
        for thread in (auditor, *clients):
            thread.start()
        time.sleep(moment)
        why = "killed %.0f ms after it was ready" % (moment * 1000)
        if style == "drain":
            self.server.process.send_signal(signal.SIGTERM)
            pause = rng.uniform(0, 0.3)
            time.sleep(pause)
            why = "SIGTERM, and " + why + ", %.0f ms later" % (pause * 1000)
        self.kill(why)
        self.end_load(auditor, clients)
        if rng.random() < 0.5:  # else the next server meets them
            self.stop_faults()

    def client_arguments(self, client, run):
        return (random.Random("%s/%d/%d" % (self.seed, self.number, client)), "%d-%d" % (self.number, client), run,
                self.phones, self.history)

    def end_load(self, auditor, clients):
        threads = [auditor, *clients]
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.join(self.patience)
            if thread.is_alive():
                raise AssertionError("a client hangs")
        for client in clients:
            self.history.add(client.sent)
        self.history.read_journal()

    def start_faults(self, rng):
        """Sometimes some of the weak phones misbehave."""
        weak = range(len(self.phones) - WEAK, len(self.phones))
        faults = [(phone, rng.choice(FAULTS)) for phone in weak if rng.random() < 0.7]
        if self.faulty or rng.random() > 0.4:
            return
        for phone, fault in faults:
            self.faulty.append(phone)
            self.history.faults[instance(phone)].append([now_ms(), None])
            self.simulator.control("fault %d %s" % (phone, fault))
        self.note("faults %s" % faults)

    def stop_faults(self):
        for phone in self.faulty:
            self.simulator.control("clear %d" % phone)
            self.history.faults[instance(phone)][-1][1] = now_ms()
        self.faulty = []

    # Nothing disturbs, and everything has to come to its end.

    def settle(self):
        self.stop_faults()
        self.wait_ready()
        history = self.history
        with self.asker() as client:
            history.adopt_doubtful(client, len(history.runs.ends))
            deadline = time.monotonic() + self.patience
            for task in list(history.open.values()):
                self.await_end(client, task, deadline)
                if task.kind == "output":
                    history.check_output(client, task)
        if not any(violation.kind == "lost" for violation in history.violations):
            history.settle()

    def wait_ready(self):
        self.server.wait_ready()

    def asker(self):
        return LocalClient(self.server)

    def await_end(self, client, task, deadline):
        while True:
            left = max(0, deadline - time.monotonic())
            found = client.get("/api/v1/tasks/%s?wait=%d" % (task.id, min(60, left + 0.5)))
            if found.status == 200 and found.json["state"] != "finished" and left > 0:
                continue
            jobs = self.history.look(client, task)
            if jobs is not None and (found.status != 200 or found.json["state"] != "finished" or
                                     len(task.shown) < len(jobs)):
                self.history.violation("lost", "task %s (%s) does not end: %r, %r" % (task.id, task.mark, found, jobs))
            return

    def at_the_end(self):
        """Everything once more, as a server says it that was stopped properly and started again."""
        self.launch()
        self.settle()
        self.check_complete()
        code = self.server.stop(self.patience)
        self.history.runs.ends.append(now_ms())
        if code != 0:
            self.history.violation("wrong", "the server stopped with %d" % code)
        self.launch()
        self.server.wait_ready()
        with Client(self.server, self.token) as client:
            for task in self.history.tasks.values():
                if task.finished:
                    self.history.recheck(client, task)
        self.kill("done")
        self.check_log()

    def check_complete(self):
        left = [task.mark for task in self.history.unsettled]
        if left and not self.history.violations:
            self.history.violation("lost", "never settled: %s" % left[:20])

    def check_log(self):
        """A sanitizer's report does not always end a process."""
        with open(self.server.log_path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if "Sanitizer" in line or "runtime error" in line:
                    self.history.violation("wrong", "the server's log: " + line.strip())
                    return

    def summary(self):
        history = self.history
        accepted = [task for task in history.tasks.values() if task.id]
        counts = {kind: sum(violation.kind == kind for violation in history.violations) for kind in KINDS}
        seconds = round(time.monotonic() - self.begin, 1)
        return dict(rounds=self.number + 1, runs=len(history.runs.ends), seconds=seconds, tasks=len(accepted),
                    jobs=sum(len(task.instances) for task in accepted), lost=counts["lost"],
                    begun_twice=counts["twice"], interrupted=sum(history.interrupted.values()),
                    changed=counts["changed"], out_of_order=counts["order"], wrong=counts["wrong"])


def survive(test, make, count):
    """Runs `count` of the rounds that `make(seed)` gives; fails `test`, and keeps everything, if one breaks a promise.
    The summary."""
    seed = os.environ.get("DROVER_SEED") or int.from_bytes(os.urandom(4), "big")
    print("seed %s" % seed, flush=True)
    rounds = make(seed)
    test.addCleanup(rounds.close)
    violations = rounds.run(count)
    summary = rounds.summary()
    print(" ".join("%s=%s" % item for item in summary.items()))
    if violations:
        kept = rounds.folder.rstrip("/") + "-kept"
        shutil.copytree(rounds.folder, kept, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
        test.fail("seed %s, everything is kept in %s:\n%s" %
                  (seed, kept, "\n".join("%s: %s" % violation for violation in violations[:10])))
    return summary
