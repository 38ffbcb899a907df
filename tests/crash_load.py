"""The load under which the server is killed: what clients ask for, drawn from a seed, and what came of it for them."""

import http.client
import threading
import time

NOWHERE = "nowhere"  # an instance whose address nobody answers
UNKNOWN = "unknown"  # no instance
PATTERN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+\n"  # what `gen` writes

# The words of a refusal that is none.
NOT_KNOWN = b"may have been carried out"

# What breaks with the connection when the server is killed.
BROKEN = (OSError, http.client.HTTPException, ValueError)


def now_ms():
    return int(time.time() * 1000)


class Task:
    """A request to run one command, with a mark that no other command has.

    Its fate for the client: "sent", "accepted" (it has the id), "refused", or "doubtful" when the connection broke
    before the answer, or the server does not know; what the next server says makes the last one accepted or absent.
    """
    __slots__ = ("mark", "kind", "command", "instances", "output", "limits", "fate", "id", "run", "cancelled",
                 "cancel_run", "cancelled_ms", "running", "shown", "finished", "sent_at", "answered_at")

    def __init__(self, mark, kind, command, instances, output, limits):
        self.mark = mark
        self.kind = kind
        self.command = command
        self.instances = instances
        self.output = output  # of a job that comes to its end
        self.limits = limits  # start_deadline_s, run_timeout_s
        self.fate = "sent"
        self.id = None
        self.run = None           # the server's run in which it was sent
        self.cancelled = False    # somebody tried to
        self.cancel_run = None    # the run and time in which that was answered
        self.cancelled_ms = None
        self.running = {}         # index -> the run in which it was shown to run
        self.shown = {}           # index -> the job as it was shown when it had ended
        self.finished = False     # all of them, and that was checked
        self.sent_at = None       # by the steady clock
        self.answered_at = None   # with its id


KINDS = ("instant", "pause", "output", "fails", "long", "timeout", "deadline", "unknown", "all")
USUAL = (30, 30, 12, 6, 8, 1, 5, 3, 2)
PRESSING = (80, 4, 10, 2, 1, 0, 1, 1, 1)


def draw_task(rng, mark, phones, pressing):
    """`phones` are instance ids. Pressing: many short jobs, so that a commit is under way at every moment."""
    kind = rng.choices(KINDS, PRESSING if pressing else USUAL)[0]
    size = rng.choice((3, 5, len(phones)) if pressing else (1, 1, 1, 2, 3, 5, len(phones)))
    limits = {}
    output = (mark + "\n").encode()
    command = "echo " + mark
    if kind == "pause":
        command = "sleep 0.%03d; %s" % (rng.randrange(1, 40), command)
    elif kind == "output":
        size_of_output = rng.choice((100, 1000, 1024, 5000, 20000))
        command = "gen %d; %s" % (size_of_output, command)
        output = (PATTERN * (size_of_output // len(PATTERN) + 1))[:size_of_output] + output
    elif kind == "fails":
        command += "; exit 3"
    elif kind == "long":
        command += "; sleep 0.%d" % rng.randrange(1, 5)
        size = 1
    elif kind == "timeout":
        command += "; sleep 30"
        limits["run_timeout_s"] = 1
        size = 1
    elif kind in ("deadline", "all"):
        limits["start_deadline_s"] = rng.randrange(1, 3)
    instances = rng.sample(phones, min(size, len(phones)))
    if kind == "deadline":
        instances.append(NOWHERE)
    elif kind == "unknown":
        instances.insert(rng.randrange(len(instances) + 1), UNKNOWN)
    elif kind == "all":
        instances = [NOWHERE] + sorted(phones)  # in the order of the ids, as the server takes them
    return Task(mark, kind, command, instances, output, limits)


class LoadClient(threading.Thread):
    """Sends tasks and asks for them through `client`, until the server is gone. What it saw is read after join()."""

    MOST_PRESSING = 60  # tasks in a round, so that not too much is left for the next ones

    def __init__(self, client, rng, name, run, phones, history, pressing):
        super().__init__(name=name, daemon=True)
        self.client = client
        self.rng = rng
        self.run_number = run
        self.phones = phones
        self.history = history
        self.stopping = threading.Event()
        self.sent = []
        self.pressing = pressing
        self.pause = rng.choice((0.002, 0.01, 0.02, 0.04))  # some are slow

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
        except BROKEN:
            pass  # killed
        finally:
            self.client.close()

    def step(self):
        mark = "m%s-%d" % (self.name, len(self.sent))
        pressing = self.pressing and len(self.sent) < self.MOST_PRESSING
        task = draw_task(self.rng, mark, self.phones, pressing)
        self.send(task)
        if task.fate == "accepted":
            self.follow(task)
        if not pressing:
            self.stopping.wait(self.rng.uniform(0, self.pause))

    def send(self, task):
        task.run = self.run_number
        task.fate = "doubtful"
        task.sent_at = time.monotonic()
        self.sent.append(task)
        body = dict(task.limits, command=task.command, instance_ids=task.instances)
        if task.kind == "all":
            del body["instance_ids"]
            answer = self.client.post("/api/v1/tasks", dict(body, all=True))
        else:
            sync = task.kind in ("instant", "fails") and self.rng.random() < 0.04
            answer = self.client.post("/v1/instances/%s-command" % ("sync" if sync else "async"), body)
        if answer.status == 503:
            if NOT_KNOWN not in answer.body:
                task.fate = "refused"
        elif answer.status != 200:
            self.history.violation("wrong", "%s was answered with %r" % (task.mark, answer))
        else:
            found = answer.json
            task.id = (answer.headers["X-Drover-Task-Id"] or found.get("task_id") or found["data"]["task_id"])
            task.answered_at = time.monotonic()
            task.fate = "accepted"

    def follow(self, task):
        choice = self.rng.random()
        if choice < 0.08:
            task.cancelled = True
            answer = self.client.post("/api/v1/tasks/%s/cancel" % task.id, {})
            if answer.status == 200:
                task.cancel_run, task.cancelled_ms = self.run_number, now_ms()
            elif answer.status != 503:
                self.history.violation("wrong", "cancelling %s was answered with %r" % (task.mark, answer))
        elif choice < 0.11:  # a client that waits does not press
            self.client.get("/v1/instances/tasks/%s?wait=1" % task.id)
        if choice < 0.5:
            self.history.look(self.client, task)
