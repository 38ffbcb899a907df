#!/usr/bin/env python3
"""The main path: commands on simulated phones over HTTP, from the request to the phones' answers."""

import re
import time
import unittest

from harness import PATIENCE_FACTOR, Client, LocalClient, instance, started, until

ASYNC = "/v1/instances/async-command"
SYNC = "/v1/instances/sync-command"
ID = re.compile(r"\A[0-9a-f]{32}\Z")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim, cls.server = started(cls, 100)
        cls.admin = cls.server.token()

    def setUp(self):
        self.client = self.client_with(self.admin)

    def client_with(self, token):
        client = Client(self.server, token)
        self.addCleanup(client.close)
        return client

    def koophone_jobs(self, task, wait=30):
        answer = self.client.get("/v1/instances/tasks/%s?wait=%d" % (task, wait))
        self.assertEqual(answer.status, 200, answer)
        return answer.json["data"]["jobs"]

    def unreachable(self, name):
        """An instance at an address where nobody listens."""
        self.server.cli("instances", "add", name, "adb://127.9.9.9:9")
        self.addCleanup(self.server.cli, "instances", "remove", name)
        return name


class Commands(Case):
    def test_async_command_on_a_hundred_phones(self):
        names = [instance(phone) for phone in range(100)]
        answer = self.client.post(ASYNC, {"command": "echo out; echo err >&2; getprop ro.product.model",
                                          "instance_ids": names})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(list(answer.json), ["data", "error_code", "error_msg"])
        self.assertEqual((answer.json["error_code"], answer.json["error_msg"]), ("0", "ok"))
        data = answer.json["data"]
        self.assertEqual([job["instance_id"] for job in data["cmd_jobs"]], names)
        ids = [data["task_id"]] + [job["job_id"] for job in data["cmd_jobs"]]
        self.assertEqual(len(set(ids)), 101)
        for one in ids:
            self.assertRegex(one, ID)
        jobs = self.koophone_jobs(data["task_id"])
        self.assertEqual([job["job_id"] for job in jobs], ids[1:])
        for job in jobs:
            self.assertEqual((job["status"], job["error_code"], job["error_msg"]), (2, "", ""))
            # The two streams may be woven together in any way.
            self.assertEqual(sorted(job["execute_msg"].splitlines()), ["Drover Sim", "err", "out"])
        whole = self.client.get("/api/v1/jobs/" + ids[100]).json
        self.assertEqual((whole["stdout"], whole["stderr"], whole["exit_code"]), ("out\nDrover Sim\n", "err\n", 0))
        raw = self.client.get("/api/v1/jobs/%s/stderr" % ids[100])
        self.assertEqual((raw.status, raw.body), (200, b"err\n"))

    def test_the_services_example_answer_byte_for_byte(self):
        sent = self.client.post(ASYNC, {"command": "echo -n xxxxxx", "instance_ids": ["missing", instance(0)]})
        task = sent.json["data"]["task_id"]
        first, second = [job["job_id"] for job in sent.json["data"]["cmd_jobs"]]
        answer = self.client.get("/v1/instances/tasks/%s?wait=30" % task)
        self.assertEqual(answer.body.decode(), (
            '{"data":{"jobs":[{"job_id":"%s","status":-1,"error_code":"CPS0005","error_msg":"Phone not found.",'
            '"execute_msg":null},{"job_id":"%s","status":2,"error_code":"","error_msg":"","execute_msg":"xxxxxx"}]},'
            '"error_code":"0","error_msg":"ok"}') % (first, second))

    def test_exit_code(self):
        task = self.client.run("echo before; exit 42", [instance(1)])
        job, = self.koophone_jobs(task)
        self.assertEqual((job["status"], job["error_code"], job["execute_msg"]), (-1, "DROVER.JOB.EXIT", "before\n"))
        self.assertRegex(job["error_msg"], r"\b42\b")
        native, = self.client.jobs(task)
        self.assertEqual((native["state"], native["exit_code"]), ("failed", 42))

    def test_execute_msg_is_1024_bytes_and_the_rest_is_kept(self):
        task = self.client.run("gen 100000", [instance(2)])
        job, = self.koophone_jobs(task)
        self.assertEqual((job["status"], len(job["execute_msg"].encode())), (2, 1024))
        raw = self.client.get("/api/v1/jobs/%s/stdout" % job["job_id"])
        self.assertEqual(len(raw.body), 100000)
        self.assertEqual(raw.body[:1024].decode(), job["execute_msg"])

    def test_execute_msg_is_cut_at_a_whole_character(self):
        # 1,023 bytes, then characters of three.
        task = self.client.run("x=%s; echo -n $x$x$x; echo -n 漢字" % ("d" * 341), [instance(3)])
        job, = self.koophone_jobs(task)
        self.assertEqual(job["execute_msg"], "d" * 1023)
        self.assertEqual(self.client.get("/api/v1/jobs/" + job["job_id"]).json["stdout"], "d" * 1023 + "漢字")

    def test_no_output_is_an_empty_string_or_null_but_a_success(self):
        job, = self.koophone_jobs(self.client.run("true", [instance(4)]))
        self.assertEqual((job["status"], job["error_code"], job["error_msg"]), (2, "", ""))
        self.assertIn(job["execute_msg"], ("", None))

    def test_a_duplicate_id_is_two_jobs(self):
        jobs = self.koophone_jobs(self.client.run("echo twice", [instance(5), instance(5)]))
        self.assertEqual([job["status"] for job in jobs], [2, 2])
        self.assertNotEqual(jobs[0]["job_id"], jobs[1]["job_id"])
        self.assertEqual([phone for _, phone, command in self.sim.begun() if command == "echo twice"], [5, 5])

    def test_sync_command(self):
        answer = self.client.post(SYNC, {"command": "echo hello", "instance_ids": [instance(6), "missing"]})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.body, (
            b'{"data":{"cmd_results":[{"instance_id":"sim-00006","status":2,"error_code":"","error_msg":"",'
            b'"execute_msg":"hello\\n"},{"instance_id":"missing","status":-1,"error_code":"CPS0005",'
            b'"error_msg":"Phone not found.","execute_msg":null}]},"error_code":"0","error_msg":"ok"}'))

    def test_statuses_of_instances(self):
        gone = self.unreachable("gone")
        until(lambda: self.status_of(gone) == 1, "the unreachable instance is shown as offline")
        answer = self.client.post("/v1/instances/batch-query-status",
                                  {"instance_ids": [instance(7), gone, "missing"]})
        self.assertEqual(answer.json["data"]["status_results"],
                         [{"instance_id": instance(7), "status": 2}, {"instance_id": gone, "status": 1},
                          {"instance_id": "missing", "status": 0}])

    def status_of(self, name):
        answer = self.client.post("/v1/instances/batch-query-status", {"instance_ids": [name]})
        return answer.json["data"]["status_results"][0]["status"]

    def test_batch_query(self):
        seen = []
        for page in range(1, 5):
            answer = self.client.get("/v1/instances/batch-query?page_no=%d&page_size=30&instance_name=sim-" % page)
            self.assertEqual(answer.status, 200, answer)
            seen.append([one["instance_id"] for one in answer.json["data"]["result"]])
        self.assertEqual([len(page) for page in seen], [30, 30, 30, 10])
        self.assertEqual(sum(seen, []), [instance(phone) for phone in range(100)])
        backwards = self.client.get("/v1/instances/batch-query?page_no=1&page_size=1&instance_name=sim-&order=desc")
        self.assertEqual(backwards.json["data"]["result"][0]["instance_id"], instance(99))
        one = self.client.get("/v1/instances/batch-query?page_no=1&page_size=10&instance_id=" + instance(8))
        self.assertEqual([(found["instance_id"], found["running_status"]) for found in one.json["data"]["result"]],
                         [(instance(8), 2)])


