#!/usr/bin/env python3
"""The first administrator: made where there is no user, shown once, and never in a log."""

import json
import os
import socket
import subprocess
import unittest

from harness import DROVER, PATIENCE, Server, cli, environment, temp_folder


def serve(test, *arguments, **settings):
    server = Server(temp_folder(test), *arguments, settings=settings)
    test.addCleanup(server.close)
    return server


def log_in(server, password, user="admin", expect=0):
    return cli("login", "--server", server.url, "--user", user, "--password-file", "-", environment=environment(),
               stdin=password + "\n", expect=expect).stdout.strip()


def files_of(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    yield path, file.read()


class FirstStart(unittest.TestCase):
    def test_password_is_shown_once_and_kept_nowhere(self):
        server = serve(self)
        made = server.ready["first_administrator"]
        self.assertEqual(made["user"], "admin")
        token = log_in(server, made["password"])
        everybody = cli("users", "list", "--json", environment=environment(DROVER_SERVER=server.url, DROVER_TOKEN=token))
        users = json.loads(everybody.stdout)["users"]
        self.assertEqual([(user["name"], user["grants"]) for user in users],
                         [("admin", [{"project": None, "role": "KooPhone Administrator"}])])
        entries = [json.loads(line) for line in server.cli("audit").stdout.splitlines()]
        self.assertEqual([(entry["actor"], entry["action"], entry["subject"], entry["status"]) for entry in entries][:2],
                         [("local", "drover:user:create", "admin", 200),
                          ("user:admin", "drover:session:create", "default", 201)])
        self.assertEqual(server.stop(), 0)
        for path, content in files_of(server.folder):
            self.assertNotIn(made["password"].encode(), content, path)
            self.assertNotIn(token.encode(), content, path)

        server.start()
        self.assertNotIn("first_administrator", server.ready)
        log_in(server, made["password"])

    def test_password_of_a_file(self):
        folder = temp_folder(self)
        path = os.path.join(folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write("correct horse battery\nanother line\n")
        server = serve(self, DROVER_AUTH_ADMIN_PASSWORD_FILE=path)
        self.assertEqual(server.ready["first_administrator"], {"user": "admin"})
        log_in(server, "correct horse battery")
        # Who has a user needs the file no more.
        os.remove(path)
        server.stop()
        server.start()

    def test_lines_for_people_and_for_who_waits(self):
        data = os.path.join(temp_folder(self), "data")
        reading, writing = os.pipe()
        process = subprocess.Popen([DROVER, "serve", "--http-port", "0", "--data-dir", data, "--ready-fd", str(writing)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=[writing],
                                   env=environment())
        os.close(writing)
        with os.fdopen(reading) as ready:
            told = json.loads(ready.readline())
        process.terminate()
        shown, log = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        lines = shown.splitlines()
        self.assertRegex(lines[0], "made the user admin.* shown this once: [A-Za-z0-9]{20}$")
        self.assertRegex(lines[1], "^drover serves ")
        password = lines[0].split()[-1]
        self.assertNotIn("first_administrator", told, "a secret is for standard output alone")
        self.assertNotIn(password, log)
        self.assertIn("made the user admin", log)

    def test_starts_that_fail_make_no_password(self):
        folder = temp_folder(self)
        data = os.path.join(folder, "data")

        def refused(*arguments):
            done = subprocess.run([DROVER, "serve", "--data-dir", data, *arguments], capture_output=True, text=True,
                                  timeout=PATIENCE, env=environment())
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            return done.stderr

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            refused("--http-port", str(taken.getsockname()[1]))
        password = os.path.join(folder, "password")
        self.assertIn(password, refused("--http-port", "0", "--auth-admin-password-file", password))
        for content, why in (("short\n", "8 to 256"), ("\n", "empty")):
            with open(password, "w", encoding="utf-8") as file:
                file.write(content)
            said = refused("--http-port", "0", "--auth-admin-password-file", password)
            self.assertIn("auth.admin_password_file: " + password, said)
            self.assertIn(why, said)
        server = Server(folder, data=data)
        self.addCleanup(server.close)
        log_in(server, server.ready["first_administrator"]["password"])


if __name__ == "__main__":
    unittest.main()
