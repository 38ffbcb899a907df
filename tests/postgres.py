"""A PostgreSQL server of the tests' own: Debian's programs, a folder that goes when the test ends, a port nobody uses."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from harness import PATIENCE, free_port, until


def programs():
    """The folder of initdb, postgres and the others."""
    base = "/usr/lib/postgresql"
    versions = sorted((version for version in os.listdir(base) if version.isdigit()), key=int) \
        if os.path.isdir(base) else []
    for version in reversed(versions):
        if os.path.exists(os.path.join(base, version, "bin", "initdb")):
            return os.path.join(base, version, "bin")
    raise AssertionError("PostgreSQL's programs are not installed: run scripts/install-packages test")


class Postgres:
    """A server that is running, until closed. PostgreSQL refuses to be run by root, so root's tests run it as the user
    that Debian's package has made. `host` is one of hosts.py: it listens there then, for its neighbours as well."""

    SETTINGS = ("max_connections=100", "shared_buffers=64MB", "log_min_messages=warning",
                "autovacuum_naptime=1s", "dynamic_shared_memory_type=mmap")

    def __init__(self, *settings, host=None):
        self.folder = tempfile.mkdtemp(prefix="drover-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "postgres.log")
        self.host = host
        self.address = host.address if host else "127.0.0.1"
        self.settings = ("listen_addresses=" + self.address, *self.SETTINGS, *settings)
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.process = None
        try:
            if self.user:
                os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            self.make_data()
            if host:
                self.port = 5432
                with open(os.path.join(self.data, "pg_hba.conf"), "a", encoding="utf-8") as hba:
                    hba.write("host all all samenet trust\nhost replication all samenet trust\n")
            else:
                self.port = free_port()
            self.start()
        except BaseException:
            self.close()
            raise

    def make_data(self):
        self.run("initdb", "-D", self.data, "-U", "drover", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def run(self, program, *arguments, stdin=None):
        done = subprocess.run([os.path.join(programs(), program), *arguments], capture_output=True, text=True,
                              input=stdin, cwd=self.folder, env=dict(os.environ, HOME=self.folder), **self.as_user())
        if done.returncode != 0:
            raise AssertionError("%s ended with %d: %s" % (program, done.returncode, done.stderr[-2000:]))
        return done.stdout

    def as_user(self):
        return dict(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[]) if self.user else {}

    def start(self):
        command = [os.path.join(programs(), "postgres"), "-D", self.data, "-p", str(self.port), "-k", self.folder,
                   *(part for setting in self.settings for part in ("-c", setting))]
        user = self.as_user()
        if self.host:  # its namespace is entered as root
            command = self.host.inside(*command, uid=self.user.pw_uid, gid=self.user.pw_gid)
            user = {}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **user)
        until(self.ready, "PostgreSQL takes connections")

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError("postgres ended: " + self.log()[-2000:])
        return subprocess.run([os.path.join(programs(), "pg_isready"), "-q", "-h", self.address, "-p", str(self.port)],
                              check=False).returncode == 0

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def url(self, database="postgres"):
        return "postgresql://drover@%s:%d/%s" % (self.address, self.port, database)

    def sql(self, text, database="postgres"):
        """The answer as psql prints it, without decoration."""
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", text)

    def make_database(self, name):
        self.sql("CREATE DATABASE %s" % name)
        return self.url(name)

    def set(self, name, value):
        """While it runs."""
        self.sql("ALTER SYSTEM SET %s = '%s'" % (name, value))
        self.sql("SELECT pg_reload_conf()")

    # Breaking it.

    def stop(self):
        """As an administrator stops it: clients are cut off."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)

    def everybody(self, number):
        """The server's processes, each of which is a session of its own. The first of them stands still meanwhile: it
        neither begins others nor mends what happens to them."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.wait_for([self.process.pid], "T")
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as children:
            pids = [*map(int, children.read().split()), self.process.pid]
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return pids

    def wait_for(self, pids, states):
        """Until all of these processes are in one of the states, or gone."""
        def state(pid):
            try:
                with open("/proc/%d/stat" % pid) as stat:
                    return stat.read().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return None
        until(lambda: all(state(pid) in (None, "Z", *states) for pid in pids), "processes of the database obey")

    def kill(self):
        """All of it at once, as when its machine goes down."""
        killed = self.everybody(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.wait_for(killed, "")  # the next server's memory is the same as theirs
        pid_file = os.path.join(self.data, "postmaster.pid")
        if os.path.exists(pid_file):
            os.unlink(pid_file)

    def pause(self):
        self.everybody(signal.SIGSTOP)

    def resume(self):
        self.everybody(signal.SIGCONT)

    def close(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Replica(Postgres):
    """Streams from `primary`, which from then on acknowledges no commit that is not on the replica's disk."""

    def __init__(self, primary, *settings, host=None):
        self.primary = primary
        super().__init__(*settings, host=host)
        try:
            # After the copy was made: the replica itself is to wait for nobody once it is promoted.
            primary.set("synchronous_standby_names", "*")
            until(lambda: "sync" in primary.sql("SELECT sync_state FROM pg_stat_replication").split(),
                  "the replica is synchronous")
        except BaseException:
            self.close()
            raise

    def make_data(self):
        self.run("pg_basebackup", "-N", "-D", self.data, "-R", "-c", "fast", "-d",
                 self.primary.url() + "?application_name=replica")

    def caught_up(self):
        """Whether readers see all that it has received."""
        return self.sql("SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()").strip() == "t"

    def promote(self):
        if self.sql("SELECT pg_promote()").strip() != "t":
            raise AssertionError("the replica is not promoted: " + self.log()[-2000:])
