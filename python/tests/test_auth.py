# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials, against a scripted broker. Who asks for a password has to be root."""

import os
import threading
import unittest

import broker
import doorward

PASSWORDS = [doorward.CRED_PASSPHRASE]


@broker.needs_root
class Credentials(broker.TestCase):
    def ask(self, auth, kind=broker.PROMPT_ECHO_OFF, text="Password: "):
        """One prompt, then a grant. What was answered on the wire, and what the open raised."""
        answers = []

        def script(b):
            b.accept()
            method, parameters = b.call()
            assert method == "Open" and parameters["allowInteractiveAuthentication"] is True
            answers.append(b.converse(kind, text))
            if answers[0] is not None or kind in (broker.PROMPT_INFO, broker.PROMPT_ERROR):
                b.give(broker.grant())
            b.wait_for_end()

        raised = None
        with broker.Broker(script):
            try:
                doorward.open_auth("echo", auth).close()
            except BaseException as error:  # pylint: disable=broad-except
                raised = error
        return answers[0], raised

    def test_answers(self):
        """What is answered arrives, whatever it is made of; an empty answer is one."""
        for answer in (
            "secret", "pässwörd", b"by\xc3\xa9tes", bytearray(b"array"), memoryview(b"view"), "",
            b"", "x" * 511,
        ):
            wanted = answer.encode() if isinstance(answer, str) else bytes(answer)
            asked = []
            auth = doorward.Auth(PASSWORDS, lambda c, a=answer: asked.append(c) or a)
            got, raised = self.ask(auth)
            self.assertIsNone(raised)
            self.assertEqual(got, wanted)
            (credential,) = asked
            self.assertIs(credential.type, doorward.CRED_PASSPHRASE)
            self.assertEqual(credential[1:], ("Password: ", None, None))
            self.assertTrue(credential.wants_answer)

    def test_wiped(self):
        """An array is empty of it afterwards."""
        answer = bytearray(b"secret")
        got, _ = self.ask(doorward.Auth(PASSWORDS, lambda _: answer))
        self.assertEqual((got, answer), (b"secret", bytearray(6)))
        buffer = bytearray(b"not it, secret")
        view = memoryview(buffer)[8:]
        got, _ = self.ask(doorward.Auth(PASSWORDS, lambda _: view))
        self.assertEqual((got, buffer), (b"secret", b"not it, " + bytes(6)))

    def test_types(self):
        """Each kind of prompt is asked for by its type."""
        for kind, listed, wanted in (
            (broker.PROMPT_NAME, "AUTHNAME", "AUTHNAME"),
            (broker.PROMPT_ECHO_ON, "ECHOPROMPT", "ECHOPROMPT"),
            (broker.PROMPT_ECHO_OFF, "NOECHOPROMPT", "NOECHOPROMPT"),
            (broker.PROMPT_INFO, "INFO", "INFO"),
            (broker.PROMPT_ERROR, "ERROR_MSG", "ERROR_MSG"),
        ):
            seen = []

            def callback(credential, seen=seen):
                seen.append(credential)
                return "bob" if credential.wants_answer else None

            auth = doorward.Auth([doorward.CredentialType[listed]], callback)
            got, raised = self.ask(auth, kind, "Text")
            self.assertIsNone(raised)
            self.assertEqual([each.type.name for each in seen], [wanted])
            self.assertEqual(got, b"bob" if seen[0].wants_answer else None)

    def test_cancel(self):
        """None cancels."""
        got, raised = self.ask(doorward.Auth(PASSWORDS, lambda _: None))
        self.assertIsNone(got)
        self.assertIs(type(raised), doorward.AuthenticationCancelled)

    def test_raises(self):
        """What the callback raises the open raises, and the answer is none."""
        for kind in (ZeroDivisionError, KeyboardInterrupt, SystemExit):

            def callback(_, kind=kind):
                raise kind("so")

            got, raised = self.ask(doorward.Auth(PASSWORDS, callback))
            self.assertIsNone(got)
            self.assertIs(type(raised), kind)

    def test_wrong_answers(self):
        """What is no answer is a mistake of the program, and says so."""
        for answer, kind in (
            (3, TypeError),
            ("x" * 512, doorward.InvalidArgument),
            ("with\0in", doorward.InvalidArgument),
            ("\udcff", UnicodeEncodeError),
        ):
            got, raised = self.ask(doorward.Auth(PASSWORDS, lambda _, a=answer: a))
            self.assertIsNone(got)
            self.assertIs(type(raised), kind)

    def test_not_listed(self):
        """What is not listed is not asked for."""
        auth = doorward.Auth([doorward.CRED_INFO], lambda _: self.fail("asked"))
        got, raised = self.ask(auth)
        self.assertIsNone(got)
        self.assertIs(type(raised), doorward.AuthenticationUnavailable)

    def test_nested(self):
        """A callback may use the library, and fail in it."""

        def callback(_):
            self.assertRaises(doorward.BadURI, doorward.open, "doorward://x")
            return doorward.error_code_to_string(0)

        got, raised = self.ask(doorward.Auth(PASSWORDS, callback))
        self.assertEqual((got, raised), (b"ok", None))


class Terminal(unittest.TestCase):
    def in_terminal(self, child, typed):
        """Runs child() with a terminal of its own, on which this is typed once it asks. What it
        wrote there, and its status."""
        import pty

        pid, terminal = pty.fork()
        if pid == 0:
            status = 9
            try:
                status = child()
            finally:
                os._exit(status)
        seen = b""
        timer = threading.Timer(20, os.kill, (pid, 9))
        timer.start()
        try:
            while True:
                data = os.read(terminal, 1024)
                seen += data
                if seen.endswith(b"Password: ") and typed:
                    os.write(terminal, typed)
                    typed = b""
        except OSError:
            pass
        _, status = os.waitpid(pid, 0)
        timer.cancel()
        os.close(terminal)
        return seen, os.waitstatus_to_exitcode(status)

    def test_asks(self):
        """auth_default asks on the terminal, and answers with what is typed."""

        def child():
            credential = doorward.Credential(doorward.CRED_PASSPHRASE, "Password: ", None, None)
            answer = doorward.auth_default(credential)
            return 0 if answer == bytearray(b"secret") else 1

        seen, status = self.in_terminal(child, b"secret\n")
        self.assertEqual(status, 0, seen)
        self.assertNotIn(b"secret", seen)

    def test_end_cancels(self):
        """^D is no answer."""

        def child():
            credential = doorward.Credential(doorward.CRED_PASSPHRASE, "Password: ", None, None)
            return 0 if doorward.auth_default(credential) is None else 1

        self.assertEqual(self.in_terminal(child, b"\x04")[1], 0)

    def test_interrupt(self):
        """^C is a KeyboardInterrupt, and the terminal is as it was."""

        def child():
            credential = doorward.Credential(doorward.CRED_PASSPHRASE, "Password: ", None, None)
            try:
                doorward.auth_default(credential)
            except KeyboardInterrupt:
                import termios

                return 0 if termios.tcgetattr(0)[3] & termios.ECHO else 2
            return 1

        self.assertEqual(self.in_terminal(child, b"\x03")[1], 0)


if __name__ == "__main__":
    unittest.main()
