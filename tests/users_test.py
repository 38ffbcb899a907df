#!/usr/bin/env python3
"""A node's users: passwords, roles, policies, access keys, sessions and the audit log, as those who run it and those
who use it see them."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from harness import (DROVER, PATIENCE, Client, LocalClient, cli, environment, instance, read_line, started, temp_folder,
                     until)
from signing import Signer

COMMAND = "koophone:cloudphoneResource:asyncInvokeInstance"
BLUE = {"Version": "1.1", "Statement": [
    {"Effect": "Allow", "Action": ["koophone:cloudphoneResource:*"], "Resource": ["label:team=blue"]},
    {"Effect": "Deny", "Action": ["*"], "Resource": ["instance:sim-00001"]}]}


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, *arguments, **settings):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(DROVER, [DROVER, *arguments], environment(**settings))
        self.shown = ""
        self.code = None

    def read_until(self, text):
        deadline = time.monotonic() + PATIENCE
        while text is None or text not in self.shown:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError("no %r in %r" % (text, self.shown))
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # how Linux says that nobody is at the other end
                data = b""
            if not data:
                break
            self.shown += data.decode()

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def answer(self, question, text):
        """Waits for the question and types; the next question is another one."""
        self.read_until(question)
        assert not self.echoes(), "it would show what is typed"
        self.shown = ""
        os.write(self.fd, text.encode())

    def end(self):
        """The exit code, negative for a signal."""
        if self.code is None:
            self.read_until(None)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.end()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 4)
        cls.drover = cls.server.cli

    def json(self, *arguments, **options):
        return json.loads(self.drover(*arguments, "--json", **options).stdout)

    def file(self, text):
        path = os.path.join(temp_folder(self), "file")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def user(self, name, password="correct horse battery", **grant):
        arguments = ["--password-file", "-"] if password else ["--no-password"]
        for option, value in grant.items():
            arguments += ["--" + option.replace("_", "-")] + ([value] if value is not True else [])
        return self.drover("users", "create", name, *arguments, stdin=(password or "") + "\n")

    def log_in(self, name, *arguments, password="correct horse battery", expect=0):
        return cli("login", "--server", self.server.url, "--user", name, "--password-file", "-", *arguments,
                   environment=environment(), stdin=password + "\n", expect=expect)

    def remote(self, token):
        """`drover ...` as somebody elsewhere who has that token."""
        def run(*arguments, **options):
            return cli(*arguments, environment=environment(DROVER_SERVER=self.server.url, DROVER_TOKEN=token), **options)
        return run


class Users(Case):
    def test_from_beginning_to_end(self):
        self.drover("projects", "create", "shop", "--id", "0a" * 16)
        projects = {one["name"]: one for one in self.json("projects", "list")["projects"]}
        self.assertEqual(projects["shop"]["project_id"], "0a" * 16)
        self.assertIn("0a" * 16, self.drover("projects", "list").stdout)
        self.user("alice", role="admin", project="shop")
        shown = self.json("users", "show", "alice")
        self.assertEqual((shown["enabled"], shown["has_password"], shown["grants"]),
                         (True, True, [{"project": "shop", "role": "KooPhone Administrator"}]))
        self.drover("users", "grant", "alice", "--role", "readonly", "--all-projects")
        self.assertRegex(self.drover("users", "list").stdout, r"(?m)^alice +enabled +set +\S+ +KooPhone .*all projects")
        text = self.drover("users", "show", "alice").stdout
        self.assertIn("KooPhone Administrator in shop", text)
        self.assertIn("KooPhone ReadOnlyUser in all projects", text)
        self.drover("users", "revoke", "alice", "--role", "readonly", "--all-projects")
        self.assertEqual(len(self.json("users", "show", "alice")["grants"]), 1)
        self.drover("users", "disable", "alice")
        self.log_in("alice", expect=1)
        self.assertIn("disabled", self.drover("users", "list").stdout)
        self.drover("users", "enable", "alice")
        self.log_in("alice")
        self.drover("users", "remove", "alice")
        self.log_in("alice", expect=1)
        self.assertIn("no such user", self.drover("users", "show", "alice", expect=1).stderr)

    def test_made_passwords_are_alone_on_standard_output(self):
        made = self.drover("users", "create", "made", "--generate-password", "--role", "admin", "--project", "default")
        self.assertRegex(made.stdout, r"\A\S{16,}\n\Z")
        self.log_in("made", password=made.stdout.strip())
        again = self.drover("users", "password", "made", "--generate-password")
        self.log_in("made", password=made.stdout.strip(), expect=1)
        self.log_in("made", password=again.stdout.strip())
        for line in (made.stdout, again.stdout):
            self.assertNotIn(line.strip(), self.server.log())

    def test_what_is_not_there_is_named_with_the_way_out(self):
        self.user("bob", password=None)
        for arguments, hint in (
                (["users", "grant", "nobody", "--role", "admin", "--project", "default"], "drover users create nobody"),
                (["users", "grant", "bob", "--role", "admin", "--project", "green"], "drover projects create green"),
                (["users", "grant", "bob", "--role", "king", "--project", "default"], "drover policy put king FILE"),
                (["users", "password", "nobody", "--generate-password"], "drover users create nobody"),
                (["tokens", "create", "--project", "green"], "drover projects create green"),
                (["tokens", "create", "--role", "king"], "drover policy put king FILE"),
                (["run", "--project", "green", "--all", "--", "true"], "drover projects create green"),
                (["keys", "create", "--user", "nobody"], "drover users create nobody"),
                (["policy", "show", "king"], "drover policy put king FILE")):
            with self.subTest(arguments=arguments):
                self.assertIn(hint, self.drover(*arguments, expect=1).stderr)
        for arguments in (["users", "grant", "bob", "--role", "admin"], ["users", "create", "x", "--role", "admin"],
                          ["users", "grant", "bob", "--project", "default"], ["policy", "test", "--action", COMMAND],
                          ["users", "create", "x", "--generate-password", "--no-password"],
                          ["users", "grant", "bob", "--role", "admin", "--project", "a", "--all-projects"],
                          ["keys", "create", "--user", "bob", "--access-key", "AKONLY"],
                          ["users", "create", "x", "--password-file", "/nonexistent"]):
            with self.subTest(arguments=arguments):
                self.assertTrue(self.drover(*arguments, expect=2).stderr.strip())
        self.assertIn("already", self.drover("users", "create", "bob", "--no-password", expect=1).stderr)

    def test_only_administrators_of_the_node(self):
        self.user("chief", role="admin", all_projects=True)
        self.user("worker", role="admin", project="default")
        for name, code in (("chief", 0), ("worker", 1)):
            remote = self.remote(self.log_in(name, "--project", "default").stdout.strip())
            for arguments in (["users", "list"], ["projects", "list"], ["keys", "list"], ["policy", "list"],
                              ["tokens", "list"]):
                with self.subTest(name=name, arguments=arguments):
                    remote(*arguments, expect=code)
            remote("instances", "list")


class AtTheTerminal(Case):
    def test_a_new_password_is_asked_for_twice_and_never_shown(self):
        command = Terminal("users", "create", "carol", "--role", "admin", "--project", "default",
                           DROVER_DATA_DIR=self.server.data)
        self.addCleanup(command.close)
        command.answer("carol: ", "typed by hand\n")
        command.answer("again: ", "typed by hand\n")
        self.assertEqual(command.end(), 0, command.shown)
        self.assertNotIn("typed", command.shown)
        login = Terminal("login", "--user", "carol", DROVER_DATA_DIR=self.server.data)
        self.addCleanup(login.close)
        login.answer("carol: ", "typed by hand\n")
        self.assertEqual(login.end(), 0, login.shown)
        self.assertRegex(login.shown, r"drs_\S{40,}")

    def test_two_that_differ(self):
        command = Terminal("users", "create", "dave", DROVER_DATA_DIR=self.server.data)
        self.addCleanup(command.close)
        command.answer("dave: ", "first one here\n")
        command.answer("again: ", "second one here\n")
        self.assertEqual(command.end(), 2)
        self.assertIn("differ", command.shown)
        self.drover("users", "show", "dave", expect=1)

    def test_ctrl_c_leaves_a_terminal_that_shows_what_is_typed(self):
        command = Terminal("users", "create", "erin", DROVER_DATA_DIR=self.server.data)
        self.addCleanup(command.close)
        command.answer("erin: ", "half a pass\x03")
        until(command.echoes, "the terminal shows again what is typed")
        self.assertEqual(command.end(), -signal.SIGINT)
        self.drover("users", "show", "erin", expect=1)

    def test_without_a_terminal_there_is_advice(self):
        result = subprocess.run([DROVER, "users", "create", "frank"], capture_output=True, text=True, timeout=PATIENCE,
                                stdin=subprocess.DEVNULL, start_new_session=True,
                                env=environment(DROVER_DATA_DIR=self.server.data))
        self.assertEqual(result.returncode, 2)
        self.assertIn("--password-file", result.stderr)


class Sessions(Case):
    def test_a_session_is_good_for_the_command_line(self):
        self.user("grace", role="admin", project="default")
        login = self.log_in("grace", "--project", "default")
        self.assertRegex(login.stdout, r"\Adrs_\S+\n\Z")
        self.assertIn("grace in project default until 2", login.stderr)
        remote = self.remote(login.stdout.strip())
        self.assertIn("4 x succeeded", remote("run", "--all", "--", "true").stdout)
        about = json.loads(self.log_in("grace", "--json").stdout)
        self.assertEqual((about["token"]["user"]["name"], about["token"]["project"]["name"]), ("grace", "default"))
        self.assertTrue(about["session"].startswith("drs_"))

        self.drover("users", "password", "grace", "--password-file", "-", stdin="another one altogether\n")
        self.assertIn("token", remote("run", "--all", "--", "true", expect=1).stderr)
        self.log_in("grace", expect=1)
        renewed = self.remote(self.log_in("grace", password="another one altogether").stdout.strip())
        renewed("run", "--all", "--", "true")

    def test_users_change_their_own_passwords(self):
        self.user("heidi", role="readonly", project="default")
        with Client(self.server, self.log_in("heidi").stdout.strip()) as client:
            me = client.get("/api/v1/me").json
            self.assertEqual((me["user"], me["project"], me["roles"]), ("heidi", "default", ["KooPhone ReadOnlyUser"]))
            wrong = client.request("PUT", "/api/v1/me/password", {"old_password": "wrong", "new_password": "n" * 12})
            self.assertEqual(wrong.status, 400)
            right = {"old_password": "correct horse battery", "new_password": "a new one of mine"}
            self.assertEqual(client.request("PUT", "/api/v1/me/password", right).status, 200)
            self.assertEqual(client.get("/api/v1/me").status, 401)
        self.log_in("heidi", password="a new one of mine")

    def test_refusals_say_nothing_of_why(self):
        self.user("ivan", role="admin", project="default")
        self.user("keysonly", password=None, role="admin", project="default")
        answers = {self.log_in(name, *more, password=password, expect=1).stderr for name, more, password in (
            ("ivan", [], "wrong"), ("nobody", [], "wrong"), ("keysonly", [], "wrong"),
            ("ivan", ["--project", "nowhere"], "correct horse battery"))}
        self.assertEqual(len(answers), 1, answers)
        self.assertNotIn("drover tokens create", answers.pop())


class Policies(Case):
    def test_labels_and_statements_decide(self):
        for phone, team in ((0, "blue"), (1, "blue"), (2, "red")):
            self.drover("instances", "add", instance(phone), self.sim.address(phone), "--label", "team=" + team,
                        "--label", "rack=7")
        listed = self.drover("instances", "list").stdout
        self.assertRegex(listed, r"(?m)^sim-00002 .*rack=7 team=red")
        self.drover("instances", "import", "-", stdin="%s,%s\n" % (instance(2), self.sim.address(2)))
        self.drover("instances", "import", "-", stdin="%s,%s,team=green;rack=9\n" % (instance(3), self.sim.address(3)))

        def listed_labels():
            return {one["instance_id"]: one["labels"] for one in self.json("instances", "list")["instances"]}

        labels = listed_labels()
        self.assertEqual(labels[instance(2)], {"team": "red", "rack": "7"}, "nothing was said of them")
        self.assertEqual(labels[instance(3)], {"team": "green", "rack": "9"})

        again = self.drover("instances", "import", "-", stdin=self.drover("instances", "list", "--json").stdout)
        self.assertIn("4 instances", again.stdout)
        self.assertEqual(listed_labels(), labels)

        stored = self.drover("policy", "put", "blue", self.file(BLUE))
        self.assertIn("blue", stored.stdout)
        self.assertEqual(json.loads(self.drover("policy", "show", "blue").stdout), BLUE)
        names = [one["name"] for one in self.json("policy", "list")["policies"]]
        self.assertIn("blue", names)
        self.assertIn("KooPhone Administrator", names)
        self.user("judy", role="blue", project="default")

        def test(*arguments, expect):
            return self.drover("policy", "test", "--action", COMMAND, *arguments, expect=expect).stdout

        judy = ["--user", "judy", "--project", "default", "--instance"]
        self.assertRegex(test(*judy, instance(0), expect=0), r'\Aallowed: .*statement 1 of policy "blue"')
        self.assertRegex(test(*judy, instance(1), expect=1), r'\Adenied: .*statement 2 of policy "blue"')
        self.assertRegex(test(*judy, instance(2), expect=1), r"\Adenied: ")
        test(*judy, instance(2), "--label", "team=blue", expect=0)
        test("--policy", "blue", "--instance", "any", "--label", "team=blue", expect=0)
        test("--policy", "readonly", "--instance", "any", expect=1)
        test("--file", self.file(BLUE), "--instance", "sim-00001", "--label", "team=blue", expect=1)
        decided = self.json("policy", "test", "--action", COMMAND, *judy, instance(1), expect=1)
        self.assertIs(decided["allowed"], False)
        # What could not be found out is no denial.
        unknown = self.drover("policy", "test", "--action", COMMAND, "--policy", "blue", expect=2)
        self.assertIn("depends on the instance", unknown.stderr)
        self.assertIs(self.json("policy", "test", "--action", COMMAND, "--policy", "blue", expect=2)["allowed"], None)
        self.drover("policy", "test", "--action", COMMAND, "--policy", "nowhere", expect=2)
        self.drover("policy", "test", "--action", "koophone:nonsense", "--policy", "blue", expect=2)

        remote = self.remote(self.log_in("judy").stdout.strip())
        self.assertIn("1 x succeeded: sim-00000", remote("run", "--instances", instance(0), "--", "true").stdout)
        for ids in (instance(1), instance(2), instance(0) + "," + instance(2)):
            self.assertIn("asyncInvokeInstance",
                          remote("run", "--instances", ids, "--", "true", expect=1).stderr)
        self.assertIn("1 x succeeded: sim-00000", remote("run", "--all", "--", "true").stdout)
        seen = json.loads(remote("instances", "list", "--json").stdout)["instances"]
        self.assertEqual([one["instance_id"] for one in seen], [instance(0)])

        self.assertTrue(self.drover("policy", "remove", "blue", expect=1).stderr)
        self.drover("users", "revoke", "judy", "--role", "blue", "--project", "default")
        remote("instances", "list", expect=1)
        self.drover("policy", "remove", "blue")

    def test_a_policy_that_is_wrong_is_told_where(self):
        wrong = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["koophone:nonsense:x"]}]}
        self.assertIn("koophone:nonsense:x", self.drover("policy", "put", "wrong", self.file(wrong), expect=1).stderr)
        self.assertIn("not JSON", self.drover("policy", "put", "wrong", self.file("{"), expect=2).stderr)


class Keys(Case):
    def test_from_beginning_to_end(self):
        self.user("ci", password=None, role="admin", project="default")
        made = self.drover("keys", "create", "--user", "ci")
        self.assertRegex(made.stdout, r"\A[A-Z0-9]+\n\S+\n\Z")
        access_key, secret_key = made.stdout.split()
        taken_over = self.drover("keys", "create", "--user", "ci", "--access-key", "AKOLD", "--secret-file", "-",
                                 stdin="the-old-secret\n")
        self.assertEqual(taken_over.stdout, "AKOLD\n")
        for text in (self.drover("keys", "list").stdout, self.drover("keys", "list", "--user", "ci", "--json").stdout):
            self.assertIn(access_key, text)
            self.assertIn("AKOLD", text)
            self.assertNotIn(secret_key, text)

        def status(*pair):
            with Signer(self.server, *pair) as signer:
                return signer.signed("GET", "/api/v1/me").status

        self.assertEqual([status(access_key, secret_key), status("AKOLD", "the-old-secret")], [200, 200])
        self.server.stop()
        self.server.start()
        self.assertEqual([status(access_key, secret_key), status("AKOLD", "the-old-secret")], [200, 200])
        self.drover("keys", "remove", access_key)
        self.assertEqual([status(access_key, secret_key), status("AKOLD", "the-old-secret")], [401, 200])
        self.drover("keys", "remove", access_key, expect=1)


class Audit(Case):
    def entries(self, *arguments):
        return [json.loads(line) for line in self.drover("audit", *arguments).stdout.splitlines()]

    def test_who_did_what(self):
        self.drover("projects", "create", "quiet")
        self.user("mallory", password="mallory's own secret", role="readonly", project="default")
        self.user("nina", password="nina's own secret", role="admin", project="default")
        last = self.entries()[-1]["seq"]
        self.log_in("mallory", password="a guess of mine", expect=1)
        mallory = self.log_in("mallory", password="mallory's own secret").stdout.strip()
        nina = self.log_in("nina", password="nina's own secret").stdout.strip()
        self.remote(mallory)("run", "--all", "--", "echo a-command-that-is-refused", expect=1)
        task = re.search(r"[0-9a-f]{32}", self.remote(nina)("run", "--instances", instance(0), "--detach", "--",
                                                            "echo a-command").stdout).group()
        self.remote(nina)("tasks", "wait", task)  # a query: of no interest

        entries = self.entries("--after", str(last))
        self.assertEqual([one["seq"] for one in entries], list(range(last + 1, last + 1 + len(entries))))
        told = [(one["actor"], one["action"].rpartition(":")[2], one["status"]) for one in entries]
        run = [one for one in entries if one["subject"] == task]
        self.assertEqual(len(run), 1, told)
        self.assertEqual((run[0]["actor"], run[0]["action"], run[0]["project"], run[0]["instances"], run[0]["status"]),
                         ("user:nina", COMMAND, "default", [instance(0)], 200))
        self.assertEqual(run[0]["address"], "127.0.0.1")
        self.assertTrue(run[0]["request_id"])
        self.assertIn(("user:mallory", "asyncInvokeInstance", 403), told)
        sessions = [(one["actor"], one["status"]) for one in entries if one["action"] == "drover:session:create"]
        self.assertEqual(sessions, [("user:mallory", 401), ("user:mallory", 201), ("user:nina", 201)], told)
        everything = self.drover("audit").stdout
        for secret in ("guess of mine", "own secret", "a-command", mallory, nina):
            self.assertNotIn(secret, everything)

        self.assertEqual(self.entries("--project", "quiet"), [])
        self.assertTrue(all(one["project"] == "default" for one in self.entries("--project", "default")))
        middle = entries[2]["at"]
        self.assertEqual(self.entries("--after", str(last), "--from", middle), [
            one for one in self.entries("--after", str(last)) if one["at"] >= middle])
        earlier = self.entries("--after", str(last), "--until", middle)
        self.assertTrue(earlier and all(one["at"] < middle for one in earlier))
        self.assertTrue(self.entries("--after", str(last), "--from", middle[:19] + "Z"))
        for time_text in ("yesterday", "2026-11-24", middle[:-1], middle[:-2] + "xZ"):
            self.drover("audit", "--from", time_text, expect=1)
        self.assertIn("drover projects create nowhere",
                      self.drover("audit", "--project", "nowhere", expect=1).stderr)

    def test_follow(self):
        last = (self.entries() or [{"seq": 0}])[-1]["seq"]
        process = subprocess.Popen([DROVER, "audit", "--follow", "--after", str(last)], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment(DROVER_DATA_DIR=self.server.data))
        self.addCleanup(process.kill)
        for name in ("first", "second"):
            self.drover("projects", "create", name)
            entry = json.loads(read_line(process.stdout, process))
            self.assertEqual((entry["actor"], entry["subject"]), ("local", name))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual((output, errors, process.returncode), ("", "", -signal.SIGINT))

    def test_more_than_a_page(self):
        with LocalClient(self.server) as local:
            for _ in range(1100):
                local.request("DELETE", "/api/v1/instances/nowhere")
        entries = self.entries()
        self.assertGreater(len(entries), 1100)
        self.assertEqual([one["seq"] for one in entries], sorted({one["seq"] for one in entries}))


if __name__ == "__main__":
    unittest.main()
