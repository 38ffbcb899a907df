"""What the server said and the phones did, through all kills, and whether it agrees.

Three witnesses are compared: what clients were told (tasks accepted, jobs' ends), what the server says later, and
the phones' journal, which another process writes.
"""

import collections
import datetime
import hashlib
import re
import threading

from crash_load import NOWHERE, UNKNOWN
from harness import PATIENCE_FACTOR, instance

INTERRUPTED = ("lost", "DROVER.JOB.INTERRUPTED")
DISCONNECTED = ("lost", "DROVER.JOB.DISCONNECTED")
CANCELLED = ("cancelled", "DROVER.JOB.CANCELLED")
TIMEOUT = ("failed", "DROVER.JOB.TIMEOUT")
TOO_LATE = (("failed", "DROVER.JOB.OFFLINE"), ("failed", "DROVER.JOB.EXPIRED"))
RAN = (("succeeded", ""), ("failed", "DROVER.JOB.EXIT"))

SLACK_MS = int(1000 * PATIENCE_FACTOR)  # how late a phone may note what reached it in time

Violation = collections.namedtuple("Violation", "kind text")
# lost: an accepted task is gone, or one of its jobs never ends. twice: a command was begun twice. changed: an end that
# was shown. order: a phone did not begin its jobs in the order accepted. wrong: anything else.
KINDS = ("lost", "twice", "changed", "order", "wrong")


def to_ms(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000 + 0.5)


def accepted_ms(task):
    return int(task.id[:12], 16)


class Journal:
    """The commands with marks that phones began; read on as it grows. Drover's own commands have no mark."""

    LINE = re.compile(rb"^(\d+) (\d+) \d+ .*echo drover:\$\$;.*\b(m\d+-\d+-\d+)\b")

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.begun = collections.defaultdict(list)     # (instance, mark) -> times
        self.new_order = collections.defaultdict(list)  # instance -> marks since the last taking

    def read(self):
        """Gives what is new as (instance, mark)."""
        new = []
        with open(self.path, "rb") as journal:
            journal.seek(self.offset)
            data = journal.read()
        end = data.rfind(b"\n") + 1
        self.offset += end
        for line in data[:end].splitlines():
            found = self.LINE.match(line)
            if found:
                phone, mark = instance(int(found[2])), found[3].decode()
                self.begun[phone, mark].append(int(found[1]))
                self.new_order[phone].append(mark)
                new.append((phone, mark))
        return new

    def take_order(self):
        order, self.new_order = self.new_order, collections.defaultdict(list)
        return order


class Runs:
    """When each of the servers lived."""

    def __init__(self):
        self.begins = []
        self.ends = []

    def at(self, ms):
        """The number of the run that lived at that time, or None."""
        for number in range(len(self.begins) - 1, -1, -1):
            if self.begins[number] <= ms:
                return number if number == len(self.ends) or ms <= self.ends[number] else None
        return None

    def now(self):
        return len(self.begins) - 1


