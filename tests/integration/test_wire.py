# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire, as a client of another language meets it: org.doorward.Broker by the book."""

import os
import socket
import stat

import lib
import varlink


def test_interface_is_the_file():
    """GetInterfaceDescription answers with the very text of the interface file."""
    with varlink.Client() as client:
        reply = client.call(
            "org.varlink.service.GetInterfaceDescription", {"interface": varlink.BROKER}
        )
    lib.expect(
        reply["description"], lib.read(f"{lib.SOURCE}/common/org.doorward.Broker.varlink")
    )


def test_get_info():
    """GetInfo names the interfaces."""
    with varlink.Client() as client:
        reply = client.call("org.varlink.service.GetInfo")
    lib.expect(sorted(reply["interfaces"]), [varlink.BROKER, varlink.SERVICE])
    lib.expect(reply["product"], "doorwardd")


def test_service_errors():
    """What Varlink has errors for is answered with those."""

    def error(method, parameters=None, more=False):
        with varlink.Client() as client:
            try:
                client.call(method, parameters, more)
            except varlink.VarlinkError as raised:
                return raised
        raise lib.Failure(f"{method}: no error")

    lib.expect(error("org.doorward.Broker.Nothing").name, f"{varlink.SERVICE}.MethodNotFound")
    lib.expect_in(
        error("org.example.Thing.Get").name,
        (f"{varlink.SERVICE}.InterfaceNotFound", f"{varlink.SERVICE}.MethodNotFound"),
    )
    description = "org.varlink.service.GetInterfaceDescription"
    lib.expect(
        error(description, {"interface": "org.example"}).name,
        f"{varlink.SERVICE}.InterfaceNotFound",
    )
    raised = error("Open", {"endpoint": "echo", "access": "everything"}, more=True)
    lib.expect(raised.name, f"{varlink.SERVICE}.InvalidParameter")
    lib.expect(raised.parameters["parameter"], "access")
    raised = error("Open", {"endpoint": "echo", "access": "full", "more": True}, more=True)
    lib.expect(raised.parameters["parameter"], "more", "unknown parameter")
    raised = error("Open", {"access": "full"}, more=True)
    lib.expect(raised.parameters["parameter"], "endpoint", "missing parameter")
    raised = error("Open", {"endpoint": "echo", "access": "full"})
    lib.expect(raised.name, f"{varlink.SERVICE}.ExpectedMore")


def test_methods_of_leases_say_what_they_need():
    """A list of none is an empty one; what is to be revoked has to be said; a stream needs more."""
    with varlink.Client() as client:
        lib.expect(client.call("ListLeases", {}).get("lease"), None)
        for method, error in (("Revoke", "InvalidParameter"), ("Monitor", "ExpectedMore")):
            try:
                client.call(method, {})
            except varlink.VarlinkError as refused:
                lib.expect(refused.name, f"{varlink.SERVICE}.{error}", method)
            else:
                raise lib.Failure(f"{method}: no error")


@lib.both_kernel_paths
def test_open_hands_over_a_connected_descriptor():
    """Open gives one descriptor, connected to the right one of the endpoint's two sockets."""

    def body(access):
        with varlink.opened("echo", access) as (_, reply, fd):
            mode = os.fstat(fd).st_mode
            with socket.socket(fileno=os.dup(fd)) as data:
                data.settimeout(5)
                first = varlink.line(data.fileno())
                data.sendall(b"ping")
                return reply, stat.S_ISSOCK(mode), first, data.recv(100), data.getpeername()

    with lib.echo(lib.allow("echo", "read-only"), lib.allow("echo", "full")):
        for access, path in (("read_only", "read-only"), ("full", "full")):
            reply, is_socket, first, answer, peer = lib.as_user("alice", body, access)
            lib.expect(reply["access"], access)
            lib.expect(reply["mode"], "revocable" if access == "full" else "tracked")
            lib.expect_true(reply["lease"] and reply["requestId"], f"lease and request: {reply}")
            lib.expect_true(is_socket, "a socket")
            lib.expect(answer, b"ping")
            lib.expect(peer, f"/run/doorward-echo/{path}")
            lib.expect(first, f"uid={lib.ok('id', '-u', 'doorward-opener').strip()}\n")


def test_proof_is_asked_for_by_need():
    """The nonce is asked for where the kernel has no SO_PEERPIDFD, or where the switch says so."""

    def body():
        with varlink.Client() as client:
            info = client.call("GetBrokerInfo")
            for _ in range(3):
                client.call("Explain", {"endpoint": "echo", "access": "full"})
            return info["identityProof"], client.proofs

    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    wanted, proofs = lib.as_user("alice", body)
    lib.expect(wanted, kernel < (6, 5))
    lib.expect(proofs > 0, wanted)
    with lib.settings(IdentityProof="always"):
        wanted, proofs = lib.as_user("alice", body)
        lib.expect(wanted, True)
        lib.expect(proofs, 1, "proofs on one connection")