class Waiting(Case):
    def test_wait_answers_at_the_moment_of_the_end(self):
        begin = time.monotonic()
        task = self.client.run("sleep 1; echo woke", [instance(0)])
        answer = self.client.get("/v1/instances/tasks/%s?wait=30" % task)
        self.assertEqual(answer.json["data"]["jobs"][0]["execute_msg"], "woke\n")
        self.assertGreater(time.monotonic() - begin, 1)
        self.assertLess(answer.seconds, 3 * PATIENCE_FACTOR)

    def test_wait_gives_up_when_it_said(self):
        task = self.client.run("sleep 8", [instance(1)])
        answer = self.client.get("/v1/instances/tasks/%s?wait=1" % task)
        self.assertEqual([(job["status"], job["error_code"], job["execute_msg"])
                          for job in answer.json["data"]["jobs"]], [(1, "", None)])
        self.assertGreater(answer.seconds, 0.9)
        self.assertLess(answer.seconds, 4 * PATIENCE_FACTOR)
        self.assertLess(self.client.get("/v1/instances/tasks/%s" % task).seconds, 0.9 * PATIENCE_FACTOR)
        self.client.post("/api/v1/tasks/%s/cancel" % task, {})
        self.client.wait_task(task)

    def test_many_waiters_are_all_told(self):
        task = self.client.run("sleep 1; echo all", [instance(2)])
        waiters = [self.client_with(self.admin) for _ in range(30)]
        for waiter in waiters:
            waiter.connection.request("GET", "/v1/instances/tasks/%s?wait=30" % task,
                                      headers={"X-Auth-Token": self.admin})
        for waiter in waiters:
            self.assertIn(b'"execute_msg":"all\\n"', waiter.connection.getresponse().read())