class History:
    def __init__(self, journal_path):
        self.journal = Journal(journal_path)
        self.runs = Runs()
        self.tasks = {}       # mark -> Task, all that were ever sent
        self.open = {}        # id -> Task: accepted, and not known to be finished
        self.unsettled = []   # whose journal has not been compared
        self.faults = collections.defaultdict(list)  # instance -> [from ms, to ms or None]
        self.interrupted = collections.Counter()     # (run, instance)
        self.last_on_phone = {}                      # instance -> id of the last task begun there
        self.results = collections.Counter()
        self.violations = []
        self.lock = threading.Lock()

    def violation(self, kind, text):
        with self.lock:
            self.violations.append(Violation(kind, text))

    def add(self, tasks):
        """What a client has sent, after it ended."""
        for task in tasks:
            self.tasks[task.mark] = task
            self.unsettled.append(task)
            if task.fate == "accepted":
                self.open[task.id] = task

    # What the server says.

    def look(self, client, task):
        """Compares a task with what has been known of it. Gives its jobs, or None if it is gone."""
        answer = client.get("/api/v1/tasks/%s/jobs" % task.id)
        if answer.status != 200:
            if answer.status != 503:
                self.violation("lost", "task %s (%s) was accepted, and is gone: %r" % (task.id, task.mark, answer))
            return None
        jobs = answer.json["jobs"]
        if [job["instance_id"] for job in jobs] != task.instances:
            self.violation("wrong", "task %s has other instances than asked for: %r" % (task.mark, jobs))
            return jobs
        for index, job in enumerate(jobs):
            before = task.shown.get(index)
            if before is not None:
                if before != job and not self.may_be_old(task, job):
                    self.violation("changed", "%s was shown as %r, now as %r" % (task.mark, before, job))
            elif job["ended_at"] is not None:
                task.shown[index] = job
                self.check_result(task, job, task.running.pop(index, None))
            elif job["state"] == "running":
                task.running.setdefault(index, self.runs.now())
        return jobs

    def may_be_old(self, _task, _job):
        """Whether what was said after the end may be from before it."""
        return False

    def held_up(self, _job, _begun):
        """Whether the command can have left in time, and have reached the phone only then (Unix ms)."""
        return False

    def adopt_doubtful(self, client, run):
        """Which of the tasks whose answers broke off with an earlier run were accepted all the same?"""
        doubtful = {task.command: task for task in self.unsettled if task.fate == "doubtful" and task.run < run}
        if not doubtful:
            return
        since = self.runs.begins[min(task.run for task in doubtful.values())]
        seen = set()
        before = ""
        while True:
            answer = client.get("/api/v1/tasks?limit=1000" + before)
            if answer.status == 503:
                return  # the database is away; they stay doubtful until it can be asked
            if answer.status != 200:
                self.violation("wrong", "the list of tasks was answered with %r" % answer)
                return
            tasks = answer.json["tasks"]
            for listed in tasks:
                task = doubtful.get(listed["command"])
                if task is None:
                    continue
                if task.command in seen:
                    self.violation("twice", "%s was accepted twice" % task.mark)
                seen.add(task.command)
                task.id = listed["task_id"]
            if len(tasks) < 1000 or int(tasks[-1]["task_id"][:12], 16) < since:
                break
            before = "&before=" + tasks[-1]["task_id"]
        for task in doubtful.values():
            task.fate = "accepted" if task.command in seen else "absent"
            if task.id:
                self.open[task.id] = task

    def check_result(self, task, job, running):
        """`running`: the run in which it was shown as running, if anybody looked."""
        problem = self.problem(task, job, (job["state"], job["error_code"]))
        if running is not None and job["begun_at"]:
            # Or in the run before: what that one's end interrupted is shown as running until this is stored.
            begun = self.runs.at(to_ms(job["begun_at"]))
            if begun is None or begun > running:
                problem = "it was running in run %d" % running
        if problem:
            self.violation("wrong", "%s (%s): %s: %r" % (task.mark, task.kind, problem, job))

    def problem(self, task, job, result):
        phone = job["instance_id"]
        if phone == UNKNOWN:
            return None if result == ("failed", "CPS0005") else "there is no such instance"
        if result in RAN:
            return self.problem_of_run(task, job, result)
        if job["exit_code"] is not None and result[1] != "DROVER.JOB.EXIT":
            return "an exit code without an end of its own"
        if result == INTERRUPTED:
            if job["begun_at"] is None:
                return "interrupted without having begun"
        elif result == DISCONNECTED:
            if not self.at_fault(phone, job):
                return "nothing was wrong with the phone"
        elif result == CANCELLED:
            if not task.cancelled:
                return "nobody cancelled it"
        elif result in TOO_LATE:
            deadline = task.limits.get("start_deadline_s")
            if deadline is None or to_ms(job["ended_at"]) < accepted_ms(task) + deadline * 1000 - 50:
                return "its start deadline had not passed"
        elif result == TIMEOUT:
            if task.kind != "timeout":
                return "its run timeout is long"
        else:
            return "an end that it cannot have"
        return None

    @staticmethod
    def problem_of_run(task, job, result):
        if task.kind == "timeout" or job["instance_id"] == NOWHERE:
            return "it cannot come to its end"
        if (result, job["exit_code"]) != ((RAN[1], 3) if task.kind == "fails" else (RAN[0], 0)):
            return "not its exit code"
        if job["shown"] != task.output[:1024].decode() or job["output_bytes"] != len(task.output):
            return "not its own output"
        return None

    def check_output(self, client, task):
        """The whole of it, of one job: what is shown is its beginning only."""
        for job in task.shown.values():
            if (job["state"], job["error_code"]) in RAN:
                whole = client.get("/api/v1/jobs/%s/stdout" % job["job_id"])
                if (whole.status, whole.body) != (200, task.output):
                    self.violation("wrong", "%s: not its own output: %r" % (job["job_id"], whole))
                return

    def at_fault(self, phone, job):
        begun, ended = to_ms(job["begun_at"]), to_ms(job["ended_at"])
        return any(first <= ended and (last is None or begun <= last + SLACK_MS) for first, last in self.faults[phone])

    # What the phones say.

    def read_journal(self):
        for phone, mark in self.journal.read():
            begun = self.journal.begun[phone, mark]
            if len(begun) > 1:
                self.violation("twice", "%s was begun %d times on %s, at %s" % (mark, len(begun), phone, begun))

    def settle(self):
        """Compares the journal with every task whose jobs have all ended since the last time. Nothing runs now."""
        self.read_journal()
        self.check_order()
        rest = []
        for task in self.unsettled:
            if task.fate in ("absent", "refused"):
                self.check_never_ran(task)
            elif task.fate == "accepted" and len(task.shown) == len(task.instances):
                for index in range(len(task.instances)):
                    self.check_job(task, task.shown[index])
                self.finish(task)
            else:
                rest.append(task)
        self.unsettled = rest

    def finish(self, task):
        """From now on only a digest is kept, to notice a change."""
        task.finished = True
        task.shown = digest([task.shown[index] for index in range(len(task.instances))])
        self.open.pop(task.id, None)

    def check_order(self):
        for phone, marks in self.journal.take_order().items():
            last = self.last_on_phone.get(phone, "")
            for mark in marks:
                task = self.tasks.get(mark)
                if task is None:
                    self.violation("wrong", "%s began %s, which nobody sent" % (phone, mark))
                    continue
                if task.id is None:
                    continue  # check_never_ran()
                if task.id < last:
                    self.violation("order", "%s began %s (task %s) after task %s" % (phone, mark, task.id, last))
                last = max(last, task.id)
            self.last_on_phone[phone] = last

    def check_never_ran(self, task):
        for phone in task.instances:
            if (phone, task.mark) in self.journal.begun:
                self.violation("wrong", "%s was not accepted, and yet begun on %s" % (task.mark, phone))

    def check_job(self, task, job):
        phone = job["instance_id"]
        result = (job["state"], job["error_code"])
        begun = self.journal.begun.get((phone, task.mark), [])
        self.results[result] += 1
        if result == INTERRUPTED:
            self.check_interrupted(task, job)
        problem = None
        if not begun:
            if result in RAN or (result == TIMEOUT and not self.at_fault(phone, job)):
                problem = "it ended without being begun"
        elif job["begun_at"] is None:
            problem = "it is said not to have begun"
        elif not to_ms(job["begun_at"]) - SLACK_MS <= begun[0] <= to_ms(job["ended_at"]) + SLACK_MS and \
                not (result in (TIMEOUT, CANCELLED) and self.held_up(job, begun[0])):
            problem = "begun out of its time"
        elif task.cancel_run is not None and (
                self.runs.at(to_ms(job["begun_at"])) != task.cancel_run or
                begun[0] > task.cancelled_ms + SLACK_MS) and not self.held_up(job, begun[0]):
            problem = "begun after it was cancelled at %d" % task.cancelled_ms
        elif begun[0] > accepted_ms(task) + 1000 * task.limits.get("start_deadline_s", 600) + SLACK_MS and \
                not self.held_up(job, begun[0]):
            problem = "begun after its start deadline"
        if problem:
            self.violation("wrong", "%s: %s: journal %s, %r" % (task.mark, problem, begun, job))

    def check_interrupted(self, task, job):
        run = self.runs.at(to_ms(job["begun_at"]))
        where = run, job["instance_id"]
        self.interrupted[where] += 1
        if run is None:
            self.violation("wrong", "%s: no server lived when it is said to have begun: %r" % (task.mark, job))
        elif run == self.runs.now():
            self.violation("wrong", "%s: this very server is said to have begun it: %r" % (task.mark, job))
        elif self.interrupted[where] > 1:  # one runs at a time; the others had not begun and must have run
            self.violation("wrong", "%s: %s has more than one interrupted job of run %d: %r" %
                           (task.mark, where[1], run, job))

    def recheck(self, client, task):
        """Long after a task has finished: is it still there, as it was?"""
        answer = client.get("/api/v1/tasks/%s/jobs" % task.id)
        if answer.status != 200:
            self.violation("lost", "task %s (%s) had finished, and is gone: %r" % (task.id, task.mark, answer))
        elif digest(answer.json["jobs"]) != task.shown:
            self.violation("changed", "%s is not as it was when it finished: %r" % (task.mark, answer.json["jobs"]))


def digest(jobs):
    return hashlib.blake2b(repr(jobs).encode(), digest_size=16).digest()
