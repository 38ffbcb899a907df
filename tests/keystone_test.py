#!/usr/bin/env python3
"""Tokens as Keystone gives them, asked for by clients that are not ours: keystoneauth1, the openstack command, curl.

They are Debian's packages, so this runs with Debian's Python.
"""

import http.client
import itertools
import json
import signal
import subprocess
import unittest

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneauth1.identity.generic import password as generic

import time_test
import tls_test
from harness import PATIENCE, PATIENCE_FACTOR, Answer, Client, LocalClient, Server, environment, instance, started, \
    temp_folder, until

PASSWORD = "correct horse 7"
ADMINISTRATOR = "KooPhone Administrator"
READER = "KooPhone ReadOnlyUser"


def login_body(user, password=PASSWORD, scope=None):
    auth = {"identity": {"methods": ["password"], "password": {
        "user": {"name": user, "password": password, "domain": {"name": "Default"}}}}}
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


def project(name):
    return {"project": {"name": name, "domain": {"name": "Default"}}}


def log_in(server, user, password=PASSWORD, scope=None, address="127.0.0.1"):
    """POST /v3/auth/tokens over a connection of its own, from `address`."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE, source_address=(address, 0))
    try:
        connection.request("POST", "/v3/auth/tokens", json.dumps(login_body(user, password, scope)),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def token(server, user, name="default"):
    answer = log_in(server, user, scope=project(name))
    if answer.status != 201:
        raise AssertionError("%s: %r" % (user, answer))
    return answer.headers["X-Subject-Token"]


def add_user(local, name, grants, enabled=True, password=PASSWORD):
    body = {"name": name, "grants": [{"project": where, "role": role} for where, role in grants]}
    if password:
        body["password"] = password
    made = local.post("/api/v1/users", body)
    if made.status != 200:
        raise AssertionError("%s: %r" % (name, made))
    if not enabled:
        local.request("PUT", "/api/v1/users/" + name, {"enabled": False})
    return made.json["user_id"]


def add_people(server):
    """Projects default, blue and empty; alice in the first two, bob reads the first, boss administers the node."""
    with LocalClient(server) as local:
        for name in ("blue", "empty"):
            local.post("/api/v1/projects", {"name": name})
        projects = {one["name"]: one["project_id"] for one in local.get("/api/v1/projects").json["projects"]}
        users = {name: add_user(local, name, grants, name != "gone", None if name == "keys" else PASSWORD)
                 for name, grants in (("alice", [("default", ADMINISTRATOR), ("blue", READER)]),
                                      ("bob", [("default", READER)]), ("boss", [(None, ADMINISTRATOR)]),
                                      ("gone", [("default", READER)]), ("keys", [("default", READER)]))}
    return projects, users


class WithServer(unittest.TestCase):
    """One server with one phone for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        _, cls.server = started(cls, 1)
        cls.projects, cls.users = add_people(cls.server)

    def client(self, secret=None):
        client = Client(self.server, secret)
        self.addCleanup(client.close)
        return client

    def refused(self, answer, status, code):
        """The message of an error, which has to stand in both forms."""
        self.assertEqual(answer.status, status, answer)
        body = answer.json
        self.assertEqual(sorted(body), ["error", "error_code", "error_msg"])
        self.assertEqual((body["error_code"], body["error"]["code"]), (code, status))
        self.assertEqual(body["error"]["message"], body["error_msg"])
        self.assertTrue(body["error"]["title"])
        return body["error_msg"]