class Clocks(Case):
    def test_run_timeout_kills_on_the_phone(self):
        begin = time.monotonic()
        task = self.client.run("echo first; sleep 50", [instance(0)], run_timeout_s=1)
        job, = self.koophone_jobs(task)
        self.assertEqual((job["status"], job["error_code"], job["execute_msg"]),
                         (-1, "DROVER.JOB.TIMEOUT", "first\n"))
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertLess(time.monotonic() - begin, 8 * PATIENCE_FACTOR)
        # Nothing of it is left on the phone, which takes the next command at once.
        job, = self.koophone_jobs(self.client.run("echo next", [instance(0)]))
        self.assertEqual((job["status"], job["execute_msg"]), (2, "next\n"))

    def test_start_deadline_of_a_busy_phone(self):
        blocker = self.client.run("sleep 3", [instance(1)])
        task = self.client.run("echo too late", [instance(1)], start_deadline_s=1)
        job, = self.koophone_jobs(task)
        self.assertEqual((job["status"], job["error_code"], job["execute_msg"]), (-1, "DROVER.JOB.EXPIRED", None))
        self.assertEqual(self.koophone_jobs(blocker)[0]["status"], 2)
        self.assertNotIn("echo too late", [command for _, _, command in self.sim.begun()])

    def test_start_deadline_of_an_unreachable_phone(self):
        name = self.unreachable("nowhere")
        begin = time.monotonic()
        job, = self.koophone_jobs(self.client.run("echo never", [name], start_deadline_s=1))
        self.assertEqual((job["status"], job["error_code"], job["execute_msg"]), (-1, "DROVER.JOB.OFFLINE", None))
        self.assertGreaterEqual(time.monotonic() - begin, 0.9)

    def test_cancel(self):
        running = self.client.run("echo begun; sleep 50", [instance(2)])
        queued = self.client.run("echo cancelled before it began", [instance(2)])
        until(lambda: self.client.get("/api/v1/tasks/" + running).json["counts"]["running"] == 1, "it runs")
        for task in (queued, running):
            answer = self.client.post("/api/v1/tasks/%s/cancel" % task, {})
            self.assertEqual((answer.status, answer.body), (200, b"{}"))
        for task, shown in ((running, "begun\n"), (queued, None)):
            job, = self.koophone_jobs(task)
            self.assertEqual((job["status"], job["error_code"]), (-1, "DROVER.JOB.CANCELLED"))
            if shown is None:
                self.assertIsNone(job["execute_msg"])
        self.assertNotIn("echo cancelled before it began", [command for _, _, command in self.sim.begun()])


