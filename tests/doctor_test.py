#!/usr/bin/env python3
"""Damaged data folders: what `drover doctor` says of them, and what a start does."""

import json
import os
import shutil
import sqlite3
import subprocess
import unittest

from harness import DROVER, PATIENCE, Client, Server, cli, environment, instance, started, temp_folder, until

PAGE = 4096


def doctor(data, *arguments, expect=0, **variables):
    """(what it found by check, the whole answer)."""
    answer = json.loads(cli("doctor", "--json", "--data-dir", data, *arguments, expect=expect,
                            environment=environment(**variables)).stdout)
    found = {}
    for check in answer["checks"]:
        if check["result"] != "ok" or check["check"] not in found:
            found[check["check"]] = check
    return found, answer


def start(data):
    """A start that is to be refused: what it says."""
    result = subprocess.run([DROVER, "serve", "--http-port", "0", "--data-dir", data], capture_output=True, text=True,
                            timeout=PATIENCE, env=environment())
    return result.returncode, result.stderr


class OfPostgres(unittest.TestCase):
    """Folders of servers whose tasks are elsewhere."""

    def test_the_store_has_to_be_named(self):
        data = os.path.join(temp_folder(self), "data")
        os.mkdir(data, mode=0o700)
        with open(os.path.join(data, "node"), "w") as node:
            node.write("0" * 32 + "\n")
        found, _ = doctor(data, expect=1)
        self.assertEqual(found["database"]["result"], "fail")
        self.assertIn("in PostgreSQL, and is not running", found["database"]["message"])
        self.assertIn("DROVER_STORE", found["database"]["advice"])
        found, _ = doctor(data, "--store", "postgresql://ann:secret@127.0.0.1:1/d", expect=1)
        self.assertIn("postgresql://ann:***@127.0.0.1:1/d", found["database"]["message"])
        # Tasks that have come back to a file are looked at there.
        with open(os.path.join(data, "drover.db"), "w"):
            pass
        found, _ = doctor(data, expect=1)
        self.assertIn("drover.db is cut off", found["database"]["message"])

    def test_a_store_that_is_none(self):
        found, _ = doctor(temp_folder(self), "--store", "postgresql://ann:se@cret@h/d", expect=1)
        self.assertIn("%40", found["settings"]["message"])
        self.assertNotIn("cret", json.dumps(found))