class KeystoneAuth(WithServer):
    def session(self, plugin=v3.Password, path="/v3", **more):
        auth = plugin(auth_url=self.server.url + path, password=PASSWORD, **more)
        made = session.Session(auth=auth)
        self.addCleanup(made.session.close)
        return made

    def list(self, made, **more):
        answer = made.get("/v1/instances/batch-query?page_no=1&page_size=10", **more)
        return [one["instance_id"] for one in answer.json()["data"]["result"]]

    def test_names_and_ids_of_users_projects_and_domains(self):
        for who in ({"username": "alice", "user_domain_name": "Default"},
                    {"username": "alice", "user_domain_id": "default"}, {"user_id": self.users["alice"]}):
            for where in ({"project_name": "default", "project_domain_name": "Default"},
                          {"project_name": "default", "project_domain_id": "default"},
                          {"project_id": self.projects["default"]}):
                with self.subTest(who=who, where=where):
                    access = self.session(**who, **where).auth.get_access(session.Session())
                    self.assertEqual((access.user_id, access.username), (self.users["alice"], "alice"))
                    self.assertEqual((access.project_id, access.project_name), (self.projects["default"], "default"))
                    self.assertEqual(access.role_names, [ADMINISTRATOR])
                    self.assertFalse(access.will_expire_soon(23 * 3600))

    def test_the_generic_plugin_finds_the_version(self):
        for path in ("", "/", "/v3", "/v3/"):
            with self.subTest(path=path):
                made = self.session(generic.Password, path, username="alice", user_domain_name="Default",
                                    project_name="default", project_domain_name="Default")
                self.assertEqual(self.list(made, endpoint_filter={"service_type": "koophone"}), [instance(0)])

    def test_koophones_routes_through_the_catalog(self):
        made = self.session(username="alice", user_domain_name="Default", project_name="default",
                            project_domain_name="Default")
        # A client of the service looks for its region, after which its project is named.
        for interface, region in itertools.product(("public", "internal", "admin"), ("RegionOne", "default")):
            self.assertEqual(self.list(made, endpoint_filter={"service_type": "koophone", "interface": interface,
                                                              "region_name": region}), [instance(0)])
        self.assertEqual(self.list(made, endpoint_override=self.server.url), [instance(0)])
        ran = made.post("/v1/instances/sync-command", endpoint_filter={"service_type": "koophone"},
                        json={"command": "echo hello", "instance_ids": [instance(0)]})
        self.assertEqual(ran.json()["data"]["cmd_results"][0]["execute_msg"], "hello\n")
        with self.assertRaises(exceptions.EndpointNotFound):
            made.get("/", endpoint_filter={"service_type": "compute"})

    def test_a_token_that_no_longer_counts_is_replaced(self):
        made = self.session(username="alice", user_domain_name="Default", project_name="default",
                            project_domain_name="Default")
        override = {"endpoint_override": self.server.url}
        self.assertEqual(self.list(made, **override), [instance(0)])
        first = made.get_token()
        ended = self.client(first).request("DELETE", "/v3/auth/tokens", X_Subject_Token=first)
        self.assertEqual(ended.status, 204)
        self.assertEqual(self.list(made, **override), [instance(0)])
        self.assertNotEqual(made.get_token(), first)

    def test_what_is_refused_says_why(self):
        with self.assertRaises(exceptions.Unauthorized) as caught:
            v3.Password(auth_url=self.server.url + "/v3", username="bob", user_domain_name="Default",
                        password="wrong").get_access(session.Session())
        self.assertIn("user, password and project do not go together", str(caught.exception))
        reader = self.session(username="bob", user_domain_name="Default", project_name="default",
                              project_domain_name="Default")
        with self.assertRaises(exceptions.Forbidden):
            reader.post("/v1/instances/async-command", endpoint_override=self.server.url,
                        json={"command": "id", "instance_ids": [instance(0)]})
        with self.assertRaises(exceptions.BadRequest) as caught:
            self.session(username="bob", user_domain_name="Default", domain_id="default").get_token()
        self.assertIn("auth.scope may hold a project only", str(caught.exception))
        with self.assertRaises(exceptions.BadRequest) as caught:
            session.Session(v3.Token(auth_url=self.server.url + "/v3", token="x")).get_token()
        self.assertIn("auth.identity.methods", str(caught.exception))

    def test_unscoped(self):
        made = self.session(username="alice", user_domain_name="Default", unscoped=True)
        access = made.auth.get_access(made)
        self.assertFalse(access.project_scoped)
        self.assertFalse(access.has_service_catalog())
        listed = made.get("/auth/projects", endpoint_override=self.server.url + "/v3").json()["projects"]
        self.assertEqual([one["name"] for one in listed], ["default", "blue"])
        with self.assertRaises(exceptions.Forbidden):
            self.list(made, endpoint_override=self.server.url)
        # Of two projects none is meant when none is named; of one it is that one.
        two = self.session(username="alice", user_domain_name="Default")
        self.assertIsNone(two.auth.get_access(two).project_id)
        one = self.session(username="bob", user_domain_name="Default")
        self.assertEqual(one.auth.get_access(one).project_name, "default")


