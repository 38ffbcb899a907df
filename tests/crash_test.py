#!/usr/bin/env python3
"""The server is killed in the midst of everything, round after round: what it accepted is there afterwards, ends, and
is begun at most once (crash.py). `scripts/soak crash` does the same for longer. DROVER_SEED gives a failure's seed."""

import os
import shutil
import unittest

from crash import Rounds
from harness import PATIENCE_FACTOR, temp_folder

# A slow build (patience says so) does less: what a sanitizer finds shows in any round.
ROUNDS = 50 if PATIENCE_FACTOR <= 1 else 12


class Crash(unittest.TestCase):
    def test_no_kill_breaks_a_promise(self):
        seed = os.environ.get("DROVER_SEED") or int.from_bytes(os.urandom(4), "big")
        print("seed %s" % seed, flush=True)
        rounds = Rounds(temp_folder(self), seed)
        self.addCleanup(rounds.close)
        violations = rounds.run(ROUNDS)
        summary = rounds.summary()
        print(" ".join("%s=%s" % item for item in summary.items()))
        if violations:
            kept = rounds.folder.rstrip("/") + "-kept"
            shutil.copytree(rounds.folder, kept, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
            self.fail("seed %s, everything is kept in %s:\n%s" %
                      (seed, kept, "\n".join("%s: %s" % violation for violation in violations[:10])))
        # Had nothing been running and nothing waiting at the kills, this would have shown nothing.
        self.assertGreater(summary["interrupted"], ROUNDS)
        self.assertGreater(summary["tasks"], ROUNDS)


if __name__ == "__main__":
    unittest.main()
