#!/usr/bin/env python3
"""What a fleet with many sick phones costs the healthy ones, and the server: one simulator, one server, two cores.

  bench/hostile_fleet.py               10,000 phones, about four minutes; writes its table into docs/performance.md
  bench/hostile_fleet.py --phones 2000 --tasks 3 --idle 10 --dry-run

Of the phones 10% fall silent after the TCP connection, 5% drop their connection every 20 s, 2% answer with garbage and
1% hang in the middle of a command (tests/sick_fleet.py). Figures of the healthy are of the same phones with and without
the sick. The last line printed is JSON.
"""

import argparse
import datetime
import importlib.machinery
import json
import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
os.environ.setdefault("DROVER_BIN", str(BUILD / "src/cli/drover"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))

from harness import Client, LocalClient, Server, Simulator, instance, until  # noqa: E402
from sick_fleet import HEALTHY, fall_ill, fault_of, wrong_codes  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
MARKS = ("<!-- hostile fleet -->\n", "<!-- end of hostile fleet -->")
COMMAND = "getprop ro.build.version.release"
FLAP_EVERY = 20  # seconds
# Memory is allowed to grow where it has a limit, which ten tasks do not reach: so finished tasks are not kept in
# memory, and before the first counted task so many are run that SQLite's page caches (40 MiB) are full.
CACHE_BYTES = 0
WARM_UP_JOBS = 700_000


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def unix(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Usage:
    """CPU seconds, wake-ups, tries to connect and bytes logged since it was made."""

    def __init__(self, bench):
        self.bench = bench
        self.begin = self.read()

    def read(self):
        pid = self.bench.server.process.pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        wakes = 0
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            wakes += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text()).group(1))
        return {"at": time.monotonic(), "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
                "wakes": wakes, "tries": self.bench.metric("drover_link_tries_total"),
                "log": os.path.getsize(self.bench.server.log_path)}

    def per_second(self):
        end = self.read()
        seconds = end["at"] - self.begin["at"]
        return {name: (end[name] - self.begin[name]) / seconds for name in ("cpu", "wakes", "tries", "log")}


