"""What crash_checks.py demands of one server, demanded of many that share their database.

What differs: a run is a round here, whatever lives or dies in it. A job may only be interrupted by what can cut a
node's lease short, and each such breakage may interrupt one job of a phone. And since nodes give ids independently,
order is promised for what was sent after the answer to what came before.
"""

import time

from crash_checks import SLACK_MS, History, to_ms
from harness import PATIENCE_FACTOR

# An end that one node has shown may not be known yet on the next for so long.
LAG_S = 1.0 * PATIENCE_FACTOR


class Breakage:
    """May interrupt what was running between its `begin` and `end` (Unix ms; None: not over) on these phones (None: on
    any)."""

    def __init__(self, why, begin, end=None, phones=None):
        self.why = why
        self.begin = begin
        self.end = end
        self.phones = phones
        self.interrupted = set()

    def explains(self, job):
        phone = job["instance_id"]
        return (self.phones is None or phone in self.phones) and phone not in self.interrupted and \
            to_ms(job["ended_at"]) >= self.begin - SLACK_MS and \
            (self.end is None or to_ms(job["begun_at"]) <= self.end + SLACK_MS)


class NodesHistory(History):
    def __init__(self, journal_path):
        super().__init__(journal_path)
        self.breakages = []
        self.standstills = []  # [from, to] of nodes (Unix ms)
        self.ended_at = {}     # job id -> when its end was seen first, by the steady clock
        self.latest_sent = {}  # instance -> (time, task) of the begun task that was sent last

    def check_result(self, task, job, _running):
        self.ended_at[job["job_id"]] = time.monotonic()
        # One whose phone has not taken the command waits again when its shard goes to another node: it may have been
        # shown as running long before it began. That nothing begins twice the journal shows.
        super().check_result(task, job, None)

    def may_be_old(self, _task, job):
        return job["ended_at"] is None and time.monotonic() < self.ended_at[job["job_id"]] + LAG_S

    def held_up(self, job, begun):
        since = to_ms(job["begun_at"])
        return any(first <= begun and (last is None or since <= last + SLACK_MS)
                   for first, last in self.faults[job["instance_id"]] + self.standstills)

    def check_interrupted(self, task, job):
        for breakage in self.breakages:
            if breakage.explains(job):
                breakage.interrupted.add(job["instance_id"])
                self.interrupted[breakage.why, job["instance_id"]] += 1
                return
        self.violation("wrong", "%s: nothing can have interrupted it: %r" % (task.mark, job))

    def check_order(self):
        for phone, marks in self.journal.take_order().items():
            latest, before = self.latest_sent.get(phone, (0, None))
            for mark in marks:
                task = self.tasks.get(mark)
                if task is None:
                    self.violation("wrong", "%s began %s, which nobody sent" % (phone, mark))
                    continue
                if task.answered_at is not None and task.answered_at < latest:
                    self.violation("order", "%s began %s (task %s) after %s (task %s), which was sent %.3f s after the "
                                   "answer to it" % (phone, mark, task.id, before.mark, before.id,
                                                     latest - task.answered_at))
                if task.sent_at > latest:
                    latest, before = task.sent_at, task
            self.latest_sent[phone] = latest, before
