#!/usr/bin/env python3
"""The command line, as a person at the server and as somebody with a token uses it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

from harness import DROVER, PATIENCE, PATIENCE_FACTOR, Client, cli, environment, instance, started, temp_folder, until

TASK = re.compile(r"\b[0-9a-f]{32}\b")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 12)
        cls.drover = cls.server.cli


class Run(Case):
    def test_all(self):
        result = self.drover("run", "--all", "--", "getprop", "ro.product.model")
        self.assertRegex(result.stdout, r"(?m)^12 x succeeded$")
        self.assertEqual(result.stdout.count("Drover Sim"), 1, "equal answers are one group")
        self.assertRegex(result.stderr, TASK)

    def test_some(self):
        result = self.drover("run", "--instances", "sim-00001,sim-00003", "--", "echo", "some")
        self.assertRegex(result.stdout, r"(?m)^2 x succeeded: sim-00001 sim-00003$")
        begun = [phone for _, phone, command in self.sim.begun() if command == "echo some"]
        self.assertEqual(sorted(begun), [1, 3])

    def test_answers_are_grouped(self):
        # Two phones answer otherwise, one of them is not there.
        self.drover("run", "--instances", "sim-00004", "--", "setprop persist.e2e odd")
        result = self.drover("run", "--instances", "sim-00004,sim-00005,sim-00006,missing", "--",
                             "getprop persist.e2e", expect=1)
        lines = result.stdout.splitlines()
        self.assertTrue(any(re.match(r"2 x succeeded: sim-00005 sim-00006$", line) for line in lines), result.stdout)
        self.assertTrue(any(re.match(r"1 x succeeded: sim-00004$", line) for line in lines), result.stdout)
        self.assertTrue(any("missing" in line and "CPS0005" in line for line in lines), result.stdout)

    def test_exit_codes(self):
        self.drover("run", "--all", "--", "true", expect=0)
        failed = self.drover("run", "--all", "--", "exit 3", expect=1)
        self.assertIn("12 x failed, exit 3", failed.stdout)
        self.drover("run", "--all", expect=2)
        self.drover("run", "--", "true", expect=2)
        self.drover("run", "--all", "--instances", "sim-00000", "--", "true", expect=2)
        self.drover("run", "--all", "--run-timeout", "soon", "--", "true", expect=2)
        self.drover("run", "--all", "--no-such-flag", "--", "true", expect=2)
        nobody = cli("run", "--all", "--", "true", expect=2,
                     environment=environment(DROVER_DATA_DIR=os.path.join(self.server.folder, "nothing")))
        self.assertTrue(nobody.stderr.startswith("drover: "), nobody.stderr)
        refused = cli("run", "--all", "--", "true", expect=2,
                      environment=environment(DROVER_SERVER="http://127.0.0.1:1", DROVER_TOKEN="x"))
        self.assertIn("127.0.0.1:1", refused.stderr)

    def test_run_timeout(self):
        begin = time.monotonic()
        result = self.drover("run", "--instances", "sim-00007", "--run-timeout", "1s", "--", "sleep 50", expect=1)
        self.assertIn("DROVER.JOB.TIMEOUT", result.stdout)
        self.assertLess(time.monotonic() - begin, 10 * PATIENCE_FACTOR)

    def test_json(self):
        result = json.loads(self.drover("run", "--all", "--json", "--", "echo hi; exit 3", expect=1).stdout)
        self.assertEqual((result["state"], result["command"]), ("finished", "echo hi; exit 3"))
        group, = result["groups"]
        self.assertEqual((group["count"], group["state"], group["error_code"], group["exit_code"], group["shown"]),
                         (12, "failed", "DROVER.JOB.EXIT", 3, "hi\n"))
        self.assertEqual([job["instance_id"] for job in group["jobs"]], [instance(phone) for phone in range(12)])

    def test_with_a_token(self):
        def with_token(*arguments, token, **options):
            return cli(*arguments, environment=environment(DROVER_SERVER=self.server.url, DROVER_TOKEN=token),
                       **options)
        result = with_token("run", "--all", "--", "echo far", token=self.server.token())
        self.assertIn("12 x succeeded", result.stdout)
        refused = with_token("run", "--all", "--", "echo far", token=self.server.token(role="readonly"), expect=1)
        self.assertIn("asyncInvokeInstance", refused.stderr)
        wrong = with_token("run", "--all", "--", "echo far", token="wrong-secret", expect=1)
        self.assertIn("token", wrong.stderr)
        self.assertNotIn("wrong-secret", wrong.stdout + wrong.stderr)

    def test_ctrl_c_leaves(self):
        process = subprocess.Popen([DROVER, "run", "--instances", "sim-00008", "--", "echo left; sleep 3"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment(DROVER_DATA_DIR=self.server.data))
        self.addCleanup(process.kill)
        until(lambda: any(command == "echo left; sleep 3" for _, _, command in self.sim.begun()), "it runs")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130, output + errors)
        # It says which task it left, and that one goes on.
        task = TASK.search(output + errors).group()
        waited = self.drover("tasks", "wait", task)
        self.assertIn("left", waited.stdout)


    def test_ctrl_c_while_the_server_does_not_answer(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            process = subprocess.Popen([DROVER, "run", "--all", "--", "true"], stderr=subprocess.PIPE, text=True,
                                       env=environment(DROVER_TOKEN="x", DROVER_SERVER="http://127.0.0.1:%d" %
                                                       silent.getsockname()[1]))
            self.addCleanup(process.kill)
            connection, _ = silent.accept()
            with connection:
                connection.recv(4096)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.stderr.readline(), "\n")
                self.assertIn("Ctrl-C again", process.stderr.readline())
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE), 130)
            process.stderr.close()


class Tasks(Case):
    def test_list_show_wait_cancel(self):
        done = TASK.search(self.drover("run", "--detach", "--instances", "sim-00000", "--", "echo shown").stdout)
        self.assertTrue(done, "--detach prints the task's id")
        done = done.group()
        self.assertIn("1 x succeeded: sim-00000", self.drover("tasks", "wait", done).stdout)
        shown = self.drover("tasks", "show", done)
        self.assertIn("1 x succeeded: sim-00000", shown.stdout)
        self.assertIn("    shown", shown.stdout)
        self.assertEqual(json.loads(self.drover("tasks", "show", done, "--json").stdout)["counts"]["succeeded"], 1)

        running = TASK.search(self.drover("run", "--detach", "--all", "--", "sleep 50").stdout).group()
        listed = self.drover("tasks", "list").stdout.splitlines()
        self.assertRegex(listed[1], r"^%s +running +12 " % running)
        self.assertRegex(listed[2], r"^%s +finished +1 +1 +0 .*echo shown" % done)
        newest = json.loads(self.drover("tasks", "list", "--json", "--limit", "1").stdout)["tasks"]
        self.assertEqual([task["task_id"] for task in newest], [running])
        before = json.loads(self.drover("tasks", "list", "--json", "--limit", "1", "--before", running).stdout)["tasks"]
        self.assertEqual([task["task_id"] for task in before], [done])

        self.drover("tasks", "cancel", running)
        cancelled = self.drover("tasks", "wait", running, expect=1)
        self.assertIn("12 x cancelled", cancelled.stdout)
        until(lambda: self.sim.stats()["running"] == 0, "nothing of it is left on the phones")

    def test_what_is_not_there(self):
        for action in ("show", "wait", "cancel"):
            missing = self.drover("tasks", action, "0" * 32, expect=1)
            self.assertIn("no such task", missing.stderr)


class Instances(Case):
    def names(self, *arguments):
        listed = json.loads(self.drover("instances", "list", "--json", *arguments).stdout)
        return [one["instance_id"] for one in listed["instances"]]

    def test_add_list_remove(self):
        self.drover("instances", "add", "extra", self.sim.address(0))
        until(lambda: "extra" in self.names("--state", "online"), "it is online")
        self.assertIn("1 x succeeded: extra", self.drover("run", "--instances", "extra", "--", "true").stdout)
        self.drover("instances", "add", "extra", "adb://127.9.9.9:9")  # a new address
        until(lambda: "extra" in self.names("--state", "offline"), "it is offline at its new address")
        self.assertRegex(self.drover("instances", "list", "--state", "offline").stdout,
                         r"(?m)^extra +adb://127\.9\.9\.9:9 +offline ")
        self.drover("instances", "remove", "extra")
        self.assertNotIn("extra", self.names())
        self.drover("instances", "remove", "extra", expect=1)
        self.assertIn("CPS0005", self.drover("run", "--instances", "extra", "--", "true", expect=1).stdout)

    def test_import(self):
        self.drover("projects", "create", "imports")
        folder = temp_folder(self)
        phones = [{"instance_id": "j%d" % phone, "address": self.sim.address(phone)} for phone in range(3)]
        for name, text in (("phones.json", json.dumps(phones)), ("wrapped.json", json.dumps({"instances": phones})),
                           ("phones.csv", "instance_id,address\n" +
                            "".join("%s,%s\n" % (one["instance_id"], one["address"]) for one in phones))):
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(text)
            stored = self.drover("instances", "import", "--project", "imports", "--json", path)
            self.assertEqual(json.loads(stored.stdout), {"stored": 3}, name)
        piped = self.drover("instances", "import", "--project", "imports", "-",
                            stdin="instance_id,address\npiped,%s\n" % self.sim.address(3))
        self.assertIn("1 instance", piped.stdout)
        self.assertEqual(self.names("--project", "imports"), ["j0", "j1", "j2", "piped"])
        for text in ("instance_id,address\nok,adb://127.0.0.1:9\nbad one,adb://127.0.0.1:9\n",
                     "instance_id,address\nok,adb://127.0.0.1:9\nbad,http://127.0.0.1\n",
                     "instance_id,address\nonly-one-field\n"):
            refused = self.drover("instances", "import", "--project", "imports", "-", stdin=text, expect=None)
            self.assertIn(refused.returncode, (1, 2))
            self.assertTrue(refused.stderr.startswith("drover: "), refused.stderr)
        self.assertNotIn("ok", self.names("--project", "imports"), "all or none")

    def test_bad_ones_are_refused(self):
        for name, address in (("a b", "adb://127.0.0.1:5"), ("n" * 33, "adb://127.0.0.1:5"), ("x", "127.0.0.1"),
                              ("x", "adb://127.0.0.1:0"), ("x", "adb://127.0.0.1:65536"), ("x", "adb://:5"),
                              ("x", "tcp://127.0.0.1:5")):
            with self.subTest(name=name, address=address):
                refused = self.drover("instances", "add", name, address, expect=None)
                self.assertIn(refused.returncode, (1, 2))
                self.assertTrue(refused.stderr.strip())
        self.assertNotIn("x", self.names())


class ProjectsAndTokens(Case):
    def test_projects(self):
        self.drover("projects", "create", "shop")
        self.drover("projects", "create", "strict", "--koophone-commands-only")
        listed = json.loads(self.drover("projects", "list", "--json").stdout)["projects"]
        self.assertEqual({one["name"]: one["koophone_commands_only"] for one in listed},
                         {"default": False, "shop": False, "strict": True})
        self.assertIn("shop", self.drover("projects", "create", "shop", expect=1).stderr)
        self.drover("projects", "create", "no spaces", expect=1)
        strict = Client(self.server, self.server.token(project="strict"))
        self.addCleanup(strict.close)
        refused = strict.post("/v1/instances/async-command", {"command": "ls | wc", "instance_ids": ["a"]})
        self.assertEqual(refused.status, 400)
        self.assertIn("command", refused.json["error_msg"])
        strict.wait_task(strict.run("ls -l /system", ["a"]))

    def test_tokens(self):
        made = json.loads(self.drover("tokens", "create", "--role", "admin", "--expires", "2h", "--json").stdout)
        with Client(self.server, made["token"]) as client:
            self.assertEqual(client.get("/api/v1/tasks").status, 200)
            for text in (self.drover("tokens", "list").stdout, self.drover("tokens", "list", "--json").stdout):
                self.assertIn(made["token_id"], text)
                self.assertNotIn(made["token"], text)
            self.drover("tokens", "revoke", made["token_id"])
            self.assertEqual(client.get("/api/v1/tasks").status, 401)
        # Alone on standard output, so that TOKEN=$(drover tokens create ...) works.
        secret = self.drover("tokens", "create").stdout
        self.assertRegex(secret, r"\A\S+\n\Z")
        with Client(self.server, secret.strip()) as client:
            self.assertEqual(client.get("/api/v1/tasks").status, 200)
            self.assertEqual(client.post("/api/v1/tasks", {"command": "true", "all": True}).status, 403)
        for secret_text in (made["token"], secret.strip()):
            self.assertNotIn(secret_text, self.server.log())
        self.drover("tokens", "create", "--project", "nowhere", expect=1)
        self.drover("tokens", "revoke", "tok_0000000000000000", expect=1)
        refused = self.drover("tokens", "revoke", "drv_" + "x" * 43, expect=2)
        self.assertIn("its id begins with tok_", refused.stderr)
        self.drover("tokens", "create", "--role", "king", expect=1)


class Settings(unittest.TestCase):
    def setUp(self):
        self.folder = temp_folder(self)
        self.path = os.path.join(self.folder, "drover.toml")

    def print_config(self, *arguments, expect=0, **variables):
        return cli("serve", "--print-config", "--config", self.path, *arguments, expect=expect,
                   environment=environment(**variables))

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)

    def value(self, text, key):
        """What stands in the line of `key`: its value and where it comes from."""
        section, _, name = key.rpartition(".")
        inside = ""
        for line in text.splitlines():
            if line.startswith("["):
                inside = line.strip("[]")
            found, equals, rest = line.partition("=")
            if equals and found.strip() in (key, name if inside == section else key):
                return rest
        self.fail("no %s in:\n%s" % (key, text))

    def test_later_ones_win(self):
        self.write('[http]\nport = 1001\nthreads = 2\n[log]\nlevel = "warn"\n')
        shown = self.value(self.print_config().stdout, "http.port")
        self.assertIn("1001", shown)
        self.assertIn("drover.toml:2", shown)
        shown = self.value(self.print_config(DROVER_HTTP_PORT="1002").stdout, "http.port")
        self.assertIn("1002", shown)
        self.assertIn("DROVER_HTTP_PORT", shown)
        shown = self.value(self.print_config("--http-port", "1003", DROVER_HTTP_PORT="1002").stdout, "http.port")
        self.assertIn("1003", shown)
        self.assertIn("--http-port", shown)
        self.assertIn("2", self.value(self.print_config().stdout, "http.threads"))

    def test_mistakes_are_named_with_their_line(self):
        for text, line, words in (("[http]\n# a comment\nprot = 1\n", 3, ["http.prot", "http.port"]),
                                  ("[http]\nport = 70000\n", 2, ["http.port"]),
                                  ('[http]\nport = "x"\n', 2, ["http.port"]),
                                  ('\n\n[log]\nlevel = "loud"\n', 4, ["log.level"]),
                                  ("drain_timeout_s = -1\n", 1, ["drain_timeout_s"]),
                                  ("[nothing]\nat = 1\n", 1, ["nothing"]),
                                  ("[http\n", 1, [])):
            with self.subTest(text=text):
                self.write(text)
                for arguments in (["--print-config"], ["--data-dir", os.path.join(self.folder, "data")]):
                    refused = cli("serve", "--config", self.path, *arguments, expect=None, environment=environment())
                    self.assertNotEqual(refused.returncode, 0)
                    self.assertRegex(refused.stderr, r"\Adrover: %s:(%d|%d):" % (re.escape(self.path), line, line + 1))
                    for word in words:
                        self.assertIn(word, refused.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "data")), "made before the settings were right")

    def test_mistakes_in_the_environment_and_in_flags(self):
        self.write("")
        self.assertIn("DROVER_HTTP_PORT", self.print_config(DROVER_HTTP_PORT="x", expect=None).stderr)
        wrong = self.print_config("--http-port", "x", expect=None)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("--http-port", wrong.stderr)
        os.remove(self.path)
        missing = self.print_config(expect=None)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn(self.path, missing.stderr)


class Help(unittest.TestCase):
    def test_every_command_shows_an_example(self):
        seen = []

        def look(*words):
            text = cli(*words, "--help").stdout
            name = " ".join(["drover", *words])
            self.assertRegex(text, r"(?m)^Example:\n  .*drover", "no example in %s --help" % name)
            example = text[text.index("Example:"):]
            if words:
                self.assertIn(" ".join(words), example, name)
            seen.append(name)
            listed = re.search(r"(?ms)^Subcommands:\n(.*?)\n\n", text)
            for line in listed.group(1).splitlines() if listed else []:
                if re.match(r"  \S", line):
                    look(*words, line.split()[0])

        look()
        self.assertGreaterEqual(len(seen), 20, seen)
        for command in ("run", "serve", "tasks cancel", "instances import", "tokens revoke", "sim fault"):
            self.assertIn("drover " + command, seen)

    def test_wrong_usage(self):
        for words in (["nonsense"], [], ["instances"], ["instances", "add", "one"], ["tasks", "show"], ["--nonsense"]):
            with self.subTest(words=words):
                result = cli(*words, expect=None)
                self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
                self.assertTrue(result.stderr.strip())
        for words, unknown in ((["nonsense", "x"], "nonsense"), (["tokens", "lsit"], "lsit")):
            self.assertIn('no command "%s"' % unknown, cli(*words, expect=2).stderr)
        self.assertRegex(cli("--version").stdout, r"\d+\.\d+\.\d+")


if __name__ == "__main__":
    unittest.main()
