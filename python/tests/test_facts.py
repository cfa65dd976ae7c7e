# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is, with a connection and without one."""

import os

import broker
import doorward


def serve():
    def script(b):
        b.open(broker.grant())
        b.wait_for_end()

    return broker.Broker(script)


class Machine(broker.TestCase):
    def check(self, info, hostname):
        names = os.uname()
        self.assertEqual(hostname, names.nodename)
        self.assertEqual(info.hostname, names.nodename)
        self.assertEqual((info.kernel, info.architecture), (names.release, names.machine))
        self.assertEqual(info.cpus, os.sysconf("SC_NPROCESSORS_ONLN"))
        pages = os.sysconf("SC_PHYS_PAGES")
        self.assertEqual(info.memory_total, pages * os.sysconf("SC_PAGESIZE"))
        self.assertLessEqual(info.memory_free, info.memory_total)
        self.assertEqual(sum(node.cpus for node in info.nodes), info.cpus)

    def test_without_connection(self):
        """This machine, as Python knows it."""
        self.check(doorward.get_host_info(), doorward.get_hostname())

    def test_with_connection(self):
        with serve(), doorward.open("echo") as connection:
            self.check(connection.get_host_info(), connection.get_hostname())
            self.assertEqual(connection.get_lib_version(), doorward.version())
        self.assertRaises(doorward.InvalidConnection, connection.get_host_info)
