#!/usr/bin/env python3
"""sync-command when a phone takes longer than the 30 s that it waits. By itself, because it takes these 30 s."""

import unittest

from harness import PATIENCE_FACTOR, Client, instance, started


class Unfinished(unittest.TestCase):
    def test_what_does_not_end_in_time_stays_a_task(self):
        simulator, server = started(self, 2)
        client = Client(server, server.token())
        self.addCleanup(client.close)
        answer = client.post("/v1/instances/sync-command",
                              {"command": "echo begun; sleep 35; echo ended", "instance_ids": [instance(0), "missing"]})
        self.assertEqual(answer.status, 200, answer)
        self.assertGreater(answer.seconds, 29)
        self.assertLess(answer.seconds, 30 + 3 * PATIENCE_FACTOR)
        results = answer.json["data"]["cmd_results"]
        self.assertEqual([(one["instance_id"], one["status"], one["error_code"]) for one in results],
                         [(instance(0), 1, ""), ("missing", -1, "CPS0005")])
        task = answer.headers["X-Drover-Task-Id"]
        later = client.get("/v1/instances/tasks/%s?wait=30" % task)
        self.assertEqual([(job["status"], job["execute_msg"]) for job in later.json["data"]["jobs"]],
                         [(2, "begun\nended\n"), (-1, None)])
        self.assertEqual([phone for _, phone, command in simulator.begun() if "sleep 35" in command], [0])


if __name__ == "__main__":
    unittest.main()