class OpenStackCommand(WithServer):
    def openstack(self, *arguments, user="alice", password=PASSWORD, where=("--os-project-name", "default"), code=0):
        result = subprocess.run(
            ["/usr/bin/openstack", "--os-auth-url", self.server.url + "/v3", "--os-identity-api-version", "3",
             "--os-username", user, "--os-password", password, "--os-user-domain-name", "Default",
             "--os-project-domain-name", "Default", *where, *arguments],
            capture_output=True, text=True, timeout=PATIENCE, env=self.surroundings())
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return json.loads(result.stdout) if result.stdout.strip() else result.stderr

    @staticmethod
    def surroundings():
        return {name: value for name, value in environment().items() if not name.startswith("OS_")}

    def test_issue_and_revoke(self):
        issued = self.openstack("token", "issue", "-f", "json")
        self.assertEqual((issued["project_id"], issued["user_id"]), (self.projects["default"], self.users["alice"]))
        client = self.client(issued["id"])
        self.assertEqual(client.get("/v1/instances/batch-query?page_no=1&page_size=1").status, 200)
        self.openstack("token", "revoke", issued["id"])
        self.assertEqual(client.get("/v1/instances/batch-query?page_no=1&page_size=1").status, 401)

    def test_unscoped(self):
        issued = self.openstack("token", "issue", "-f", "json", where=())
        self.assertNotIn("project_id", issued)

    def test_projects(self):
        listed = self.openstack("project", "list", "-f", "json")
        self.assertEqual({one["Name"]: one["ID"] for one in listed},
                         {name: self.projects[name] for name in ("default", "blue")})
        listed = self.openstack("project", "list", "-f", "json", user="boss")
        self.assertEqual({one["Name"]: one["ID"] for one in listed}, self.projects)
        shown = self.openstack("project", "show", "blue", "-f", "json")
        self.assertEqual((shown["id"], shown["enabled"]), (self.projects["blue"], True))

    def test_catalog(self):
        listed = self.openstack("catalog", "list", "-f", "json")
        self.assertEqual({one["Type"]: one["Endpoints"][0]["url"] for one in listed},
                         {"identity": self.server.url + "/v3", "koophone": self.server.url})

    def test_wrong_password(self):
        said = self.openstack("token", "issue", password="wrong", code=1)
        self.assertIn("user, password and project do not go together", said)
        self.assertIn("HTTP 401", said)