def test_proof_must_be_the_nonce():
    """Any other proof than the nonce of this connection is refused, and a nonce is good once."""

    def body():
        with varlink.Client() as first, varlink.Client() as second:
            parameters = {"endpoint": "echo", "access": "read_only"}
            nonces = []
            for client in (first, second):
                client.start("Explain", parameters)
                try:
                    client.reply()
                except varlink.VarlinkError as error:
                    lib.expect(error.short, "IdentityProofRequired")
                    nonces.append(error.parameters["nonce"])
            lib.expect(len(set(nonces)), 2, "different nonces")
            answers = []
            for proof in (nonces[1], nonces[0][:-1], "", nonces[0] + "0"):
                first.start("Explain", {**parameters, "proof": proof})
                try:
                    first.reply()
                    answers.append("served")
                except varlink.VarlinkError as error:
                    answers.append(error.short)
                except varlink.Closed:
                    answers.append("closed")
                    break
            return answers

    with lib.settings(IdentityProof="always"):
        for answer in lib.as_user("alice", body):
            lib.expect_in(answer, ("IdentityProofRequired", "closed", "InvalidParameter"))


def test_list_endpoints():
    """ListEndpoints streams every definition, without asking policy unless that is wanted."""

    def body(parameters):
        with varlink.Client() as client:
            endpoints = []
            client.start("ListEndpoints", parameters, more=True)
            while True:
                try:
                    message = client.receive()
                except varlink.Closed:
                    break
                if "error" in message:
                    if message["error"].endswith("IdentityProofRequired"):
                        client.start(
                            "ListEndpoints",
                            {**parameters, "proof": message["parameters"]["nonce"]},
                            more=True,
                        )
                        continue
                    raise lib.Failure(str(message))
                endpoints.append(message["parameters"]["endpoint"])
                if not message.get("continues"):
                    break
            return {endpoint["name"]: endpoint for endpoint in endpoints}

    with lib.rule(lib.allow("echo", "read-only")):
        found = lib.as_user("alice", body, {})
        shipped = ("libvirt", "mariadb", "postgresql", "kvm", "kmsg", "docker", "podman", "tun")
        for name in ("echo", "serial@", *shipped):
            lib.expect_in(name, found)
        lib.expect_not_in("decision", found["echo"]["full"])
        lib.expect(found["kvm"]["readOnly"]["provided"], False)
        lib.expect(found["docker"]["readOnly"]["means"], "filter")
        lib.expect(found["docker"]["readOnly"]["mode"], "revocable")
        found = lib.as_user("alice", body, {"decisions": True})
        lib.expect(found["echo"]["readOnly"]["decision"], "authorized")
        lib.expect(found["echo"]["full"]["decision"], "challenge")
        lib.expect(found["kvm"]["readOnly"].get("decision"), "unsupported")


def test_several_calls_on_one_connection():
    """Calls are answered in their order; a connection outlives an error."""

    def body():
        with varlink.Client() as client:
            client.call("GetBrokerInfo")
            for _ in range(5):
                client.start("Explain", {"endpoint": "nothing", "access": "full"})
            client.start("Explain", {"endpoint": "echo", "access": "full"})
            for _ in range(5):
                try:
                    client.reply()
                except varlink.VarlinkError as error:
                    lib.expect(error.short, "EndpointNotFound")
            return client.reply()["action"]

    lib.expect(lib.as_user("alice", body), "org.doorward.endpoint.echo.full")


def test_oneway_and_upgrade_are_refused():
    """A call without a reply, or that turns the connection into something else, makes no sense of any
    of these methods: it ends the connection, unanswered."""

    def body(**more):
        with varlink.Client() as client:
            client.send({"method": "org.varlink.service.GetInfo", **more})
            client.expect_closed()

    lib.as_user("alice", lambda: body(oneway=True))
    lib.as_user("alice", lambda: body(upgrade=True))


def test_names_are_public_and_secrets_are_not():
    """Explain tells a caller about themselves, and only the endpoint's public facts."""

    def body():
        with varlink.Client() as client:
            reply = client.call("Explain", {"endpoint": "echo", "access": "full"})
            return reply, os.getuid(), os.getpid()

    reply, uid, pid = lib.as_user("alice", body)
    lib.expect((reply["uid"], reply["pid"]), (uid, pid))
    lib.expect(reply["sessionClass"], "any")
    lib.expect(reply["decision"], "challenge")
    lib.expect(reply["shared"], False)
    lib.expect(reply["registered"], True)
    lib.expect_in("org.doorward.endpoint.echo.full", reply["hint"])
