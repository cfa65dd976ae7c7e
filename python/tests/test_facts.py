# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is, with a connection and without one."""

import os
import unittest

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


INFO = {
    "version": "1.2.3",
    "protocol": 1,
    "identityProof": False,
    "polkit": "polkit 122",
    "features": ["pidfd", "peerpidfd"],
    "limits": {"LeasesPerUser": 16, "LeasesMax": 99},
    "use": {"LeasesPerUser": 3},
    "mechanisms": ["agent"],
}


class Broker(broker.TestCase):
    def test_limits(self):
        """By their names, with a connection and without one."""

        def script(b):
            b.open(broker.grant())
            b.put_aside()
            for _ in range(2):
                b.accept()
                self.assertEqual(b.call()[0], "GetBrokerInfo")
                b.send({"parameters": INFO})
                b.hang_up()

        with broker.Broker(script), doorward.open("echo") as connection:
            for limits in (connection.get_limits(), doorward.get_limits()):
                self.assertEqual(limits, {"LeasesPerUser": (16, 3), "LeasesMax": (99, None)})

    def test_capabilities(self):
        """What JSON says, as Python has it."""

        def script(b):
            b.accept()
            self.assertEqual(b.call()[0], "GetBrokerInfo")
            b.send({"parameters": INFO})
            self.assertEqual(b.call(), ("ListEndpoints", {"decisions": True}))
            b.send({"parameters": {"endpoint": {"name": "echo"}}})
            b.wait_for_end()

        with broker.Broker(script):
            capabilities = doorward.get_capabilities()
        self.assertEqual(capabilities["broker"]["version"], "1.2.3")
        self.assertEqual(capabilities["host"]["hostname"], os.uname().nodename)
        self.assertEqual(capabilities["endpoints"], [{"name": "echo"}])

    def test_security_model(self):
        """Of the grant; who answers as the test's own user is not the system's broker."""
        with serve(), doorward.open("echo") as connection:
            model = connection.get_security_model()
            self.assertEqual((model.authorizer, model.read_only), ("polkit", "none"))
            self.assertEqual((model.connect_as, model.mode), (None, "revocable"))
            self.assertIsInstance(model.label, str)
            self.assertIs(connection.is_secure(), os.getuid() == 0)
            self.assertIs(connection.is_encrypted(), False)

    def test_nobody(self):
        """Without a broker it is an exception like any other."""
        os.environ["DOORWARD_SOCKET"] = "/nonexistent/broker"
        try:
            self.assertRaises(doorward.NoBroker, doorward.get_limits)
            self.assertRaises(doorward.NoBroker, doorward.get_capabilities)
        finally:
            del os.environ["DOORWARD_SOCKET"]


if __name__ == "__main__":
    unittest.main()
