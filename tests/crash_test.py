#!/usr/bin/env python3
"""The server is killed in the midst of everything, round after round: what it accepted is there afterwards, ends, and
is begun at most once (crash.py). `scripts/soak crash` does the same for longer. DROVER_SEED gives a failure's seed."""

import unittest

from crash import Rounds, survive
from harness import PATIENCE_FACTOR, temp_folder

# A slow build (patience says so) does less: what a sanitizer finds shows in any round.
ROUNDS = 50 if PATIENCE_FACTOR <= 1 else 12


class Crash(unittest.TestCase):
    def test_no_kill_breaks_a_promise(self):
        summary = survive(self, lambda seed: Rounds(temp_folder(self), seed), ROUNDS)
        # Had nothing been running and nothing waiting at the kills, this would have shown nothing.
        self.assertGreater(summary["interrupted"], ROUNDS)
        self.assertGreater(summary["tasks"], ROUNDS)


if __name__ == "__main__":
    unittest.main()
