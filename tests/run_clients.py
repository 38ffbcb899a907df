#!/usr/bin/env python3
"""Runs the tests of clients that are not ours: run_clients.py SOURCE FOLDER

Copies SOURCE to FOLDER, installs the locked packages there once, and runs node's tests. Ends with 77, which ctest calls
skipped, only when npm or node is missing.
"""

import filecmp
import os
import shutil
import subprocess
import sys

SKIPPED = 77


def main():
    source, folder = sys.argv[1:]
    for program in ("npm", "node"):
        if not shutil.which(program):
            print("skipped: %s is not installed" % program)
            return SKIPPED
    lock = os.path.join(source, "package-lock.json")
    done = os.path.join(folder, "installed-package-lock.json")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    if not (os.path.exists(done) and filecmp.cmp(lock, done, shallow=False)):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
        shutil.copy(lock, done)
    tests = sorted(name for name in os.listdir(source) if name.endswith("_test.mjs"))
    return subprocess.run(["node", "--test", *tests], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