class Bench:
    def __init__(self, folder, arguments):
        self.arguments = arguments
        self.phones = arguments.phones
        self.healthy = [i for i in range(self.phones) if fault_of(i) == HEALTHY]
        # With its real price: a signature for each link. The first start makes the key.
        self.server = Server(folder, "--http-access-log", "false", "--jobs-cache-bytes", str(CACHE_BYTES))
        key = next(pathlib.Path(self.server.data).glob("*.pub"))
        self.simulator = Simulator(folder, self.phones, "--auth", str(key))
        self.client = None
        self.adopt()

    def close(self):
        self.server.close()
        self.simulator.close()

    def adopt(self):
        self.server.cli("instances", "import", self.simulator.list_path)
        self.wait_online(self.phones)
        self.client = Client(self.server, self.server.token(expires="1h"))

    def metric(self, name):
        with LocalClient(self.server) as local:
            text = local.get("/metrics").body.decode()
        return float(re.search("^" + re.escape(name) + r" (\S+)", text, re.M).group(1))

    def online(self):
        return self.metric('drover_links{state="online"}')

    def wait_online(self, count):
        until(lambda: self.online() >= count, f"{count} links are up", 120)

    def instances(self):
        with LocalClient(self.server) as local:
            return local.get("/api/v1/instances").json["instances"]

    def restart(self, how):
        """Seconds from the start of the new process until 90%, 99% and all of the healthy links are up."""
        if how == "SIGTERM":
            self.server.stop()
        else:
            self.server.kill()
        begin = time.time()
        self.server.start()
        wanted = {instance(i) for i in self.healthy}
        self.wait_online(len(wanted) * 0.99)

        def up():
            return [i for i in self.instances() if i["state"] == "online" and i["instance_id"] in wanted]

        linked = until(lambda: (found := up()) and len(found) == len(wanted) and found, "all healthy links are up", 120)
        after = [unix(i["since"]) - begin for i in linked]
        self.client = Client(self.server, self.client.token)
        return {"90%": percentile(after, 0.90), "99%": percentile(after, 0.99), "100%": max(after)}

    def idle(self):
        usage = Usage(self)
        time.sleep(self.arguments.idle)
        return usage.per_second()

    def warm_up(self):
        for _ in range(WARM_UP_JOBS // self.phones if self.arguments.warm_up else 0):
            task = self.client.post("/api/v1/tasks", {"command": COMMAND, "all": True}).json["task_id"]
            while self.client.get(f"/api/v1/tasks/{task}?wait=30").json["state"] != "finished":
                pass

    def task(self, sick):
        """One task over all phones; the seconds that healthy phones' jobs took, and that all of it took."""
        clocks = {"start_deadline_s": self.arguments.start_deadline, "run_timeout_s": self.arguments.run_timeout}
        answer = self.client.post("/api/v1/tasks", {"command": COMMAND, "all": True, **clocks})
        task = answer.json["task_id"]
        jobs = self.client.wait_task(task, sum(clocks.values()) + 30)
        whole = self.client.get("/api/v1/tasks/" + task).json
        created = unix(whole["created_at"])
        wrong = wrong_codes(jobs) if sick else [job for job in jobs if job["state"] != "succeeded"]
        if wrong:
            raise SystemExit(f"{len(wrong)} jobs ended otherwise than they may, for example {wrong[0]}")
        healthy = [unix(jobs[phone]["ended_at"]) - created for phone in self.healthy]
        return {"p50": percentile(healthy, 0.5), "p99": percentile(healthy, 0.99), "last": max(healthy),
                "whole": unix(whole["finished_at"]) - created, "rss": self.server.rss_kib()}

    def tasks(self, count, sick):
        """With the sick, the next task begins when the last one's start deadline has passed. Without them too: a task
        that follows at once finds warm caches and is faster."""
        rounds = []
        for _ in range(count):
            next_at = time.monotonic() + self.arguments.start_deadline
            rounds.append(self.task(sick))
            time.sleep(max(0, next_at - time.monotonic()))
        out = {name: statistics.median(r[name] for r in rounds) for name in ("p50", "p99", "last")}
        out["whole"] = max(r["whole"] for r in rounds)
        out["rss"] = [r["rss"] for r in rounds]
        return out

    def twice(self):
        found = [command for command in self.simulator.begun() if command[2] == COMMAND]
        tasks = self.arguments.tasks * 2 + (WARM_UP_JOBS // self.phones if self.arguments.warm_up else 0)
        counts = {}
        for _, phone, _ in found:
            counts[phone] = counts.get(phone, 0) + 1
        return sum(1 for n in counts.values() if n > tasks)


def measure(arguments):
    folder = tempfile.mkdtemp(prefix="drover-hostile-")
    bench = Bench(folder, arguments)
    out = {}
    try:
        say("all phones healthy: restarts, at rest, tasks")
        out["restart"] = {how: bench.restart(how) for how in ("kill -9", "SIGTERM")}
        out["idle"] = bench.idle()
        bench.warm_up()
        out["tasks"] = bench.tasks(arguments.tasks, sick=False)
        fall_ill(bench.simulator, FLAP_EVERY)
        say("with the sick: tasks, at rest, restarts")
        log = os.path.getsize(bench.server.log_path)
        out["sick_tasks"] = bench.tasks(arguments.tasks, sick=True)
        out["sick_idle"] = bench.idle()
        out["log"] = os.path.getsize(bench.server.log_path) - log
        out["sick_restart"] = {how: bench.restart(how) for how in ("kill -9", "SIGTERM")}
        out["begun_too_often"] = bench.twice()
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    return out


def table(out, arguments):
    well, sick = out["tasks"], out["sick_tasks"]
    rss = sick["rss"]
    clocks = arguments.start_deadline + arguments.run_timeout
    rows = [("what", "all healthy", "with the sick", "ratio", "to reach")]
    for name, text in (("p50", "half of the healthy phones' jobs"), ("p99", "99% of them"), ("last", "all of them")):
        rows.append((f"task over all phones: {text} ended after, s", f"{well[name]:.2f}", f"{sick[name]:.2f}",
                     f"{sick[name] / well[name]:.2f}", "at most 1.5"))
    rows.append((f"all of the task ended after, s (clocks: {arguments.start_deadline} s, {arguments.run_timeout} s)",
                 f"{well['whole']:.1f}", f"{sick['whole']:.1f}", "", f"at most {clocks}"))
    half = max(1, len(rss) // 2)
    first, last = ([out[each]["rss"][at - 1] / 1024 for each in ("tasks", "sick_tasks")] for at in (half, len(rss)))
    rows.append((f"MiB resident after {half} and after {len(rss)} such tasks", f"{first[0]:.1f}, {last[0]:.1f}",
                 f"{first[1]:.1f}, {last[1]:.1f}", "", "the same"))
    for how in ("kill -9", "SIGTERM"):
        a, b = out["restart"][how], out["sick_restart"][how]
        rows.append((f"90%, 99%, all healthy links up after {how} and start, s",
                     ", ".join(f"{v:.1f}" for v in a.values()), ", ".join(f"{v:.1f}" for v in b.values()),
                     f"{b['100%'] / a['100%']:.2f}", "all in 30"))
    a, b = out["idle"], out["sick_idle"]
    rows.append(("server's CPU at rest, % of a core", f"{a['cpu'] * 100:.2f}", f"{b['cpu'] * 100:.2f}", "", ""))
    rows.append(("server's wake-ups a second at rest", f"{a['wakes']:.1f}", f"{b['wakes']:.1f}", "", ""))
    rows.append(("tries to connect a second at rest", f"{a['tries']:.1f}", f"{b['tries']:.1f}", "", ""))
    rows.append(("bytes logged during these tasks and at rest, level info", "", f"{out['log']:,}", "", ""))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|---|---|---|---|"] + lines[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, default=10_000, help="at least 100: some of each kind")
    parser.add_argument("--tasks", type=int, default=10, help="over all phones; so many without the sick, then with")
    parser.add_argument("--start-deadline", type=int, default=6, help="of these tasks, seconds")
    parser.add_argument("--run-timeout", type=int, default=4, help="of these tasks, seconds")
    parser.add_argument("--idle", type=int, default=20, help="seconds that the fleet at rest is watched")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false", help="memory grows until caches are full")
    parser.add_argument("--dry-run", action="store_true", help="print the table, write nothing")
    arguments = parser.parse_args()

    scripts_bench = importlib.machinery.SourceFileLoader("scripts_bench", str(ROOT / "scripts/bench")).load_module()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)  # phones, server and this program share them
    out = measure(arguments)
    text = table(out, arguments)
    print(text)
    print(json.dumps(out))
    if not arguments.dry_run:
        head, rest = PAGE.read_text().split(MARKS[0], 1)
        tail = rest.split(MARKS[1], 1)[1]
        PAGE.write_text(f"{head}{MARKS[0]}Measured on {scripts_bench.machine(cores)}; {arguments.phones:,} phones, of "
                        f"which 10% are silent, 5% flap, 2% send garbage and 1% hang.\n\n{text}\n{MARKS[1]}{tail}")
    if out["begun_too_often"]:
        raise SystemExit(f"{out['begun_too_often']} phones ran more commands than there were tasks")


if __name__ == "__main__":
    main()
