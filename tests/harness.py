"""What the end-to-end tests share: a server, simulated phones and an HTTP client, each as a real process or socket.

DROVER_BIN names the binary. DROVER_PATIENCE multiplies every deadline, for slow builds (sanitizers): it is how long a
test waits before it calls something broken, never how much it does.
"""

import http.client
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DROVER = os.environ.get("DROVER_BIN", "drover")
PATIENCE_FACTOR = float(os.environ.get("DROVER_PATIENCE", "1"))
PATIENCE = 30 * PATIENCE_FACTOR  # seconds, for what takes milliseconds on an idle machine


def until(question, what, patience=PATIENCE):
    """Asks until the answer is true, and gives it back; after `patience` seconds that is a failure."""
    deadline = time.monotonic() + patience
    pause = 0.002
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError("waited %.0f s in vain until %s; the last answer was %r" % (patience, what, answer))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port():
    """Below those that the kernel gives out, so that none is taken from under a server that is down."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def read_line(pipe, process, patience=PATIENCE):
    """The first line of a process that may hang or end instead of giving one."""
    data = b""
    deadline = time.monotonic() + patience
    while not data.endswith(b"\n"):
        if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError("process %d gave no line within %.0f s" % (process.pid, patience))
        byte = os.read(pipe.fileno(), 1)
        if not byte:
            raise AssertionError("process %d ended with %d" % (process.pid, process.wait()))
        data += byte
    return data.decode()


def temp_folder(test):
    folder = tempfile.mkdtemp(prefix="drover-e2e-")
    # A class and a test name their cleanups differently.
    getattr(test, "addClassCleanup" if isinstance(test, type) else "addCleanup")(
        shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(**more):
    """Ours without any DROVER_ setting that the developer may have."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DROVER_")}
    clean.update(more)
    return clean


def no_zombie(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


class Simulator:
    """`drover sim` in `folder`, until closed. `host` is one of hosts.py with phones."""

    def __init__(self, folder, phones, *arguments, host=None):
        self.phones = phones
        self.journal_path = os.path.join(folder, "journal.log")
        self.control_path = os.path.join(folder, "sim.sock")
        self.list_path = os.path.join(folder, "phones.csv")
        command = [DROVER, "sim", "--json", "--phones", str(phones), "--journal", self.journal_path, "--control",
                   self.control_path, "--write-instances", self.list_path, *arguments]
        self.process = subprocess.Popen(host.inside(*command) if host else command, stdout=subprocess.PIPE,
                                        env=environment())
        try:
            self.ready = json.loads(read_line(self.process.stdout, self.process))
        except BaseException:
            no_zombie(self.process)
            raise

    def address(self, phone):
        first, port = self.ready["first"].rsplit(":", 1)
        number = int.from_bytes(socket.inet_aton(first), "big") + phone
        return "adb://%s:%s" % (socket.inet_ntoa(number.to_bytes(4, "big")), port)

    def control(self, line):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self.control_path)
            connection.sendall(line.encode() + b"\n")
            answer = connection.makefile().readline()
        if not answer.startswith("ok"):
            raise AssertionError("%s: %s" % (line, answer))
        return answer

    def stats(self):
        return {name: int(value) for name, value in
                (word.split("=") for word in self.control("stats").split() if "=" in word)}

    def begun(self):
        """The journal: (milliseconds, phone, user's command) of each command that began, in order.

        Drover puts its own words before a command, to learn its process group, so a user's command is what follows
        the last of these; Drover's own questions (`getprop`, `kill`) are here as well.
        """
        entries = []
        with open(self.journal_path, encoding="utf-8", errors="replace") as journal:
            for line in journal:
                at, phone, _pid, command = line.rstrip("\n").split(" ", 3)
                _, marker, rest = command.partition("echo drover:$$;")
                entries.append((int(at), int(phone), rest if marker else command))
        return entries

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        no_zombie(self.process)


def instance(phone):
    return "sim-%05d" % phone