class Sound(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 3)

    def test_of_a_running_server(self):
        with Client(self.server, self.server.token()) as client:
            client.wait_task(client.run("echo hi", [instance(phone) for phone in range(3)]))
        found, answer = doctor(self.server.data)
        self.assertTrue(answer["ok"])
        self.assertEqual([check for check in answer["checks"] if check["result"] != "ok"], [])
        self.assertIn("pid %d" % self.server.process.pid, found["server"]["message"])
        self.assertRegex(found["database"]["message"], "3 instances.* 3 results")
        self.assertRegex(found["descriptors"]["message"], "the server may have .*there are 3 instances")

    def test_lines_for_people(self):
        text = self.server.cli("doctor", "--full").stdout
        self.assertRegex(text, r"(?m)^ok   integrity +integrity_check finds nothing wrong$")
        self.assertNotIn("FAIL", text)

    def test_modes(self):
        database = os.path.join(self.server.data, "drover.db")
        os.chmod(database, 0o644)
        self.addCleanup(os.chmod, database, 0o600)
        found, answer = doctor(self.server.data)
        self.assertTrue(answer["ok"], "a warning is no failure")
        self.assertEqual((found["files"]["result"], found["files"]["advice"]), ("warn", "chmod 600 " + database))

    def test_settings(self):
        config = os.path.join(temp_folder(self), "drover.toml")
        with open(config, "w") as file:
            file.write("[http]\nprot = 1\n")
        found, _ = doctor(self.server.data, "--config", config, expect=1)
        self.assertIn("drover.toml:2", found["settings"]["message"])

    def test_descriptors(self):
        lines = subprocess.run(["sh", "-c", 'ulimit -n 130; exec "$0" doctor --data-dir "$1"', DROVER, self.copy()],
                               capture_output=True, text=True, timeout=PATIENCE, env=environment())
        self.assertEqual(lines.returncode, 0)
        self.assertRegex(lines.stdout, "(?m)^warn descriptors .*enough for 0 phones.*\n +Raise the limit")

    def copy(self):
        folder = os.path.join(temp_folder(self), "copy")
        self.server.cli("backup", folder)
        return folder

    def test_key(self):
        data = self.copy()
        with open(os.path.join(data, "adbkey"), "w") as key:
            key.write("no key")
        self.assertEqual(doctor(data, expect=1)[0]["key"]["result"], "fail")
        os.remove(os.path.join(data, "adbkey"))
        self.assertEqual(doctor(data)[0]["key"]["result"], "warn")

    def test_master_key(self):
        self.server.cli("users", "create", "ci", "--no-password")
        pair = json.loads(self.server.cli("keys", "create", "--user", "ci", "--json").stdout)
        data = self.copy()
        path = os.path.join(data, "masterkey")
        self.assertIn("1 access keys", doctor(data)[0]["masterkey"]["message"])
        with open(path, "r+") as key:
            key.write("00")
        found = doctor(data, expect=1)[0]["masterkey"]
        self.assertEqual(found["result"], "fail")
        self.assertIn("1 of 1 access keys: " + pair["access_key"], found["message"])
        os.chmod(path, 0o644)
        self.assertIn("0600", doctor(data, expect=1)[0]["masterkey"]["message"])
        os.remove(path)
        found = doctor(data, expect=1)[0]["masterkey"]
        self.assertIn("is not there, and 1 access keys are sealed with it", found["message"])
        self.assertIn("from a backup", found["advice"])
        # A start would make a key with which nothing opens.
        code, said = start(data)
        self.assertEqual(code, 2)
        self.assertIn("openssl rand", said)
        self.assertFalse(os.path.exists(path))
        self.server.cli("keys", "remove", pair["access_key"])
        data = self.copy()
        os.remove(os.path.join(data, "masterkey"))
        self.assertEqual(doctor(data)[0]["masterkey"]["result"], "warn")

    def test_nothing_there(self):
        found, answer = doctor(os.path.join(temp_folder(self), "nothing"))
        self.assertTrue(answer["ok"])
        self.assertIn("The first start", found["folder"]["advice"])