class Order(Case):
    def test_jobs_of_a_phone_run_one_at_a_time_in_the_order_accepted(self):
        # From one connection: each is accepted before the next is sent.
        tasks = [self.client.run("sleep 0.02; echo order %02d" % number, [instance(0), instance(1)])
                 for number in range(30)]
        jobs = [self.client.wait_task(task) for task in tasks]
        begun = self.sim.begun()
        for phone in range(2):
            self.assertEqual([command for _, on, command in begun if on == phone and "; echo order" in command],
                             ["sleep 0.02; echo order %02d" % number for number in range(30)])
            times = [(job[phone]["begun_at"], job[phone]["ended_at"]) for job in jobs]
            for before, after in zip(times, times[1:]):
                self.assertLessEqual(before[1], after[0], "a job began before the one before it had ended")


class RequestIds(Case):
    def answered(self, path, **headers):
        answer = self.client.post(path, {"command": "true", "instance_ids": [instance(0)]}, **headers)
        self.assertEqual(answer.status, 200)
        return answer.headers["X-Request-Id"]

    def test_in_the_header_in_the_query_or_absent(self):
        self.assertEqual(self.answered(ASYNC, x_request_id="mine-1"), "mine-1")
        self.assertEqual(self.answered(ASYNC + "?x-request-id=mine-2"), "mine-2")
        self.assertEqual(self.answered(ASYNC + "?x-request-id=mine-2", x_request_id="mine-3"), "mine-3")
        made = [self.answered(ASYNC) for _ in range(2)]
        self.assertNotEqual(*made)
        for one in made:
            self.assertRegex(one, ID)