class Server:
    """`drover serve` on a data folder, until closed; may be started again.

    `binary` and `settings`, a dict of environment variables, are for a server that is not the usual one; `data` is a
    folder that is there already; `host` is one of hosts.py, at whose address it serves then; `port` 0 is any.
    """

    def __init__(self, folder, *arguments, binary=DROVER, settings=None, data=None, host=None, port=0):
        self.folder = folder
        self.data = data or os.path.join(folder, "data")
        self.log_path = os.path.join(folder, "server.log")
        self.arguments = arguments
        self.binary = binary
        self.settings = settings or {}
        self.host = host
        self.wanted_port = port
        self.address = host.address if host else "127.0.0.1"
        self.process = None
        self.start()

    def start(self, *more):
        self.launch(*more)
        self.wait_ready()

    def launch(self, *more):
        """Starts it, and does not wait until it is ready."""
        if self.process:
            no_zombie(self.process)
        command = [self.binary, "serve", "--json", "--http-port", str(self.wanted_port), "--data-dir", self.data,
                   *self.arguments, *more]
        if self.host:
            command = self.host.inside(*command, "--http-address", self.address, "--http-allow-plaintext", "true")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                            env=environment(**self.settings))

    def wait_ready(self):
        try:
            self.ready = json.loads(read_line(self.process.stdout, self.process))
        except BaseException:
            no_zombie(self.process)
            sys.stderr.write(self.log())
            raise
        self.port = self.ready["port"]
        self.url = self.ready["url"]

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        no_zombie(self.process)

    def stop(self, patience=PATIENCE):
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        finally:
            no_zombie(self.process)

    def close(self):
        """At the end of every test: a server that crashed meanwhile, or cannot stop, has failed it."""
        if self.process.returncode is not None:
            return
        if self.process.poll() is not None:
            no_zombie(self.process)
            raise AssertionError("the server ended by itself with %d:\n%s" %
                                 (self.process.returncode, self.log()[-4000:]))
        # What still runs is of no interest any more: the second signal says so. It is another one, since two of the
        # same may be delivered as one.
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            no_zombie(self.process)
        if code != 0:
            raise AssertionError("the server stopped with %d:\n%s" % (code, self.log()[-4000:]))

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def cli(self, *arguments, more=None, **options):
        """`drover ...` as the server's own user; `more` of the environment."""
        return cli(*arguments, environment=environment(DROVER_DATA_DIR=self.data, **(more or {})), **options)

    def token(self, project="default", role="admin", expires="1h"):
        return json.loads(self.cli("tokens", "create", "--project", project, "--role", role, "--expires", expires,
                                   "--json").stdout)["token"]

    def adopt(self, simulator, online=None):
        """Imports the simulator's phones and waits until so many (all, if not said) are online."""
        self.cli("instances", "import", simulator.list_path)
        self.wait_online(simulator.phones if online is None else online)

    def wait_online(self, count):
        with LocalClient(self) as local:
            until(lambda: len(local.get("/api/v1/instances?state=online").json["instances"]) >= count,
                  "%d phones are online" % count)


def cli(*arguments, environment=None, expect=0, patience=PATIENCE, stdin=None):
    """Runs `drover ...` to its end; `expect` is its exit code, None for any."""
    result = subprocess.run([DROVER, *arguments], env=environment, capture_output=True, text=True, timeout=patience,
                            input=stdin)
    if expect is not None and result.returncode != expect:
        raise AssertionError("drover %s ended with %d, not %d:\n%s%s" %
                             (" ".join(arguments), result.returncode, expect, result.stdout, result.stderr))
    return result


class Answer:
    def __init__(self, status, headers, body, seconds=0.0):
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = seconds

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%d %r>" % (self.status, self.body[:400])


class Client:
    """One connection that is kept open, and a token."""

    def __init__(self, server, token=None):
        self.token = token
        self.connection = self.connect(server)

    @staticmethod
    def connect(server):
        return http.client.HTTPConnection(server.address, server.port, timeout=60 + PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, **headers):
        """`body` is sent as JSON unless it is bytes; a header's underscores stand for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("X-Auth-Token", self.token)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        begin = time.monotonic()
        self.connection.request(method, path, body, sent)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read(), time.monotonic() - begin)

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, **headers)

    # What nearly every test does.

    def run(self, command, instances, **more):
        """async-command: the task's id."""
        answer = self.post("/v1/instances/async-command", dict(command=command, instance_ids=instances, **more))
        if answer.status != 200:
            raise AssertionError("async-command: %r" % answer)
        return answer.json["data"]["task_id"]

    def wait_task(self, task, patience=PATIENCE, outage=False):
        """Drover's own view of a finished task's jobs, by instance_id in the order of the task. With an `outage` 503 is
        no surprise."""
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError("task %s has not ended within %.0f s: %r" % (task, patience, found))
            found = self.get("/api/v1/tasks/%s?wait=%d" % (task, max(1, min(60, int(left)))))
            if outage and found.status == 503:
                time.sleep(0.1)
                continue
            if found.status != 200:
                raise AssertionError("task %s: %r" % (task, found))
            if found.json["state"] == "finished":
                return self.jobs(task, outage)

    def jobs(self, task, outage=False):
        jobs = []
        offset = 0
        while offset is not None:
            found = self.get("/api/v1/tasks/%s/jobs?limit=10000&offset=%d" % (task, offset))
            if outage and found.status == 503:
                time.sleep(0.1)
                continue
            if found.status != 200:
                raise AssertionError("jobs of %s: %r" % (task, found))
            page = found.json
            jobs += page["jobs"]
            offset = page["next_offset"]
        return jobs


class LocalClient(Client):
    """The server's own user, over its Unix socket."""

    @staticmethod
    def connect(server):
        path = server.ready["socket"]

        class Connection(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(60 + PATIENCE)
                self.sock.connect(path)

        return Connection("drover")


def started(test, phones, *sim_arguments, serve=(), online=None):
    """(simulator, server) for a test or, given a class, for all tests of it."""
    cleanup = getattr(test, "addClassCleanup" if isinstance(test, type) else "addCleanup")
    folder = temp_folder(test)
    simulator = Simulator(folder, phones, *sim_arguments)
    cleanup(simulator.close)
    server = Server(folder, *serve)
    cleanup(server.close)
    server.adopt(simulator, online)
    return simulator, server
