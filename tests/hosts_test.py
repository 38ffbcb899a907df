#!/usr/bin/env python3
"""What hosts.py promises to the tests that break networks, with plain sockets and with a real server."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

from harness import PATIENCE_FACTOR, Client, Server, Simulator, instance, temp_folder, until
from hosts import Network, ip, not_allowed
from postgres import Postgres

ECHO = ("import socket; l = socket.create_server(('%s', 7)); c, _ = l.accept()\n"
        "while True:\n"
        "    got = c.recv(100)\n"
        "    if not got: break\n"
        "    c.sendall(got)\n")


class Cuts(unittest.TestCase):
    def setUp(self):
        self.network = Network()
        self.addCleanup(self.network.close)

    def connection(self, host):
        process = subprocess.Popen(host.inside(sys.executable, "-c", ECHO % host.address))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def connected():
            try:
                return socket.create_connection((host.address, 7), 5)
            except ConnectionRefusedError:
                return None
        found = until(connected, "it listens")
        self.addCleanup(found.close)
        return process, found

    def test_a_connection_falls_silent_and_goes_on(self):
        network, host = self.network, self.network.add("one")
        _, connection = self.connection(host)
        connection.sendall(b"before")
        self.assertEqual(connection.recv(100), b"before")
        network.cut(network.here, host)
        connection.settimeout(1)
        connection.sendall(b"after")
        self.assertRaises(socket.timeout, connection.recv, 100)
        with socket.socket() as other:  # nor is a new one refused
            other.settimeout(0.5)
            self.assertRaises(socket.timeout, other.connect, (host.address, 7))
        network.heal(network.here, host)
        connection.settimeout(10)
        self.assertEqual(connection.recv(100), b"after")

    def test_others_notice_nothing(self):
        network = self.network
        one, two = network.add("one"), network.add("two")
        _, connection = self.connection(one)
        network.cut(one, two)
        network.cut(network.here, two)
        connection.sendall(b"still")
        self.assertEqual(connection.recv(100), b"still")

    def test_signals_reach_the_very_process(self):
        process, connection = self.connection(self.network.add("one"))
        process.send_signal(signal.SIGSTOP)
        connection.settimeout(0.5)
        connection.sendall(b"stopped")
        self.assertRaises(socket.timeout, connection.recv, 100)
        process.send_signal(signal.SIGCONT)
        connection.settimeout(10)
        self.assertEqual(connection.recv(100), b"stopped")
        process.kill()
        self.assertEqual(process.wait(10), -signal.SIGKILL)
        self.assertRaises((ConnectionError, AssertionError), self.assertNotEqual, connection.recv(100), b"")

    def test_nothing_is_left(self):
        host = self.network.add("one")
        process, _ = self.connection(host)
        self.assertIn(host.namespace, ip("netns", "list"))
        self.network.close()
        self.assertEqual(process.wait(10), -signal.SIGKILL)
        self.assertNotIn(self.network.namespace(""), ip("netns", "list"))
        until(lambda: not os.path.exists("/sys/class/net/drover%d" % self.network.slot), "the device is gone")

    def test_two_at_once(self):
        other = Network()
        self.addCleanup(other.close)
        self.assertNotEqual(other.subnet, self.network.subnet)


class Drover(unittest.TestCase):
    """A server, its database and its phones, each on a host of its own."""

    @staticmethod
    def send(client, command):
        return client.post("/v1/instances/async-command", {"command": command, "instance_ids": [instance(0)]})

    def test_a_server_and_its_neighbours(self):
        network = Network()
        self.addCleanup(network.close)
        database, phones, node = network.add("database"), network.add("phones", phones=True), network.add("node")
        network.phones_are_at(phones, node)
        folder = temp_folder(self)
        postgres = Postgres(host=database)
        self.addCleanup(postgres.close)
        simulator = Simulator(folder, 3, host=phones)
        self.addCleanup(simulator.close)
        server = Server(folder, settings={"DROVER_STORE": postgres.make_database("drover")}, host=node)
        self.addCleanup(server.close)
        server.adopt(simulator)
        everyone = [instance(phone) for phone in range(3)]
        with Client(server, server.token()) as client:
            self.assertEqual([job["shown"] for job in client.wait_task(client.run("echo here", everyone))],
                             ["here\n"] * 3)
            network.cut(node, database)
            refused = self.send(client, "echo nowhere")
            self.assertEqual(refused.status, 503, refused)
            network.heal(node, database)
            begin = time.monotonic()
            until(lambda: self.send(client, "echo back").status == 200, "tasks are taken again")
            print("refused after %.1f s, taken again after %.1f s" % (refused.seconds, time.monotonic() - begin))
            network.cut(node, phones)
            late = client.run("echo late", everyone, start_deadline_s=int(2 * PATIENCE_FACTOR))
            self.assertNotIn("succeeded", [job["state"] for job in client.wait_task(late)])
            network.heal(node, phones)
            until(lambda: all(job["state"] == "succeeded" for job in
                              client.wait_task(client.run("echo again", everyone, start_deadline_s=5))),
                  "the phones answer", 60 * PATIENCE_FACTOR)


if __name__ == "__main__":
    reason = not_allowed()
    if reason:
        print("skipped: " + reason)
        sys.exit(77)
    unittest.main()