class Access(Case):
    def refused(self, client, method, path, body=None, status=401, code="APIGW.0301"):
        answer = client.request(method, path, body)
        self.assertEqual((answer.status, answer.json["error_code"]), (status, code),
                         "%s %s: %r" % (method, path, answer))
        self.assertTrue(answer.json["error_msg"])
        return answer

    def test_without_a_token_or_with_a_wrong_one(self):
        command = {"command": "echo stranger", "instance_ids": [instance(0)]}
        task = self.client.run("true", [instance(0)])
        for token in (None, "", "wrong", self.admin[:-1], self.admin + "x", "x" * 4000):
            stranger = self.client_with(token)
            self.refused(stranger, "POST", ASYNC, command)
            self.refused(stranger, "POST", SYNC, command)
            self.refused(stranger, "GET", "/v1/instances/tasks/" + task)
            self.refused(stranger, "GET", "/api/v1/instances")
            self.refused(stranger, "POST", "/api/v1/tokens", {"project": "default", "role": "admin"})
            self.assertEqual(stranger.get("/healthz").status, 200)
            self.assertEqual(stranger.get("/readyz").status, 200)
            self.assertEqual(stranger.get("/metrics").status, 200)
        self.assertNotIn("echo stranger", [ran for _, _, ran in self.sim.begun()])

    def test_the_project_header_is_for_the_socket_only(self):
        stranger = self.client_with(None)
        self.assertEqual(stranger.get("/api/v1/instances", X_Drover_Project="default").status, 401)

    def test_readonly(self):
        reader = self.client_with(self.server.token(role="readonly"))
        command = {"command": "echo reader", "instance_ids": [instance(0)]}
        task = self.client.run("echo read me", [instance(0)])
        self.client.wait_task(task)
        forbidden = dict(status=403, code="KOOPHONE.API.1001")
        for path in (ASYNC, SYNC, "/api/v1/tasks", "/api/v1/tasks/%s/cancel" % task):
            self.refused(reader, "POST", path, command, **forbidden)
        self.refused(reader, "POST", "/api/v1/instances", {"instances": []}, **forbidden)
        self.refused(reader, "DELETE", "/api/v1/instances/" + instance(0), **forbidden)
        for path in ("/v1/instances/tasks/" + task, "/api/v1/tasks/" + task, "/api/v1/tasks/%s/jobs" % task,
                     "/api/v1/instances", "/v1/instances/batch-query?page_no=1&page_size=1"):
            self.assertEqual(reader.get(path).status, 200, path)
        self.assertEqual(reader.post("/v1/instances/batch-query-status",
                                     {"instance_ids": [instance(0)]}).status, 200)
        self.assertNotIn("echo reader", [ran for _, _, ran in self.sim.begun()])

    def test_admins_of_a_project_make_no_tokens_and_no_projects(self):
        for method, path, body in (("GET", "/api/v1/tokens?project=default", None), ("GET", "/api/v1/projects", None),
                                   ("POST", "/api/v1/tokens", {"project": "default", "role": "admin"}),
                                   ("POST", "/api/v1/projects", {"name": "mine"}),
                                   ("DELETE", "/api/v1/tokens/tok_0000000000000000", None)):
            self.refused(self.client, method, path, body, status=403, code="KOOPHONE.API.1001")

    def test_another_projects_things_are_not_there(self):
        self.server.cli("projects", "create", "other")
        other = self.client_with(self.server.token(project="other"))
        task = self.client.run("echo secret", [instance(0)])
        job = self.client.wait_task(task)[0]["job_id"]
        missing = "0" * 32
        for path in ("/v1/instances/tasks/%s", "/api/v1/tasks/%s", "/api/v1/tasks/%s/jobs"):
            theirs = self.refused(other, "GET", path % task, status=404, code="KOOPHONE.API.1000")
            self.assertEqual(theirs.body, other.get(path % missing).body)
        for path in ("/api/v1/jobs/%s", "/api/v1/jobs/%s/stdout", "/api/v1/jobs/%s/stderr"):
            theirs = self.refused(other, "GET", path % job, status=404, code="KOOPHONE.API.1000")
            self.assertEqual(theirs.body, other.get(path % missing).body)
        self.refused(other, "POST", "/api/v1/tasks/%s/cancel" % task, {}, status=404, code="KOOPHONE.API.1000")
        self.refused(other, "DELETE", "/api/v1/instances/" + instance(0), status=404, code="KOOPHONE.API.1000")
        self.assertEqual(other.get("/api/v1/instances").json["instances"], [])
        self.assertEqual(other.get("/api/v1/tasks").json["tasks"], [])
        found = other.wait_task(other.run("echo trespasser", [instance(0)]))
        self.assertEqual([job["error_code"] for job in found], ["CPS0005"])
        self.assertNotIn("echo trespasser", [ran for _, _, ran in self.sim.begun()])

    def test_tokens_expire_and_are_revoked(self):
        brief = self.client_with(self.server.token(expires="%ds" % (2 * PATIENCE_FACTOR)))
        self.assertEqual(brief.get("/api/v1/tasks").status, 200)
        until(lambda: brief.get("/api/v1/tasks").status == 401, "the token has expired")
        self.refused(brief, "GET", "/api/v1/tasks")
        with LocalClient(self.server) as local:
            made = local.post("/api/v1/tokens", {"project": "default", "role": "admin"}).json
            revoked = self.client_with(made["token"])
            self.assertEqual(revoked.get("/api/v1/tasks").status, 200)
            self.assertEqual(local.request("DELETE", "/api/v1/tokens/" + made["token_id"]).status, 200)
            self.refused(revoked, "GET", "/api/v1/tasks")


if __name__ == "__main__":
    unittest.main()
