#!/usr/bin/env python3
"""Simulated phones against Android's own `adb`.

Needs adb (Debian: `adb`) and the environment variable DROVER_BIN, the drover binary. Every run has an adb server,
ports and a home of its own, so that it disturbs nobody and may run beside others.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import DROVER, PATIENCE, free_port

ADB = os.environ.get("ADB_BIN", "adb")


class Simulator:
    """`drover sim` with these arguments, until closed."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([DROVER, "sim", "--json", *arguments], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("drover sim ended with %d" % self.process.wait())
        self.ready = json.loads(line)

    def address(self, phone):
        first, port = self.ready["first"].rsplit(":", 1)
        number = int.from_bytes(socket.inet_aton(first), "big") + phone
        return "%s:%s" % (socket.inet_ntoa(number.to_bytes(4, "big")), port)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()


class AdbServer:
    """An adb server of our own, with a fresh key."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="drover-adb-")
        # Somebody else may take the port meanwhile.
        for _ in range(5):
            self.port = free_port()
            self.environment = {
                "PATH": os.environ["PATH"],
                "HOME": self.home,
                "TMPDIR": self.home,
                "ANDROID_ADB_SERVER_PORT": str(self.port),
                "ADB_MDNS": "0",
            }
            started = self.adb("start-server")
            if started.returncode == 0:
                return
        raise RuntimeError("adb start-server: %s" % started.stderr.decode())

    def adb(self, *arguments, **options):
        return subprocess.run([ADB, "-P", str(self.port), *arguments], env=self.environment, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def connect(self, address):
        return self.adb("connect", address).stdout.decode().strip()

    def state(self, address):
        for line in self.adb("devices").stdout.decode().splitlines():
            if line.startswith(address + "\t"):
                return line.split("\t")[1]
        return None

    def public_key(self):
        return os.path.join(self.home, ".android", "adbkey.pub")

    def close(self):
        self.adb("kill-server")
        shutil.rmtree(self.home, ignore_errors=True)


def wait_until(condition):
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)


class AdbAgainstSimulator(unittest.TestCase):
    LEGACY = 5

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="drover-sim-")
        cls.control = os.path.join(cls.folder, "control")
        cls.journal = os.path.join(cls.folder, "journal")
        cls.sim = Simulator("--phones", "8", "--fault", "%d=legacy" % cls.LEGACY, "--control", cls.control,
                            "--journal", cls.journal)
        cls.server = AdbServer()
        for phone in range(6):
            answer = cls.server.connect(cls.sim.address(phone))
            assert answer == "connected to " + cls.sim.address(phone), answer

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.sim.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def on(self, phone, *arguments, **options):
        return self.server.adb("-s", self.sim.address(phone), *arguments, **options)

    def tell(self, *words):
        return subprocess.run([DROVER, "sim", words[0], "--control", self.control, *words[1:]], check=True,
                              stdout=subprocess.PIPE, timeout=PATIENCE).stdout.decode()

    def test_devices(self):
        lines = self.server.adb("devices", "-l").stdout.decode()
        line = next(line for line in lines.splitlines() if line.startswith(self.sim.address(0)))
        self.assertRegex(line, r"\bdevice\b.* product:drover_sim model:Drover_Sim device:sim ")

    def test_exit_code_and_output(self):
        for code in (0, 1, 77, 255):
            result = self.on(0, "shell", "echo out; exit %d" % code)
            self.assertEqual((result.returncode, result.stdout), (code, b"out\n"))

    def test_errors_apart(self):
        result = self.on(0, "shell", "echo out; no-such-command")
        self.assertEqual(result.stdout, b"out\n")
        self.assertEqual(result.stderr, b"/system/bin/sh: no-such-command: inaccessible or not found\n")
        self.assertEqual(result.returncode, 127)

    def test_features(self):
        self.assertIn(b"shell_v2", self.on(0, "features").stdout.split())
        self.assertNotIn(b"shell_v2", self.on(self.LEGACY, "features").stdout.split())

    def test_standard_input(self):
        self.assertEqual(self.on(0, "shell", "cat", input=b"to and fro\n").stdout, b"to and fro\n")

    def test_large_output(self):
        size = 20_000_000
        pattern = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+\n"
        expected = (pattern * (size // len(pattern) + 1))[:size]
        output = self.on(1, "shell", "gen %d" % size).stdout
        self.assertEqual(hashlib.sha256(output).digest(), hashlib.sha256(expected).digest())
        self.assertEqual(self.on(1, "exec-out", "gen 1000").stdout, expected[:1000])

    def test_each_phone_is_itself(self):
        running = [
            subprocess.Popen([ADB, "-P", str(self.server.port), "-s", self.sim.address(phone), "shell",
                              "sleep 0.05; getprop ro.serialno"], env=self.server.environment, stdout=subprocess.PIPE)
            for phone in range(5)
        ]
        serials = [process.communicate(timeout=PATIENCE)[0] for process in running]
        self.assertEqual(serials, [b"SIM%08d\n" % phone for phone in range(5)])

    def test_legacy(self):
        result = self.on(self.LEGACY, "shell", "echo a; no-such-command; exit 3")
        self.assertEqual(result.returncode, 0)  # adb knows no better
        self.assertEqual(result.stdout, b"a\r\n/system/bin/sh: no-such-command: inaccessible or not found\r\n")
        self.assertEqual(self.on(self.LEGACY, "shell", "getprop ro.build.version.sdk").stdout, b"23\r\n")
        self.assertEqual(len(self.on(self.LEGACY, "exec-out", "gen 100000").stdout), 100_000)

    def test_kill(self):
        process = subprocess.Popen([ADB, "-P", str(self.server.port), "-s", self.sim.address(2), "shell",
                                    "echo $$; sleep 100"], env=self.server.environment, stdout=subprocess.PIPE)
        pid = int(process.stdout.readline())
        self.assertEqual(self.on(2, "shell", "kill -TERM -%d" % pid).returncode, 0)
        self.assertEqual(process.wait(PATIENCE), 128 + signal.SIGTERM)
        process.stdout.close()

    def test_journal_has_the_command(self):
        self.on(3, "shell", "echo for the journal")
        with open(self.journal, encoding="utf-8") as lines:
            found = [line for line in lines if "for the journal" in line]
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0], r"^\d{13} 3 \d+ echo for the journal\n$")

    def test_reboot(self):
        address = self.sim.address(4)
        before = self.on(4, "shell", "cat /proc/sys/kernel/random/boot_id").stdout
        self.assertRegex(before, rb"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$")
        self.on(4, "reboot")
        wait_until(lambda: self.server.state(address) != "device")
        wait_until(lambda: self.server.state(address) == "device" or
                   "already" not in self.server.connect(address) and self.server.state(address) == "device")
        after = self.on(4, "shell", "cat /proc/sys/kernel/random/boot_id").stdout
        self.assertNotEqual(before, after)
        self.assertEqual(len(before), len(after))

    def test_faults_at_run_time(self):
        address = self.sim.address(6)
        self.assertIn("connected to", self.server.connect(address))
        self.tell("fault", "6", "drop")
        self.assertNotEqual(self.on(6, "shell", "echo a").stdout, b"a\n")
        self.tell("clear", "6")
        wait_until(lambda: self.server.connect(address) and self.server.state(address) == "device")
        self.assertEqual(self.on(6, "shell", "echo a").stdout, b"a\n")
        self.assertTrue(re.search(r"\bphones=8\b", self.tell("stats")))


class Keys(unittest.TestCase):
    def test_only_accepted_keys_are_let_in(self):
        friend = AdbServer()
        self.addCleanup(friend.close)
        stranger = AdbServer()
        self.addCleanup(stranger.close)
        sim = Simulator("--phones", "1", "--auth", friend.public_key())
        self.addCleanup(sim.close)
        self.assertEqual(friend.connect(sim.address(0)), "connected to " + sim.address(0))
        self.assertEqual(friend.adb("-s", sim.address(0), "shell", "echo in").stdout, b"in\n")
        self.assertIn("failed to authenticate", stranger.connect(sim.address(0)))
        self.assertEqual(stranger.state(sim.address(0)), "unauthorized")


class HostShell(unittest.TestCase):
    def test_commands_run_in_a_real_shell(self):
        folder = tempfile.mkdtemp(prefix="drover-sim-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        sim = Simulator("--phones", "2", "--shell", "host", "--state-dir", folder)
        self.addCleanup(sim.close)
        server = AdbServer()
        self.addCleanup(server.close)
        server.connect(sim.address(1))
        result = server.adb("-s", sim.address(1), "shell", "seq 3 | wc -l; pwd; echo oops >&2; exit 4")
        self.assertEqual(result.stdout.decode(), "3\n%s/phone-1\n" % folder)
        self.assertEqual((result.stderr, result.returncode), (b"oops\n", 4))


if __name__ == "__main__":
    unittest.main()