class Damaged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sim, server = started(cls, 10)
        with Client(server, server.token()) as client:
            for number in range(30):
                cls.task = client.run("echo %d %s" % (number, "x" * 700), [instance(phone) for phone in range(10)])
            client.wait_task(cls.task)
        server.stop()
        cls.server = server

    def damaged(self, damage):
        """A copy of the data folder after `damage(path of the database)`."""
        data = os.path.join(temp_folder(self), "data")
        shutil.copytree(self.server.data, data)
        damage(os.path.join(data, "drover.db"))
        return data

    def refused(self, data, *words):
        code, text = start(data)
        self.assertEqual(code, 2, text)
        for word in (os.path.join(data, "drover.db"), "drover doctor --data-dir " + data, *words):
            self.assertIn(word, text)
        return text

    @staticmethod
    def overwrite(path, at, data):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data)

    def test_starts_that_are_refused(self):
        def replace(data):
            def damage(path):
                with open(path, "wb") as file:
                    file.write(data)
            return damage

        def folder(path):
            os.remove(path)
            os.mkdir(path)

        def link(path):  # to a disk that is not mounted, perhaps
            os.remove(path)
            os.symlink("elsewhere.db", path)

        def only_the_log(path):
            os.rename(path, path + "-wal")
        half = os.path.getsize(os.path.join(self.server.data, "drover.db")) // 2
        for name, damage in {
                "header": lambda path: self.overwrite(path, 0, b"#" * 100),
                "truncated": lambda path: os.truncate(path, half),
                "empty": replace(b""),
                "a byte": replace(b"S"),
                "text": replace(b"text\n" * 1000),
                "another program's": lambda path: self.overwrite(path, 68, b"ABCD"),
                "folder": folder,
                "link": link,
                "only the log": only_the_log}.items():
            with self.subTest(name):
                data = self.damaged(damage)
                text = self.refused(data, "mv %s %s.damaged && cp -a BACKUP %s" % (data, data, data))
                self.assertNotIn("Another `drover serve`", text)
                found, answer = doctor(data, expect=1)
                self.assertEqual(found["database"]["result"], "fail", answer)
                self.assertIn("cp -a BACKUP " + data, found["database"]["advice"])

    def commands(self, first_word):
        """A folder with a damaged database, and a command that the refused start gave."""
        data = self.damaged(lambda path: self.overwrite(path, 0, b"#" * 100))
        return data, next(line for line in self.refused(data).splitlines() if line.startswith("  " + first_word))

    def test_the_commands_that_a_start_gives_restore_a_backup(self):
        backup = os.path.join(temp_folder(self), "backup")
        self.server.start()
        self.server.cli("backup", backup)
        self.assertEqual(self.server.stop(), 0)
        data, command = self.commands("mv ")
        subprocess.run(["sh", "-ec", command.replace("BACKUP", backup)], check=True)
        self.assertEqual([check for check in doctor(data)[1]["checks"] if check["result"] != "ok"], [])
        self.assertIn("drover.db", os.listdir(data + ".damaged"))
        self.assertIn("drover.db", os.listdir(backup))

    def test_the_commands_that_a_start_gives_begin_anew_with_the_same_key(self):
        data, command = self.commands("mkdir ")
        subprocess.run(["sh", "-ec", command], check=True)
        self.assertIn("drover.db", os.listdir(data + ".damaged"))
        _, answer = doctor(data)
        self.assertEqual([check["check"] for check in answer["checks"] if check["result"] != "ok"], ["database"])
        self.assertIn("adbkey", os.listdir(data))

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_a_database_that_cannot_be_read(self):
        data = self.damaged(lambda path: os.chmod(path, 0))
        self.refused(data)
        self.assertEqual(doctor(data, expect=1)[0]["files"]["result"], "fail")

    def test_every_table_that_a_start_reads(self):
        database = sqlite3.connect(os.path.join(self.server.data, "drover.db"))
        pages = dict(database.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"))
        database.close()
        for table in ("project", "token", "instance", "task", "unfinished", "finished", "begun", "result", "deleted"):
            with self.subTest(table):
                data = self.damaged(lambda path: self.overwrite(path, (pages[table] - 1) * PAGE, bytes(PAGE)))
                self.refused(data)
                self.assertFalse(doctor(data, expect=1)[1]["ok"])

    def test_a_log_of_garbage_is_no_damage(self):
        def garbage(path):
            with open(path + "-wal", "wb") as log:
                log.write(os.urandom(100_000))
        data = self.damaged(garbage)
        self.assertTrue(doctor(data)[1]["ok"])
        server = subprocess.Popen([DROVER, "serve", "--http-port", "0", "--data-dir", data], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, env=environment())
        self.assertIn(b"drover serves", server.stdout.readline())
        server.kill()
        server.wait()
        server.stdout.close()

    def test_rows_that_contradict_each_other(self):
        def change(path):
            database = sqlite3.connect(path)
            database.execute("DELETE FROM result WHERE job IN (SELECT job FROM result LIMIT 1)")
            database.commit()
            database.close()
        found, _ = doctor(self.damaged(change), expect=1)
        self.assertEqual(found["consistency"]["result"], "fail")
        self.assertIn("1 finished tasks lack results", found["consistency"]["message"])

    def test_damage_that_shows_while_running(self):
        """Of a leaf with results, which no start reads: 503, a line in the log, and all else goes on."""
        def scramble(path):
            database = sqlite3.connect(path)
            pages = [page for page, in database.execute(
                "SELECT pageno FROM dbstat WHERE name = 'result' AND pagetype = 'leaf' ORDER BY path")]
            database.close()
            for page in pages[:len(pages) // 2]:
                self.overwrite(path, (page - 1) * PAGE, os.urandom(PAGE))
        try:
            data = self.damaged(scramble)
        except sqlite3.OperationalError:
            self.skipTest("Python's SQLite has no dbstat")
        server = Server(os.path.dirname(data), data=data)
        self.addCleanup(server.close)
        with Client(server, server.token()) as client:
            codes = set()
            for task in client.get("/api/v1/tasks?limit=100").json["tasks"]:
                answer = client.get("/v1/instances/tasks/" + task["task_id"])
                codes.add(answer.status)
                if answer.status == 503:
                    self.assertNotIn(data, answer.body.decode(), "paths are nobody's business")
            self.assertEqual(codes, {200, 503})
            self.assertEqual(client.get("/healthz").status, 200)
        until(lambda: "stop the server and run `drover doctor`" in server.log(), "the log says what to do")


if __name__ == "__main__":
    unittest.main()