class Curl(WithServer):
    def curl(self, *arguments):
        """Status, headers in lower case, body."""
        result = subprocess.run(["curl", "-sS", "-i", *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                check=True)
        head, _, body = result.stdout.partition("\n\n")
        lines = head.splitlines()
        headers = dict(line.lower().split(": ", 1) if i else ("", line) for i, line in enumerate(lines) if ": " in line)
        secret = next((line.split(": ", 1)[1] for line in lines if line.startswith("X-Subject-Token: ")), None)
        return int(lines[0].split()[1]), headers, json.loads(body), secret

    def test_as_the_documentation_shows_it(self):
        status, headers, body, secret = self.curl(
            "-X", "POST", self.server.url + "/v3/auth/tokens", "-H", "Content-Type: application/json;charset=utf8",
            "-d", """{
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "domain": {"name": "the-account"},
                                "name": "alice",
                                "password": "%s"
                            }
                        }
                    },
                    "scope": {"project": {"name": "default"}}
                }
            }""" % PASSWORD)
        self.assertEqual(status, 201)
        self.assertTrue(headers["content-type"].startswith("application/json"))
        issued = body["token"]
        self.assertEqual(issued["methods"], ["password"])
        self.assertEqual(issued["project"]["id"], self.projects["default"])
        for name in ("expires_at", "issued_at"):
            self.assertRegex(issued[name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        status, _, body, _ = self.curl(
            "-X", "POST", self.server.url + "/v1/instances/async-command", "-H", "Content-Type: application/json",
            "-H", "x-request-id: 7a3f", "-H", "X-Auth-Token: " + secret,
            "-d", json.dumps({"command": "ls -l /system", "instance_ids": [instance(0)]}))
        self.assertEqual((status, body["error_code"]), (200, "0"))
        status, _, body, _ = self.curl(self.server.url + "/v1/instances/tasks/" + body["data"]["task_id"], "-H",
                                       "x-request-id: 7a40", "-H", "X-Auth-Token: " + secret)
        self.assertEqual(status, 200)


class Routes(WithServer):
    def test_who_may_see_and_end_a_session(self):
        alice, bob, boss = (token(self.server, name) for name in ("alice", "bob", "boss"))
        for asker, seen in ((alice, 200), (boss, 200), (bob, 404)):
            shown = self.client(asker).get("/v3/auth/tokens", X_Subject_Token=alice)
            self.assertEqual(shown.status, seen, shown)
            if seen == 200:
                self.assertEqual(shown.headers["X-Subject-Token"], alice)
                self.assertEqual(shown.json["token"]["user"]["name"], "alice")
                self.assertIn("catalog", shown.json["token"])
        head = self.client(alice).request("HEAD", "/v3/auth/tokens", X_Subject_Token=alice)
        self.assertEqual((head.status, head.body), (200, b""))
        small = self.client(alice).get("/v3/auth/tokens?nocatalog", X_Subject_Token=alice)
        self.assertNotIn("catalog", small.json["token"])
        self.refused(self.client(alice).get("/v3/auth/tokens"), 400, "KOOPHONE.API.1000")
        for subject in ("nothing", self.server.token(), alice[:-1]):
            unknown = self.client(boss).get("/v3/auth/tokens", X_Subject_Token=subject)
            self.refused(unknown, 404, "KOOPHONE.API.1000")

        self.refused(self.client(bob).request("DELETE", "/v3/auth/tokens", X_Subject_Token=alice), 404,
                     "KOOPHONE.API.1000")
        self.assertEqual(self.client(boss).request("DELETE", "/v3/auth/tokens", X_Subject_Token=alice).status, 204)
        self.refused(self.client(alice).get("/v3/auth/projects"), 401, "APIGW.0301")
        self.refused(self.client(boss).get("/v3/auth/tokens", X_Subject_Token=alice), 404, "KOOPHONE.API.1000")

    def names(self, client, path):
        answer = client.get(path)
        self.assertEqual(answer.status, 200, answer)
        return [one["name"] for one in answer.json["projects"]]

    def test_projects(self):
        alice, boss = self.client(token(self.server, "alice")), self.client(token(self.server, "boss"))
        operator = self.client(self.server.token("blue"))
        for path in ("/v3/projects", "/v3/auth/projects", "/v3/users/%s/projects" % self.users["alice"]):
            self.assertEqual(self.names(alice, path), ["default", "blue"])
        self.assertEqual(self.names(boss, "/v3/projects"), ["default", "blue", "empty"])
        self.assertEqual(self.names(operator, "/v3/projects"), ["blue"])
        self.assertEqual(self.names(boss, "/v3/projects?name=blue"), ["blue"])
        self.assertEqual(self.names(alice, "/v3/projects?name=empty"), [])
        self.assertEqual(self.names(boss, "/v3/users/%s/projects" % self.users["bob"]), ["default"])
        self.refused(alice.get("/v3/users/%s/projects" % self.users["bob"]), 403, "KOOPHONE.API.1001")
        self.refused(alice.get("/v3/users/%s/projects" % ("0" * 32)), 403, "KOOPHONE.API.1001")
        self.refused(boss.get("/v3/users/%s/projects" % ("0" * 32)), 404, "KOOPHONE.API.1000")
        shown = alice.get("/v3/projects/" + self.projects["blue"])
        self.assertEqual(shown.json["project"]["name"], "blue")
        # Whether there is a project that somebody has no role in is not told.
        self.assertEqual(self.refused(alice.get("/v3/projects/" + self.projects["empty"]), 404, "KOOPHONE.API.1000"),
                         self.refused(alice.get("/v3/projects/" + "0" * 32), 404, "KOOPHONE.API.1000"))

    def test_errors_have_both_forms(self):
        client = self.client()
        missing = client.get("/v3/auth/projects")
        self.refused(missing, 401, "APIGW.0301")
        self.assertEqual(missing.headers["WWW-Authenticate"], 'Keystone uri="%s/v3"' % self.server.url)
        self.refused(client.get("/v3/auth/projects", X_Auth_Token="drs_" + "x" * 119), 401, "APIGW.0301")
        self.refused(client.get("/v3/nothing"), 404, "APIGW.0101")
        self.assertEqual(client.request("PUT", "/v3/auth/tokens").headers["Allow"], "GET, HEAD, POST, DELETE")
        self.refused(client.request("PUT", "/v3/auth/tokens"), 405, "APIGW.0101")
        self.refused(client.request("POST", "/v3/auth/tokens", b"{"), 400, "KOOPHONE.API.1000")
        self.refused(client.request("POST", "/v3/auth/tokens", b"", Content_Type="text/plain"), 400,
                     "KOOPHONE.API.1000")
        self.refused(client.request("POST", "/v3/auth/tokens", b"<x/>", Content_Type="text/xml"), 415,
                     "KOOPHONE.API.1000")
        self.refused(self.client().request("POST", "/v3/auth/tokens", b"x" * 20000), 413, "KOOPHONE.API.1000")
        self.refused(client.get("/v3", Host='a"b'), 400, "KOOPHONE.API.1000")
        named = client.post("/v3/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {
            "user": {"name": "alice", "password": 7}}}}})
        self.assertEqual(self.refused(named, 400, "KOOPHONE.API.1000"),
                         "auth.identity.password.user.password must be a string")
        # The other interfaces keep their own form.
        self.assertEqual(sorted(client.get("/v1/instances/nothing").json), ["error_code", "error_msg"])

    def test_addresses_are_those_that_the_client_used(self):
        client = self.client()
        for host in ("drover.example.com", "drover.example.com:8443", "[2001:db8::7]:80"):
            shown = client.get("/v3", Host=host).json["version"]
            self.assertEqual(shown["links"][0]["href"], "http://%s/v3/" % host)

    def test_every_reason_has_one_answer(self):
        reasons = [("nobody", PASSWORD, "default"), ("alice", "wrong", "default"), ("gone", PASSWORD, "default"),
                   ("keys", PASSWORD, "default"), ("alice", PASSWORD, "nothing"), ("alice", PASSWORD, "empty")]
        bodies = set()
        for i, (user, password, name) in enumerate(reasons):
            answer = log_in(self.server, user, password, project(name), "127.0.2.%d" % (1 + i))
            self.refused(answer, 401, "APIGW.0301")
            bodies.add(answer.body)
        self.assertEqual(len(bodies), 1)


