#!/usr/bin/env python3
"""Tasks kept in PostgreSQL: the server is killed, the database is stopped, killed, cut off and replaced by its replica,
and nothing is lost or begun twice."""

import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from certificates import Pair
from crash import Rounds, survive
from crash_checks import History
from harness import (DROVER, PATIENCE, PATIENCE_FACTOR, Client, Server, Simulator, cli, environment, free_port,
                     instance, no_zombie, temp_folder, until)
from postgres import Postgres, Replica, programs

ROUNDS = 30 if PATIENCE_FACTOR <= 1 else 8


class OnPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.close)
        cls.databases = 0

    def database(self):
        type(self).databases += 1
        return self.postgres.make_database("drover_%d" % self.databases)

    def start(self, phones, *serve):
        folder = temp_folder(self)
        simulator = Simulator(folder, phones)
        self.addCleanup(simulator.close)
        server = Server(folder, *serve, settings={"DROVER_STORE": self.database()})
        self.addCleanup(server.close)
        server.adopt(simulator)
        return simulator, server


class Works(OnPostgres):
    def test_a_command_runs_and_its_answer_stays(self):
        _, server = self.start(3)
        token = server.token()
        with Client(server, token) as client:
            task = client.run("echo kept", [instance(0), instance(1), "nobody"])
            states = [(job["state"], job["shown"]) for job in client.wait_task(task)]
            self.assertEqual(states[:2], [("succeeded", "kept\n")] * 2)
            self.assertEqual(states[2][0], "failed")
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(os.path.join(server.data, "drover.db")))
        begin = time.monotonic()
        server.start()
        self.assertLess(time.monotonic() - begin, 4 * PATIENCE_FACTOR, "a start after a stop waits for nobody")
        with Client(server, token) as client:
            again = client.jobs(task)
            self.assertEqual([(job["state"], job["shown"]) for job in again], states)
            self.assertEqual(client.get("/api/v1/tasks").json["tasks"][0]["task_id"], task)
        server.cli("users", "list")
        self.assertIn("drover:token:create", server.cli("audit").stdout)

    def test_a_copy_runs_nothing_again(self):
        sim, server = self.start(1)
        token = server.token()
        with Client(server, token) as client:
            server.cli("instances", "add", "nowhere", "adb://127.9.9.9:9")
            done = client.run("echo done", [instance(0)])
            client.wait_task(done)
            waiting = client.run("echo waiting", ["nowhere", instance(0)])
            until(lambda: client.jobs(waiting)[1]["state"] == "succeeded", "half of it has ended")
        original = server.settings["DROVER_STORE"]
        dump = self.postgres.run("pg_dump", "-n", "drover", original)
        self.assertEqual(server.stop(), 0)
        server.settings["DROVER_STORE"] = self.database()
        self.postgres.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.settings["DROVER_STORE"],
                          "-f", "-", stdin=dump)
        # As docs/operations.md has it.
        self.postgres.sql("INSERT INTO drover.begun SELECT seq * 1048576 + i, (extract(epoch FROM now()) * 1000)::bigint"
                          " FROM drover.open_task, generate_series(0, jobs - 1) AS i ON CONFLICT DO NOTHING",
                          server.settings["DROVER_STORE"].rsplit("/", 1)[1])
        server.start()
        with Client(server, token) as client:
            lost, ended = client.wait_task(waiting)
            self.assertEqual((lost["state"], lost["error_code"]), ("lost", "DROVER.JOB.INTERRUPTED"))
            self.assertEqual((ended["state"], ended["shown"]), ("succeeded", "waiting\n"))
            self.assertEqual([job["shown"] for job in client.jobs(done)], ["done\n"])
        self.assertEqual(sum("echo waiting" in command for _, _, command in sim.begun()), 1)

    def test_doctor_looks_at_it(self):
        _, server = self.start(2)
        folder = temp_folder(self)
        os.mkdir(os.path.join(folder, "data"), mode=0o700)
        shutil.copy2(os.path.join(server.data, "masterkey"), os.path.join(folder, "data"))
        port = free_port()
        second = Server(folder, settings=server.settings, port=port)
        self.addCleanup(second.close)
        report = server.cli("doctor", expect=0, more={"DROVER_STORE": server.settings["DROVER_STORE"]}).stdout
        host = socket.gethostname()
        self.assertIn("running on %s pid %d, %s:%d\n" % (host, server.process.pid, host, port), report)
        self.assertEqual(second.stop(), 0)
        self.assertRegex(report, "PostgreSQL 1[0-9]")
        self.assertIn("2 instances", report)
        for line in report.splitlines():
            self.assertRegex(line, "^(ok  |warn|     ) ", "findings and nothing else")
        as_json = server.cli("doctor", "--json", expect=0, more={"DROVER_STORE": server.settings["DROVER_STORE"]})
        self.assertTrue(json.loads(as_json.stdout)["ok"])
        self.assertEqual(server.stop(), 0)
        away = server.cli("doctor", expect=1, more={"DROVER_STORE": "postgresql://ann:secret@127.0.0.1:1/d"}).stdout
        self.assertNotIn("secret", away)
        self.assertIn("psql", away)
        refused = server.cli("backup", os.path.join(server.folder, "copy"), expect=2,
                             more={"DROVER_STORE": server.settings["DROVER_STORE"]})
        self.assertIn("pg_dump", refused.stderr)

    def test_a_start_that_waits_can_be_stopped(self):
        """For another node that changes the schema, and that may take its time."""
        store = self.database()
        name = store.rsplit("/", 1)[1]

        def locks(which):
            return self.postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND " + which, name)
        with subprocess.Popen([os.path.join(programs(), "psql"), "-X", "-d", store, "-c",
                               "SELECT pg_advisory_lock(4923250421), pg_sleep(60)"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as holder:
            self.addCleanup(holder.kill)
            until(lambda: locks("granted").strip() == "1", "the schema is being changed")
            with subprocess.Popen([DROVER, "serve", "--http-port", "0", "--data-dir", temp_folder(self)],
                                  stderr=subprocess.DEVNULL, env=environment(DROVER_STORE=store)) as process:
                self.addCleanup(process.kill)
                until(lambda: locks("NOT granted").strip() == "1", "it waits")
                process.terminate()
                self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
            holder.kill()

    def test_nodes_compare_their_keys(self):
        _, server = self.start(1)

        def other(*keys):
            folder = temp_folder(self)
            os.mkdir(os.path.join(folder, "data"), mode=0o700)
            for key in keys:
                shutil.copy2(os.path.join(server.data, key), os.path.join(folder, "data", key))
            return folder
        node = Server(other("masterkey"), settings=server.settings)
        self.addCleanup(node.close)
        self.assertIn("is not the adbkey of the nodes", node.log())
        node.stop()
        same = Server(other("masterkey", "adbkey"), settings=server.settings)
        self.addCleanup(same.close)
        self.assertNotIn("adbkey", same.log())
        same.stop()
        refused = cli("serve", "--data-dir", os.path.join(other(), "data"), "--http-port", "0",
                      environment=environment(**server.settings), expect=2)
        self.assertIn("Copy theirs there", refused.stderr)

    def test_a_node_that_cannot_serve_takes_nothing(self):
        """What its settings make fail fails before the others give it their phones."""
        _, server = self.start(2)
        folder = temp_folder(self)
        keys = [os.path.join(server.data, key) for key in ("masterkey", "adbkey")]

        def refused(why, *arguments):
            data = os.path.join(folder, "data-%d" % len(os.listdir(folder)))
            os.makedirs(data, mode=0o700)
            for key in keys:
                shutil.copy2(key, data)
            if "drover.sock" in why:
                open(os.path.join(data, "drover.sock"), "w").close()
            said = cli("serve", "--data-dir", data, "--store", server.settings["DROVER_STORE"], *arguments,
                       environment=environment(), expect=2).stderr
            self.assertIn(why, said)
            self.assertNotIn("serves", said)

        refused("Address already in use", "--http-port", str(server.port))
        refused("drover.sock", "--http-port", "0")
        refused("nothing.pem", "--http-port", "0", "--http-tls-certificate", os.path.join(folder, "nothing.pem"),
                "--http-tls-key", os.path.join(folder, "nothing.pem"))
        self.assertNotIn("to another node", server.log())
        with Client(server) as client:
            self.assertIn(b"drover_shards 256", client.get("/metrics").body)

    def test_a_password_is_not_shown(self):
        shown = cli("serve", "--print-config", "--store", "postgresql://ann:secret@db.example/d?password=secret&x=1",
                    environment=environment()).stdout
        self.assertNotIn("secret", shown)
        self.assertIn("postgresql://ann:***@db.example/d?password=***&x=1", shown)
        folder = temp_folder(self)
        refused = cli("serve", "--data-dir", folder, "--http-port", "0", "--store",
                      "postgresql://ann:secret@127.0.0.1:1/d", environment=environment(), expect=2)
        self.assertNotIn("secret", refused.stdout + refused.stderr)
        self.assertIn("127.0.0.1:1", refused.stderr)


class Refused(OnPostgres):
    """A start that cannot go on says why, once, and what to do; and so does doctor."""

    def serve(self, store, expect=2, **variables):
        done = subprocess.run([DROVER, "serve", "--http-port", "0", "--data-dir", temp_folder(self), "--store", store],
                              capture_output=True, text=True, timeout=PATIENCE, env=environment(**variables))
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def doctor(self, store, expect):
        return cli("doctor", "--data-dir", temp_folder(self), "--store", store, environment=environment(),
                   expect=expect).stdout

    def at(self, rest, user="drover"):
        return "postgresql://%s@127.0.0.1:%d/%s" % (user, self.postgres.port, rest)

    def test_the_reason_stands_there_once(self):
        said = self.serve(self.at("nowhere"))
        self.assertEqual(said.count("does not exist"), 1, said)
        self.assertIn("3D000", said)
        self.assertIn("createdb", said)
        self.assertNotIn("psql", said)
        self.assertEqual(self.serve("postgresql://drover@127.0.0.1:1/d").count("refused"), 1)

    def test_an_address_shows_no_password(self):
        for word in ("serve", "doctor"):
            for address in ("postgresql://drover:se@cret@127.0.0.1/d", "postgresql://drover:se/cret@127.0.0.1/d"):
                more = ["--print-config"] if word == "serve" else []
                done = subprocess.run([DROVER, word, "--store", address, *more], capture_output=True, text=True,
                                      timeout=PATIENCE, env=environment())
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("%40", done.stdout + done.stderr)
                self.assertNotIn("cret", done.stdout + done.stderr)
        said = self.serve(self.at("d?sslpassword=secret&sslmod=x"))
        self.assertNotIn("secret", said)
        said = self.serve(self.at("d?sslmod=x"))
        self.assertIn('libpq does not know: "sslmod"', said)

    def test_who_may_not_make_the_schema(self):
        url = self.database()
        name = url.rsplit("/", 1)[1]
        self.postgres.sql('CREATE ROLE "Weak" LOGIN')
        weak = self.at(name, user="Weak")
        for said in (self.serve(weak), self.doctor(weak, expect=1)):
            self.assertIn('GRANT CREATE ON DATABASE %s TO "Weak"' % name, said)
            self.assertIn('CREATE SCHEMA drover AUTHORIZATION "Weak"', said)
            self.assertNotIn("psql", said)
        self.postgres.sql('CREATE SCHEMA drover AUTHORIZATION "Weak"', name)
        self.assertIn("the schema drover is empty", self.doctor(weak, expect=0))
        server = Server(temp_folder(self), settings={"DROVER_STORE": weak})
        self.addCleanup(server.close)
        self.assertEqual(server.stop(), 0)
        self.assertRegex(self.doctor(weak, expect=0), "ok +schema +version")

    def test_read_only(self):
        url = self.database()
        self.postgres.sql("ALTER DATABASE %s SET default_transaction_read_only = on" % url.rsplit("/", 1)[1])
        for address in (url, url + "?target_session_attrs=any"):
            said = self.serve(address)
            self.assertIn("a pooler stands in between", said)
            self.assertNotIn("psql", said)

    def test_a_config_file_with_a_password_that_others_may_read(self):
        folder = temp_folder(self)
        path = os.path.join(folder, "drover.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write('store = "%s"\n' % self.database().replace("drover@", "drover:secret@"))
        for mode, warned in ((0o644, True), (0o600, False)):
            os.chmod(path, mode)
            server = Server(folder, "--config", path)
            self.addCleanup(server.close)
            self.assertEqual(server.stop(), 0)
            self.assertEqual("chmod 600 " + path in server.log(), warned, server.log())
            self.assertNotIn("secret", server.log())
            os.remove(server.log_path)

    def test_a_folder_whose_store_is_not_named(self):
        _, server = self.start(1)
        copy = os.path.join(server.folder, "copy")
        for running in (True, False):
            found = cli("doctor", "--data-dir", server.data, environment=environment(), expect=1).stdout
            self.assertIn("keeps its tasks in PostgreSQL", found)
            self.assertIn("--store", found)
            self.assertIn("DROVER_STORE", found)
            self.assertEqual("is running, pid %d" % server.process.pid in found, running, found)
            refused = cli("backup", copy, "--data-dir", server.data, environment=environment(), expect=2).stderr
            self.assertIn("pg_dump", refused)
            named = cli("doctor", "--data-dir", server.data, "--store", server.settings["DROVER_STORE"],
                        environment=environment(), expect=0).stdout
            self.assertEqual("none is running" in named, not running, named)
            if running:
                self.assertEqual(server.stop(), 0)

    def test_a_copied_folder(self):
        _, server = self.start(1)
        other = os.path.join(server.folder, "other")
        os.mkdir(other, mode=0o700)
        for name in ("node", "masterkey", "adbkey"):
            shutil.copy(os.path.join(server.data, name), other)
        copy = Server(temp_folder(self), data=other, settings=server.settings)
        self.addCleanup(copy.close)
        self.assertEqual(server.process.wait(PATIENCE), 1)
        no_zombie(server.process)
        said = server.log()
        self.assertIn(os.path.join(server.data, "node"), said)
        self.assertIn("Two servers with the same one end each other", said)
        self.assertNotIn("did not renew", said)


class Breaks(OnPostgres):
    """One database server each, since it is broken."""

    def setUp(self):
        self.own = Postgres()
        self.addCleanup(self.own.close)

    def database(self):
        return self.own.make_database("drover")

    def refused(self, client):
        """Whether a task is refused as it should be while the database is away."""
        answer = client.post("/v1/instances/async-command", {"command": "echo refused", "instance_ids": [instance(0)]})
        if answer.status == 200:
            return False
        self.assertEqual((answer.status, answer.json["error_code"]), (503, "KOOPHONE.API.9999"))
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        return True

    def back(self, client):
        """Whether tasks are taken, and stored ones read, which is another connection's."""
        return not self.refused(client) and client.get("/api/v1/tasks?limit=1").status == 200

    def away_and_back(self, leave, come_back, seconds):
        """A command runs while the database is away: its end is stored when it is back."""
        sim, server = self.start(2)
        token = server.token()
        with Client(server, token) as client:
            kept = client.run("echo before", [instance(0)])
            client.wait_task(kept)
            running = client.run("sleep 1; echo running", [instance(0)])
            queued = client.run("echo queued", [instance(0)])
            until(lambda: any("echo running" in command for _, _, command in sim.begun()), "it runs")
            leave()
            until(lambda: self.refused(client), "tasks are refused")
            time.sleep(seconds)
            come_back()
            job, = client.wait_task(running, outage=True)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "running\n"))
            job, = client.wait_task(queued, outage=True)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "queued\n"))
            until(lambda: self.back(client), "tasks are taken again")
            self.assertEqual([job["shown"] for job in client.jobs(kept)], ["before\n"])
        begun = [command for _, _, command in sim.begun()]
        self.assertEqual([sum(text in command for command in begun) for text in ("echo running", "echo queued")], [1, 1])

    def test_a_restart(self):
        self.away_and_back(self.own.stop, self.own.start, 2)

    def test_a_crash(self):
        self.away_and_back(self.own.kill, self.own.start, 8)

    def test_it_is_not_ready_without(self):
        """And says so at once, though nothing is at work that could not be stored."""
        _, server = self.start(1)
        with Client(server, server.token()) as client:
            self.assertEqual(client.get("/readyz").status, 200)
            self.own.stop()
            until(lambda: client.get("/readyz").status == 503, "it says so", 3 * PATIENCE_FACTOR)
            self.assertTrue(self.refused(client))
            self.own.start()
            until(lambda: client.get("/readyz").status == 200, "it works again")
            self.assertFalse(self.refused(client))

    def test_the_log_says_why_it_cannot_come_back(self):
        with open(os.path.join(self.own.data, "pg_hba.conf"), "r+", encoding="utf-8") as hba:
            usual = hba.read()
            hba.seek(0)
            hba.write("host all app all scram-sha-256\n" + usual)
        self.own.sql("CREATE ROLE app LOGIN PASSWORD 'first-secret'")
        self.own.sql("SELECT pg_reload_conf()")
        url = self.database().replace("drover@", "app:first-secret@")
        self.own.sql("GRANT CREATE ON DATABASE drover TO app")
        server = Server(temp_folder(self), settings={"DROVER_STORE": url})
        self.addCleanup(server.close)
        self.own.sql("ALTER ROLE app PASSWORD 'other-secret'")
        self.own.stop()
        self.own.start()
        why = "password authentication failed"
        until(lambda: why in server.log(), "the log says so")
        time.sleep(3)  # tries go on
        self.assertEqual(server.log().count(why), 1)
        with Client(server) as client:
            self.assertNotIn("app", client.get("/readyz").json["error_msg"])
        self.own.sql("ALTER ROLE app PASSWORD 'first-secret'")
        until(lambda: "connected to the database again" in server.log(), "it is back")
        self.assertNotIn("secret", server.log())

    def test_who_follows_a_task_waits(self):
        sim, server = self.start(1)
        with subprocess.Popen([DROVER, "run", "--all", "--", "sleep 1; echo followed"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment(DROVER_SERVER=server.url,
                                                                      DROVER_TOKEN=server.token())) as follower:
            self.addCleanup(follower.kill)
            until(lambda: any("echo followed" in command for _, _, command in sim.begun()), "it runs")
            self.own.kill()
            time.sleep(8)  # longer than a lease
            self.own.start()
            output, errors = follower.communicate(timeout=PATIENCE)
        self.assertEqual(follower.returncode, 0, output + errors)
        self.assertIn("1 x succeeded", output)
        self.assertIn("cannot tell at the moment", errors)

    def test_a_crash_before_the_answer(self):
        """Whether the task is stored nobody can know: who asked hears so soon, and not when the database is back."""
        _, server = self.start(1)
        token = server.token()
        self.own.pause()
        answers = []
        sender = threading.Thread(target=lambda: answers.append(self.send(server, token, "echo doubtful")))
        sender.start()
        time.sleep(0.5 * PATIENCE_FACTOR)
        self.own.kill()
        sender.join()
        self.assertEqual((answers[0].status, answers[0].json["error_code"]), (503, "KOOPHONE.API.9999"))
        self.assertIn("may have been carried out", answers[0].json["error_msg"])
        self.own.start()
        with Client(server, token) as client:
            until(lambda: self.back(client), "tasks are taken")
            for task in client.get("/api/v1/tasks?limit=1000").json["tasks"]:
                self.assertEqual([job["state"] for job in client.wait_task(task["task_id"])], ["succeeded"])

    def test_a_silence(self):
        """Nobody answers, and no connection breaks: what was sent meanwhile is stored once, or said to be refused."""
        sim, server = self.start(1)
        token = server.token()
        with Client(server, token) as client:
            running = client.run("sleep 1; echo running", [instance(0)])
            until(lambda: any("echo running" in command for _, _, command in sim.begun()), "it runs")
            self.own.pause()
            answers = []
            sender = threading.Thread(target=lambda: answers.append(self.send(server, token, "echo doubtful")))
            sender.start()
            time.sleep(8)  # longer than a lease
            self.own.resume()
            sender.join()
            job, = client.wait_task(running, outage=True)
            self.assertEqual((job["state"], job["shown"]), ("succeeded", "running\n"))
            until(lambda: self.back(client), "tasks are taken")
            tasks = [task for task in client.get("/api/v1/tasks?limit=1000").json["tasks"]
                     if task["command"] == "echo doubtful"]
            self.assertEqual(len(tasks), 1 if answers[0].status == 200 else 0, answers)
            for task in tasks:
                self.assertEqual([job["state"] for job in client.wait_task(task["task_id"])], ["succeeded"])

    def send(self, server, token, command):
        with Client(server, token) as client:
            return client.post("/v1/instances/async-command", {"command": command, "instance_ids": [instance(0)]})


class Loader(threading.Thread):
    """Sends tasks of one job, each with a mark of its own, and keeps what was said to each. Every fifth job takes its
    time."""

    PHONES = 8
    PAUSE = 0.01  # seconds

    def __init__(self, server, token, name):
        super().__init__(daemon=True)
        self.client = Client(server, token)
        self.mark = "mark-%s-" % name
        self.stopping = threading.Event()
        self.accepted = []  # (task's id, mark), both as long as the thread runs
        self.refused = []   # (mark, answer)
        self.broken = None

    def run(self):
        try:
            number = 0
            while not self.stopping.wait(self.PAUSE):
                mark = "%s%d." % (self.mark, number)
                command = ("sleep 0.05; echo " if number % 5 == 0 else "echo ") + mark
                answer = self.client.post("/v1/instances/async-command", {
                    "command": command, "instance_ids": [instance(number % self.PHONES)]})
                if answer.status == 200:
                    self.accepted.append((answer.json["data"]["task_id"], mark))
                else:
                    self.refused.append((mark, answer))
                number += 1
        except Exception as error:
            self.broken = error
        finally:
            self.client.close()


class Encrypted(OnPostgres):
    """A database that talks to nobody but by TLS."""

    def database(self):
        self.authority = Pair(temp_folder(self), "authority", ca=True)
        pair = Pair(temp_folder(self), "database", self.authority)
        for name, path in (("ssl_cert_file", pair.certificate), ("ssl_key_file", pair.key)):
            to = shutil.copy(path, self.postgres.folder)
            os.chmod(to, 0o600)
            if self.postgres.user:
                os.chown(to, self.postgres.user.pw_uid, self.postgres.user.pw_gid)
            self.postgres.set(name, to)
        self.postgres.set("ssl", "on")
        url = super().database()
        with open(os.path.join(self.postgres.data, "pg_hba.conf"), "w", encoding="utf-8") as hba:
            hba.write("hostssl all all 127.0.0.1/32 trust\n")
        self.postgres.sql("SELECT pg_reload_conf()")
        return url + "?sslmode=verify-full&sslrootcert=" + self.authority.certificate

    def test_every_connection_is_and_its_certificate_is_checked(self):
        _, server = self.start(1)
        with Client(server, server.token()) as client:
            job, = client.wait_task(client.run("echo sealed", [instance(0)]))
        self.assertEqual(job["shown"], "sealed\n")
        used = self.postgres.sql("SELECT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                 " WHERE application_name LIKE 'drover%' ORDER BY 1").split("\n")
        used = [line for line in used if line]
        self.assertEqual(len(used), 4, used)
        self.assertEqual([line.rpartition("|")[2] for line in used], ["t"] * 4)
        url = server.settings["DROVER_STORE"]
        self.assertEqual(server.stop(), 0)
        stranger = Pair(temp_folder(self), "stranger", ca=True)
        for other, why in ((url.replace(self.authority.certificate, stranger.certificate), "certificate verify failed"),
                           (url.partition("?")[0] + "?sslmode=disable", "no encryption")):
            refused = cli("serve", "--data-dir", temp_folder(self), "--http-port", "0", "--store", other,
                          environment=environment(), expect=2)
            self.assertIn(why, refused.stderr)


class Failover(OnPostgres):
    """The primary dies, its synchronous replica is promoted, and the server goes on with that one."""

    LONG = Loader.PHONES       # a phone whose command runs from before the crash until after the promotion
    SHORT = Loader.PHONES + 1  # one whose command ends in between, with another waiting behind it

    def setUp(self):
        self.primary = self.postgres
        self.replica = Replica(self.primary)
        self.addCleanup(self.replica.close)

    def database(self):
        self.primary.make_database("drover")
        return self.both(self.replica, self.primary)  # the first takes no writes yet

    @staticmethod
    def both(first, second):
        return "postgresql://drover@127.0.0.1:%d,127.0.0.1:%d/drover" % (first.port, second.port)

    def tasks_on_the_replica(self):
        until(self.replica.caught_up, "the replica has replayed what it has")
        return {line + "00000000" for line in
                self.replica.sql("SELECT encode(id, 'hex') FROM drover.task", "drover").split()}

    def test_a_synchronous_replica_takes_over(self):
        sim, server = self.start(Loader.PHONES + 2)
        pid = server.process.pid
        token = server.token()
        loaders = [Loader(server, token, name) for name in "abcd"]
        late = loaders[-1]  # begins when the primary is gone; the others may wait for what was under way then
        with Client(server, token) as client:
            long = client.run("sleep 5; echo long-one", [instance(self.LONG)])
            for loader in loaders[:-1]:
                loader.start()
            until(lambda: all(len(loader.accepted) > 20 for loader in loaders[:-1]), "tasks are taken")
            short = client.run("sleep 1; echo short-one", [instance(self.SHORT)])
            queued = client.run("echo queued-one", [instance(self.SHORT)])
            until(lambda: {"long-one", "short-one"} <= set(map(self.mark, sim.begun())), "both run")
            self.primary.kill()
            until(lambda: client.get("/readyz").status == 503, "the server knows")
            late.start()
            time.sleep(2)  # the short one ends
            acknowledged = {task for loader in loaders for task, _ in loader.accepted} | {long, short, queued}
            self.assertEqual(acknowledged - self.tasks_on_the_replica(), set(), "acknowledged, and not on the replica")
            until(lambda: late.refused or late.broken, "tasks are refused")
            self.assertEqual(late.accepted, [])
            counts = [len(loader.accepted) for loader in loaders]
            self.replica.promote()
            until(lambda: all(len(loader.accepted) > count + 10 or loader.broken
                              for loader, count in zip(loaders, counts)), "tasks are taken again")
            for loader in loaders:
                loader.stopping.set()
            for loader in loaders:
                loader.join(PATIENCE)
                self.assertFalse(loader.is_alive(), "a client hangs")
                self.assertIsNone(loader.broken)
            self.assertEqual(client.get("/readyz").status, 200)
            self.assertEqual((server.process.poll(), server.process.pid), (None, pid))

            marks = dict(pair for loader in loaders for pair in loader.accepted)
            marks.update({long: "long-one", short: "short-one", queued: "queued-one"})
            for task, mark in marks.items():
                self.check_ended(client.wait_task(task), mark)
        self.check_begun(sim, loaders, marks)

        # What it showed is stored, and also found where the dead one is asked first.
        self.assertEqual(server.stop(), 0)
        server.settings["DROVER_STORE"] = self.both(self.primary, self.replica)
        server.start()
        with Client(server, token) as client:
            for task, mark in marks.items():
                self.check_ended(client.jobs(task), mark)
        self.check_begun(sim, loaders, marks)

    @staticmethod
    def mark(entry):
        return entry[2].rpartition(" ")[2]

    def check_ended(self, jobs, mark):
        self.assertEqual([(job["state"], job["shown"]) for job in jobs], [("succeeded", mark + "\n")])

    def check_begun(self, sim, loaders, marks):
        """Each accepted task once; one that was refused never, unless its answer said that this is not known."""
        begun = collections.Counter(map(self.mark, sim.begun()))
        self.assertEqual({mark: begun[mark] for mark in marks.values() if begun[mark] != 1}, {})
        for mark, answer in (pair for loader in loaders for pair in loader.refused):
            self.assertEqual((answer.status, answer.json["error_code"]), (503, "KOOPHONE.API.9999"), answer)
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
            self.assertLessEqual(begun[mark], 1 if "may have been carried out" in answer.json["error_msg"] else 0, mark)


class OnPostgresHistory(History):
    """A planned stop hands over what has not left for a phone. From then on it is shown as the store has it, for a moment
    still as running, and begins later."""

    def __init__(self, journal_path):
        super().__init__(journal_path)
        self.stopped = set()  # runs

    def check_result(self, task, job, running):
        super().check_result(task, job, None if running in self.stopped else running)


class OnPostgresRounds(Rounds):
    HISTORY = OnPostgresHistory

    def kill(self, why):
        if "SIGTERM" in why:
            self.history.stopped.add(len(self.history.runs.ends))
        super().kill(why)


class WithDatabase(OnPostgresRounds):
    """The database is killed before the server is, in half of the rounds, and comes back before or after it."""

    def __init__(self, postgres, *arguments, **options):
        self.postgres = postgres
        self.rng = None  # while a server that was ready is at work: one that starts needs its database
        super().__init__(*arguments, **options)

    def load(self, rng, style):
        self.rng = rng
        super().load(rng, style)

    def kill(self, why):
        rng, self.rng = self.rng, None
        if rng is None or rng.random() < 0.5:
            return super().kill(why)
        self.postgres.kill()
        time.sleep(rng.uniform(0, 0.5))
        if rng.random() < 0.5:
            self.postgres.start()
            time.sleep(rng.uniform(0, 1))
        super().kill("the database was killed, and " + why)
        if self.postgres.process.poll() is not None:
            self.postgres.start()


class Crash(OnPostgres):
    def test_no_kill_breaks_a_promise(self):
        self.survives(ROUNDS, OnPostgresRounds)

    def test_no_kill_of_the_database_does(self):
        self.survives(max(8, ROUNDS // 2), lambda *arguments, **options: WithDatabase(self.postgres, *arguments, **options))

    def survives(self, count, make):
        settings = {"DROVER_STORE": self.database()}
        summary = survive(self, lambda seed: make(temp_folder(self), seed, settings=settings), count)
        self.assertGreater(summary["interrupted"], count / 2)
        self.assertGreater(summary["tasks"], count)


if __name__ == "__main__":
    unittest.main()
