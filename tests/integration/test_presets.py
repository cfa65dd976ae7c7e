# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples for programs that run as services: each is right, and lets in whom it says."""

import contextlib
import glob
import os
import re

import engine
import lib

FOLDER = "/usr/share/doc/doorward/examples/presets"
USERS = {
    "docker-ci": "ci-runner",
    "docker-metrics": "prometheus",
    "docker-portainer": "portainer",
    "docker-traefik": "traefik",
    "docker-watchtower": "watchtower",
}


@contextlib.contextmanager
def installed(name, user):
    """As the comments of the two files say."""
    known = lib.run("id", user).status == 0
    with contextlib.ExitStack() as stack:
        if not known:
            lib.ok("useradd", "--system", user)
            stack.callback(lib.ok, "userdel", user)
        text = lib.read(f"{FOLDER}/{name}.conf")
        stack.enter_context(lib.definition(name, text, apply=False))
        lib.ok("doorward", "policy", "--install", name)
        stack.callback(lib.ok, "doorward", "policy", "--remove", name)
        yield


def decision(user, name):
    endpoint = f"{name}:ro" if name == "docker-metrics" else name
    return lib.run("doorward", "explain", "--json=short", endpoint, user=user).json()["decision"]


@lib.time_limit(90)
def test_presets():
    """Each is a definition without a fault, and its rule, read by polkit, lets its program's user in
    without a password and nobody else in at all."""
    names = sorted(os.path.basename(path)[: -len(".conf")] for path in glob.glob(f"{FOLDER}/*.conf"))
    lib.expect(names, sorted(USERS))
    for name in names:
        result = lib.run("doorward", "verify", f"{FOLDER}/{name}.conf").expect_status(0)
        lib.expect_not_in("warning:", result.out)

    with contextlib.ExitStack() as stack:
        for name, user in USERS.items():
            stack.enter_context(installed(name, user))
        lib.apply_definitions()
        for name, user in USERS.items():
            lib.expect(decision(user, name), "challenge", f"{name} without its rule")
        stack.enter_context(lib.rule(*(lib.read(f"{FOLDER}/{name}.rules") for name in names)))
        for name, user in USERS.items():
            lib.expect(decision(user, name), "authorized", name)
            lib.expect(decision("alice", name), "denied", name)
    lib.apply_definitions()


@lib.time_limit(90)
def test_metrics():
    """The script that the preset for metrics has as an example counts containers, by an endpoint that
    gives nothing more to anybody."""
    text = lib.read(f"{FOLDER}/docker-metrics.conf")
    script = "".join(re.findall(r"^#     (docker ps .*\n|    awk .*\n)", text, re.M))
    with installed("docker-metrics", "prometheus"), engine.engine(image=True) as it, lib.scratch() as place:
        it.start_container()
        lib.apply_definitions()
        lib.write(f"{place}/docker-metrics", f"#!/bin/sh\n{script}", mode=0o755)
        run = ("doorward", "run", "--no-ask-password", "docker-metrics:ro", "--")
        with lib.rule(lib.read(f"{FOLDER}/docker-metrics.rules")):
            result = lib.run(*run, f"{place}/docker-metrics", user="prometheus").expect_status(0)
            lib.expect(result.out, 'docker_containers{state="running"} 1\n')
            result = lib.run(*run, "docker", "rm", "--force", "one", user="prometheus")
            lib.expect_in("doorward", result.err)
            lib.expect_in("one", it.docker("ps"))
            result = lib.run("doorward", "run", "docker-metrics", "--", "true", user="prometheus")
            lib.expect_in("There is no full access to docker-metrics", result.err)
    lib.apply_definitions()