class Throttling(WithServer):
    def test_guessing_is_slowed_where_it_comes_from(self):
        for _ in range(5):
            self.assertEqual(log_in(self.server, "alice", "wrong").status, 401)
        slowed = log_in(self.server, "alice", "wrong")
        self.refused(slowed, 429, "APIGW.0308")
        wait = int(slowed.headers["Retry-After"])
        self.assertGreaterEqual(wait, 1)
        self.assertLessEqual(wait, 2)
        # The right password does not help before its time, somebody else's login does not suffer, and alice
        # herself gets in from elsewhere.
        self.assertEqual(log_in(self.server, "alice").status, 429)
        self.assertEqual(log_in(self.server, "bob").status, 201)
        self.assertEqual(log_in(self.server, "alice", address="127.0.0.2").status, 201)
        until(lambda: log_in(self.server, "alice").status == 201, "the wait is over")

    def test_unknown_users_are_slowed_alike(self):
        self.assertEqual([log_in(self.server, "nobody", "x", address="127.0.0.3").status for _ in range(6)],
                         [401] * 5 + [429])


class Flood(unittest.TestCase):
    """More logins at once than may wait for their turn."""

    LOGINS = 200

    def setUp(self):
        self.server = Server(temp_folder(self))
        self.addCleanup(self.server.close)

    def send_all(self):
        """Open connections, each with a login on its way. None is of a user or from an address that is slowed."""
        connections = []
        for i in range(self.LOGINS):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE,
                                                    source_address=("127.0.5.%d" % (1 + i // 20), 0))
            self.addCleanup(connection.close)
            connection.connect()
            connections.append(connection)
        for i, connection in enumerate(connections):
            connection.request("POST", "/v3/auth/tokens", json.dumps(login_body("nobody-%d" % i)),
                               {"Content-Type": "application/json"})
        return connections

    def test_who_cannot_be_served_is_told_so(self):
        statuses = {401: 0, 503: 0}
        for connection in self.send_all():
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if answer.status == 503:
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        # As many as may wait had their turn.
        self.assertGreaterEqual(statuses[401], 64)
        self.assertGreater(statuses[503], 0)
        self.assertEqual(log_in(self.server, "nobody").status, 401)

    def test_the_server_stops_under_it(self):
        self.send_all()
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.stop(), 0)


class Restart(unittest.TestCase):
    def test_sessions_outlive_the_server_and_so_does_their_end(self):
        server = Server(temp_folder(self))
        self.addCleanup(server.close)
        add_people(server)
        kept, ended, late = (token(server, "alice") for _ in range(3))

        def end(secret):
            with Client(server, kept) as client:
                return client.request("DELETE", "/v3/auth/tokens", X_Subject_Token=secret).status

        def statuses():
            answers = []
            for secret in (kept, ended, late):
                with Client(server, secret) as client:
                    answers.append(client.get("/v3/auth/projects").status)
            return answers

        self.assertEqual(end(ended), 204)
        self.assertEqual(statuses(), [200, 401, 200])
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(statuses(), [200, 401, 200])
        self.assertEqual(end(late), 204)
        server.kill()
        server.start()
        self.assertEqual(statuses(), [200, 401, 401])


class Expiry(unittest.TestCase):
    def test_a_session_ends_by_itself(self):
        reason = time_test.why_not()
        if reason:
            self.skipTest(reason)
        folder = temp_folder(self)
        clock = time_test.MovedClock(folder)
        server = Server(folder, settings=clock.settings())
        self.addCleanup(server.close)
        add_people(server)
        made = session.Session(v3.Password(auth_url=server.url + "/v3", username="alice", password=PASSWORD,
                                           user_domain_name="Default", project_name="default",
                                           project_domain_name="Default"))
        self.addCleanup(made.session.close)
        first = made.get_token()
        day = 24 * 3600
        with Client(server, first) as client:
            clock.move(day - 60)
            self.assertEqual(client.get("/v3/auth/projects").status, 200)
            clock.move(day + 1)
            self.assertEqual(client.get("/v3/auth/projects").status, 401)
        # The client's own clock says that it still counts: the 401 makes it log in again.
        listed = made.get("/v3/auth/projects", endpoint_override=server.url)
        self.assertEqual(listed.status_code, 200)
        self.assertNotEqual(made.get_token(), first)


class Tls(unittest.TestCase):
    def test_everything_that_is_told_begins_with_https(self):
        pair = tls_test.Pair(temp_folder(self), "server", names="IP:127.0.0.1", ca=True)
        server = Server(temp_folder(self), *pair.settings())
        self.addCleanup(server.close)
        add_people(server)
        made = session.Session(generic.Password(server.url, username="alice", password=PASSWORD,
                                                user_domain_name="Default", project_name="default",
                                                project_domain_name="Default"), verify=pair.certificate)
        self.addCleanup(made.session.close)
        for service, path in (("koophone", ""), ("identity", "/v3")):
            self.assertEqual(made.get_endpoint(service_type=service), server.url + path)
            self.assertTrue(server.url.startswith("https://"))
        listed = made.get("/v1/instances/batch-query?page_no=1&page_size=1",
                          endpoint_filter={"service_type": "koophone"})
        self.assertEqual(listed.status_code, 200)
        refused = made.get("/v3/projects/none", endpoint_override=server.url, raise_exc=False)
        self.assertEqual(refused.status_code, 404)
        unknown = made.get("/v3/projects", endpoint_override=server.url, authenticated=False, raise_exc=False)
        self.assertEqual(unknown.headers["WWW-Authenticate"], 'Keystone uri="%s/v3"' % server.url)


class Audit(WithServer):
    def test_logins_are_entered_without_their_secrets(self):
        secret = token(self.server, "alice")
        log_in(self.server, "bob", "guess-4711", address="127.0.3.1")
        log_in(self.server, "x" * 63 + "\n\u00e9" + "y", "guess-4711", address="127.0.3.2")
        self.client(secret).request("DELETE", "/v3/auth/tokens", X_Subject_Token=secret)
        with LocalClient(self.server) as local:
            answer = local.get("/api/v1/audit?limit=1000")
        entries = [(one["actor"], one["address"], one["action"], one["status"]) for one in answer.json["entries"]
                   if one["action"].startswith("drover:session:")]
        self.assertEqual(entries, [("user:alice", "127.0.0.1", "drover:session:create", 201),
                                   ("user:bob", "127.0.3.1", "drover:session:create", 401),
                                   ("user:" + "x" * 63 + "?", "127.0.3.2", "drover:session:create", 401),
                                   ("user:alice", "127.0.0.1", "drover:session:end", 204)])
        for kept in (PASSWORD, "guess-4711", secret):
            self.assertNotIn(kept, answer.body.decode())
            self.assertNotIn(kept, self.server.log())


class Timing(WithServer):
    TRIES = 15
    RATIO = 1 + 0.3 * PATIENCE_FACTOR

    SERIES = 4  # a machine that is busy with other things spoils one; what tells on somebody shows in all

    def test_how_long_a_refusal_takes_tells_nothing(self):
        for _ in range(self.SERIES):
            least = self.series()
            if max(least.values()) / min(least.values()) < self.RATIO:
                return
            # Guessing is slowed, which a start forgets.
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
        self.fail("in none of %d series it is alike, the last: %r" % (self.SERIES, least))

    def series(self):
        reasons = {"unknown user": ("nobody", PASSWORD, "default"), "wrong password": ("alice", "wrong", "default"),
                   "disabled user": ("gone", PASSWORD, "default"), "no password": ("keys", PASSWORD, "default"),
                   "unknown project": ("bob", PASSWORD, "nothing"), "no role": ("bob", PASSWORD, "empty")}
        times = {reason: [] for reason in reasons}
        for i in range(self.TRIES):
            for reason, (user, password, name) in reasons.items():
                # From ever other addresses, since guessing is slowed.
                with self.connected("127.0.4.%d" % (1 + i)) as client:
                    answer = client.post("/v3/auth/tokens", login_body(user, password, project(name)))
                self.assertEqual(answer.status, 401, (reason, answer))
                times[reason].append(answer.seconds)
        # What else the machine does only adds to it.
        return {reason: sorted(seconds)[2] for reason, seconds in times.items()}

    def connected(self, address):
        client = Client(self.server)
        client.connection.source_address = (address, 0)
        client.connection.connect()
        return client


if __name__ == "__main__":
    unittest.main()
