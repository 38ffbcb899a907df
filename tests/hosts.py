"""Machines of a network of their own, as network namespaces of this one: processes run on them, and any two of them can
be cut off from each other.

A cut is silence in both directions: what is sent is lost, nobody is told, and connections stay as they are until
somebody's patience ends. So it is made at the neighbour's entry: both send to a hardware address that nobody has.
(A route that refuses, or an interface that is down, would tell the sender at once.)

Root is needed. `not_allowed()` says why where it does not work.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess

SLOTS = 512  # networks at once; 198.18.0.0/15, which is set aside for tests of networks, has so many of 256 addresses
NOBODY = "02:00:00:00:de:ad"
SWITCH = "switch"


def ip(*arguments):
    done = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError("ip %s: %s" % (" ".join(map(str, arguments)), done.stderr.strip()))
    return done.stdout


def not_allowed():
    """Why there can be no such network here, or None. It is tried, since a container may forbid any part of it."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nsenter"):
        if not shutil.which(program):
            return "%s is not installed (packages iproute2 and util-linux)" % program
    try:
        network = Network()
        try:
            host = network.add("probe", phones=True)
            network.cut(network.here, host)
            network.heal(network.here, host)
            subprocess.run(host.inside("true"), check=True, capture_output=True)
        finally:
            network.close()
    except (OSError, subprocess.CalledProcessError) as error:
        return "network namespaces are not permitted here: %s" % error
    return None


class Host:
    """`namespace` is None for the one where the tests run."""

    def __init__(self, name, namespace, device, address, mac):
        self.name = name
        self.namespace = namespace
        self.device = device
        self.address = address
        self.mac = mac

    def __repr__(self):
        return self.name

    def inside(self, *command, uid=None, gid=None):
        """What runs that command on this host. It is that very process: nothing stays between it and its signals."""
        if self.namespace is None:
            return list(command)
        user = ["--setgid", str(gid), "--setuid", str(uid)] if uid is not None else []
        return ["nsenter", "--net=/run/netns/" + self.namespace, *user, *command]

    def ip(self, *arguments):
        ip(*(("-n", self.namespace) if self.namespace else ()), *arguments)

    def set(self, path, value):
        subprocess.run(self.inside("sh", "-c", "echo %s >/proc/sys/net/%s" % (value, path)), check=True,
                       capture_output=True)


class Network:
    """Hosts on one switch, until closed; `here` is the tests' own place on it."""

    def __init__(self):
        self.cuts = set()
        self.hosts = []
        self.lock = None
        self.claim()
        atexit.register(self.close)
        try:
            self.sweep()  # what a test left that was killed
            ip("netns", "add", self.namespace(SWITCH))
            self.switch("link", "add", "name", "switch0", "type", "bridge")
            self.switch("link", "set", "switch0", "up")
            self.here = self.join("here", None, "drover%d" % self.slot)
        except BaseException:
            self.close()
            raise

    def claim(self):
        """A number that no other test has: the lock goes with the process, however it ends."""
        for attempt in range(SLOTS):
            slot = (os.getpid() + attempt) % SLOTS
            lock = open("/run/drover-hosts-%d.lock" % slot, "w", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self.slot, self.lock = slot, lock
            self.subnet = "198.%d.%d" % (18 + slot // 256, slot % 256)
            return
        raise OSError("all %d networks are taken" % SLOTS)

    def namespace(self, name):
        return "drover-%d-%s" % (self.slot, name)

    def switch(self, *arguments):
        ip("-n", self.namespace(SWITCH), *arguments)

    def join(self, name, namespace, device):
        number = len(self.hosts) + 1
        host = Host(name, namespace, device, "%s.%d" % (self.subnet, number), "02:00:00:%02x:%02x:%02x" %
                    (self.slot // 256, self.slot % 256, number))
        port = "port%d" % number
        self.switch("link", "add", "name", port, "type", "veth", "peer", "name", device, "address", host.mac,
                    "netns", namespace or str(os.getpid()))
        self.switch("link", "set", port, "master", "switch0", "up")
        host.ip("addr", "add", host.address + "/24", "dev", device)
        host.ip("link", "set", device, "up")
        self.hosts.append(host)
        return host

    def add(self, name, phones=False):
        """A host; one with `phones` is where `drover sim` runs.

        Simulated phones have loopback addresses, and take connections from the device `lo` only. So on their host the
        cable to the switch bears that name.
        """
        namespace = self.namespace(name)
        ip("netns", "add", namespace)
        if phones:
            ip("-n", namespace, "link", "set", "lo", "name", "loop0")
        host = self.join(name, namespace, "lo" if phones else "eth0")
        host.ip("link", "set", "loop0" if phones else "lo", "up")
        host.set("ipv4/conf/all/route_localnet", 1)
        return host

    def phones_are_at(self, phones, host):
        """From `host` the phones are behind that other one."""
        host.ip("route", "replace", "table", "local", "127.1.0.0/16", "via", phones.address, "dev", host.device,
                "src", host.address)

    def cut(self, one, other):
        for host, peer in ((one, other), (other, one)):
            host.ip("neigh", "replace", peer.address, "lladdr", NOBODY, "dev", host.device, "nud", "permanent")
        self.cuts.add(frozenset((one, other)))

    def heal(self, one, other):
        for host, peer in ((one, other), (other, one)):
            host.ip("neigh", "replace", peer.address, "lladdr", peer.mac, "dev", host.device, "nud", "permanent")
        self.cuts.discard(frozenset((one, other)))

    def heal_all(self):
        for pair in list(self.cuts):
            self.heal(*pair)

    def sweep(self):
        """Everything of this network goes: processes too, since a namespace lives as long as one is in it."""
        prefix = self.namespace("")
        for name in (line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()):
            if not name.startswith(prefix):
                continue
            for pid in ip("netns", "pids", name).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            ip("netns", "del", name)
        # The kernel takes its time with a namespace, and so with the other end of the cable.
        device = "drover%d" % self.slot
        if os.path.exists("/sys/class/net/" + device):
            subprocess.run(["ip", "link", "del", device], capture_output=True, check=False)

    def close(self):
        if self.lock is None:
            return
        atexit.unregister(self.close)
        try:
            self.sweep()
        finally:
            self.lock.close()
            self.lock = None
