# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors."""

import errno
import gc
import os
import pickle
import subprocess
import sys
import threading
import unittest

import broker
import doorward
from doorward import _errors, _library


class Errors(broker.TestCase):
    def refused(self, function, answer):
        """What function raises, if the broker answers so."""

        def script(b):
            b.accept()
            b.call()
            b.send(answer)

        with broker.Broker(script):
            with self.assertRaises(doorward.Error) as raised:
                function()
        return raised.exception

    def test_facts(self):
        """An exception says what the library's error does."""
        error = self.refused(
            lambda: doorward.open("docker"),
            broker.refusal("PermissionDenied", action="org.example.a", hint="Ask carol."),
        )
        self.assertIs(type(error), doorward.AccessDenied)
        self.assertIsInstance(error, PermissionError)
        self.assertIs(error.code, doorward.ERR_DENIED)
        self.assertIs(error.domain, doorward.DOMAIN_POLICY)
        self.assertEqual(error.errno, errno.EACCES)
        self.assertEqual(error.message, "Policy does not allow you full access to docker.")
        self.assertEqual(error.strerror, error.message)
        self.assertEqual(error.hint, "Ask carol.")
        self.assertEqual(error.endpoint, "docker")
        self.assertEqual(error.action_id, "org.example.a")
        self.assertEqual(error.request_id, "r1")
        self.assertEqual(str(error), f"{error.message} Ask carol.")
        copy = pickle.loads(pickle.dumps(error))
        self.assertIs(type(copy), type(error))
        self.assertEqual(vars(copy), vars(error))
        self.assertEqual(copy.errno, error.errno)

    def test_classes(self):
        """Each error of the wire is an exception of its class."""
        for name, parameters, kind in (
            ("EndpointNotFound", {"endpoint": "x"}, doorward.NoEndpoint),
            ("AccessUnsupported", {"endpoint": "x", "access": "full"}, doorward.AccessUnsupported),
            ("PermissionDenied", {}, doorward.AccessDenied),
            ("InteractiveAuthenticationRequired", {"mechanisms": []}, doorward.AuthenticationNeeded),
            ("AuthenticationFailed", {}, doorward.AuthenticationFailed),
            ("AuthenticationCancelled", {}, doorward.AuthenticationCancelled),
            ("AuthenticationUnavailable", {}, doorward.AuthenticationUnavailable),
            ("PolicyUnavailable", {}, doorward.PolicyUnavailable),
            ("EndpointUnavailable", {"endpoint": "x", "errno": errno.ENXIO}, doorward.EndpointDown),
            ("LimitExceeded", {"limit": "LeasesMax"}, doorward.LimitReached),
            ("LeaseNotFound", {"lease": "l"}, doorward.NoLease),
            ("TimedOut", {}, doorward.TimedOut),
            ("FromTheFuture", {}, doorward.ProtocolError),
        ):
            with self.subTest(name):
                answer = broker.refusal(name, **parameters)
                error = self.refused(lambda: doorward.open("x"), answer)
                self.assertIs(type(error), kind)
                word = doorward.error_code_to_string(error.code)
                self.assertEqual(error.code.name.lower().replace("_", "-")[:4], word[:4])
        error = self.refused(
            lambda: doorward.open("x"), broker.refusal("EndpointUnavailable", endpoint="x", errno=6)
        )
        self.assertEqual(error.errno, errno.ENXIO)
        self.assertIsInstance(doorward.TimedOut(18, 1, 0, ""), TimeoutError)
        for kind in ("Needed", "Failed", "Cancelled", "Unavailable"):
            kind = getattr(doorward, f"Authentication{kind}")
            self.assertTrue(issubclass(kind, doorward.AuthenticationError))

    def test_later_class(self):
        """A class of a later library is an Error with its number."""
        error = _errors.make(1000, 77, 0, "So it is.")
        self.assertIs(type(error), doorward.Error)
        self.assertEqual((error.code, error.domain, str(error)), (1000, 77, "So it is."))

    def test_own(self):
        """Errors of the library itself, and of the machine."""
        os.environ["DOORWARD_SOCKET"] = "/nowhere"
        try:
            with self.assertRaises(doorward.NoBroker) as raised:
                doorward.open("x")
        finally:
            del os.environ["DOORWARD_SOCKET"]
        self.assertEqual(raised.exception.errno, errno.ENOENT)
        self.assertRaises(doorward.BadURI, doorward.open, "doorward://x")
        self.assertRaises(doorward.InvalidArgument, doorward.open_auth, "x", None, 1 << 20)

    def test_threads(self):
        """Errors are the thread's own."""
        wrong = []

        def fail(uri, kind):
            for _ in range(200):
                try:
                    doorward.open_auth(uri, None, 0 if kind is doorward.BadURI else 1 << 20)
                except doorward.Error as error:
                    if type(error) is not kind:
                        wrong.append(error)

        threads = [
            threading.Thread(target=fail, args=arguments)
            for arguments in (("doorward://x", doorward.BadURI), ("x", doorward.InvalidArgument)) * 4
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_collector(self):
        """A connection that is collected between a failure and its error does not take that away."""

        class Closing:
            def __del__(self):
                handle = _library.Handle(self.address)
                handle.close()

        def script(b):
            b.open(broker.grant("tracked"))
            b.wait_for_end()

        with broker.Broker(script):
            connection = doorward.open("echo")
            garbage = Closing()
            garbage.address, connection._handle.value = connection._handle.value, None
            garbage.itself = garbage
            del garbage

            name = "open_start"
            plain = _library._functions[name]

            def collected(*arguments):
                result = plain(*arguments)
                gc.collect()
                return result

            _library._functions[name] = collected
            try:
                self.assertRaises(doorward.BadURI, doorward.open, "doorward://x")
            finally:
                _library._functions[name] = plain
            connection.close()

    def test_error_func(self):
        """Errors are shown to one function, which may raise."""
        seen = []
        doorward.set_error_func(seen.append)
        try:
            self.assertRaises(doorward.BadURI, doorward.open, "doorward://x")
            self.assertEqual([type(each) for each in seen], [doorward.BadURI])

            def refuse(error):
                raise LookupError(error.message)

            doorward.set_error_func(refuse)
            with self.assertRaises(LookupError) as raised:
                doorward.open("doorward://x")
            self.assertIsInstance(raised.exception.__context__, doorward.BadURI)
        finally:
            doorward.set_error_func(None)
        self.assertRaises(doorward.BadURI, doorward.open, "doorward://x")
        self.assertEqual(len(seen), 1)

    def test_words(self):
        """The words are the library's."""
        self.assertEqual(doorward.error_code_to_string(doorward.ERR_NO_BROKER), "no-broker")
        self.assertEqual(doorward.error_domain_to_string(doorward.DOMAIN_POLICY), "policy")
        self.assertEqual(doorward.close_reason_to_string(doorward.CLOSE_REVOKED), "revoked")
        self.assertEqual(doorward.error_code_to_string(9999), "unknown")
        self.assertGreater(doorward.version(), 0)

    def test_older_library(self):
        """What the library does not have is said when it is called, and not before."""
        _library.PROTOTYPES["from_the_future"] = (_library.c_int, [])
        try:
            _library._functions["from_the_future"] = _library._find("from_the_future")
            with self.assertRaises(doorward.Unsupported) as raised:
                _library.call("from_the_future")
        finally:
            del _library.PROTOTYPES["from_the_future"]
            _library._functions.pop("from_the_future", None)
        self.assertIn("has no doorward_from_the_future()", raised.exception.message)
        self.assertIn("Upgrade", raised.exception.hint)

    def test_no_library(self):
        """Without the library the import says what is missing."""
        program = (
            "import ctypes, sys\n"
            "def missing(name): raise OSError(name)\n"
            "ctypes.CDLL = missing\n"
            "try: import doorward\n"
            "except ImportError as error: print(error, error.name)\n"
        )
        out = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout
        self.assertIn("libdoorward.so.1 is not found", out)


if __name__ == "__main__":
    unittest.main()
