#!/usr/bin/env python3
"""The rounds of crash.py notice a server with a bug. `drover_broken` has one on request (src/task/planted.h); without a
request it has none."""

import os
import unittest

from crash import Rounds
from harness import PATIENCE_FACTOR, temp_folder

BROKEN = os.environ["DROVER_BROKEN"]
MOST_ROUNDS = 60  # the first few suffice as a rule


class Catches(unittest.TestCase):
    def rounds(self, rounds, bug=None):
        found = Rounds(temp_folder(self), "catches", binary=BROKEN, settings={"DROVER_PLANT": bug} if bug else {},
                       patience=8 * PATIENCE_FACTOR, settle_every=4)
        self.addCleanup(found.close)
        return found, found.run(rounds)

    def catches(self, bug, kind):
        rounds, violations = self.rounds(MOST_ROUNDS, bug)
        print("%s: %s in round %d" % (bug, sorted({violation.kind for violation in violations}), rounds.number))
        self.assertIn(kind, [violation.kind for violation in violations], violations[:5])

    def test_no_bug(self):
        rounds, violations = self.rounds(8, "late-commit")
        self.assertEqual(violations, [])
        self.assertGreater(rounds.summary()["interrupted"], 0)

    def test_accepted_before_the_commit(self):
        self.catches("late-commit,answer-before-commit", "lost")

    def test_sent_before_the_commit(self):
        self.catches("late-commit,send-before-commit", "twice")

    def test_shown_before_the_commit(self):
        self.catches("late-commit,show-before-commit", "changed")

    def test_begun_jobs_run_again(self):
        self.catches("run-again", "twice")

    def test_queued_jobs_are_forgotten(self):
        self.catches("forget-queued", "lost")

    def test_the_order_is_forgotten(self):
        self.catches("forget-order", "order")

    def test_an_unknown_end_is_called_by_another_name(self):
        self.catches("interrupted-as-cancelled", "wrong")


if __name__ == "__main__":
    unittest.main()
