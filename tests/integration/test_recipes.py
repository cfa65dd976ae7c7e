# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of the cookbook that are programs, with more than their pages have them do: much at once,
and the end of the lease. (The pages as they stand are test_cookbook.py's.)"""

import contextlib
import json

import lib
import recipes
import test_postgres


@contextlib.contextmanager
def recipe(page):
    """The programs of a page, in a folder: a module, and what uses it."""
    with lib.scratch() as folder:
        for step in recipes.Page(page).steps:
            if isinstance(step, recipes.File) and step.path.endswith(".py"):
                lib.write(f"{folder}/{step.path}", step.text)
        yield folder


def run(folder, program, user="alice", **options):
    return lib.run("/usr/bin/python3", "-B", f"{folder}/{program}", user=user, **options)


def follow(program, first, last, **options):
    """Runs it until it has said the first, revokes the one lease that there is, and lets it go on.
    Its grant, which is the only one."""
    journal = lib.Journal()
    process = lib.start(
        "/usr/bin/python3", "-B", program, user="alice", text=True, stdin=lib.subprocess.PIPE,
        stdout=lib.subprocess.PIPE, **options,
    )
    lib.expect(process.stdout.readline().strip(), first)
    (lease,) = json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
    lib.ok("doorward", "revoke", lease["id"])
    lib.expect(process.communicate("\n", timeout=20)[0][: len(last)], last)
    lib.expect(process.returncode, 0)
    (grant,) = journal.wait("the grant", MESSAGE_ID=lib.GRANTED)
    lib.expect(grant["DOORWARD_LEASE"], lease["id"])
    return grant


# psycopg.

LARGE = """
import sys, threading
import psycopg2
from private_socket import private_socket

with private_socket("postgresql", ".s.PGSQL.5432") as folder:
    def connect():
        return psycopg2.connect(host=folder, user="app", dbname="postgres")

    databases = [connect() for _ in range(5)]
    for database in databases:
        with database.cursor() as cursor:
            # More than fits into any buffer, both ways.
            cursor.execute("select length(%s), repeat('b', 3000000)", ("a" * 3000000,))
            length, text = cursor.fetchone()
            assert length == len(text) == 3000000

    # A query is cancelled over a connection of its own.
    threading.Timer(0.5, databases[0].cancel).start()
    try:
        databases[0].cursor().execute("select pg_sleep(20)")
        sys.exit("not cancelled")
    except psycopg2.errors.QueryCanceled:
        databases[0].rollback()

    for database in databases[1:]:
        database.close()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        databases[0].cursor().execute("select 1")
        sys.exit("not cut")
    except psycopg2.OperationalError:
        print("cut")
    try:
        connect()
        sys.exit("let in again")
    except psycopg2.OperationalError:
        print("refused")
    print(folder)
"""


@lib.time_limit(120)
def test_psycopg():
    """psycopg2 with a real PostgreSQL: the role is the mapped one; many connections are one lease,
    and end with it; without a rule there is nothing."""
    with test_postgres.server(), recipe("psycopg") as folder:
        result = run(folder, "report.py")
        lib.expect_in("there is no terminal to ask for it on", result.err)
        lib.expect_in("ConnectionError: postgresql could not be opened", result.err)
        with lib.rule(lib.allow("postgresql", "full")):
            lib.expect(run(folder, "report.py").expect_status(0).out, "app postgres\n")

            lib.write(f"{folder}/more.py", LARGE)
            grant = follow(f"{folder}/more.py", "ready", "cut\nrefused\n/tmp/")
            lib.expect(grant["DOORWARD_ENDPOINT"], "postgresql")
            lib.wait_for(lambda: not lib.glob.glob("/tmp/*/.s.PGSQL.5432"), "the folder is removed")


# docker-py.

PODMAN = """[Service]
Type=exec
ExecStart=/usr/bin/podman --root={folder}/root --runroot={folder}/run --storage-driver=vfs \\
    system service --time=0 unix:///run/docker.sock
ExecStartPost=/bin/sh -c 'while ! [ -S /run/docker.sock ]; do sleep 0.1; done'
ExecStartPost=/bin/chgrp docker /run/docker.sock
ExecStartPost=/bin/chmod 0660 /run/docker.sock
ExecStopPost=/bin/rm -f /run/docker.sock
"""

MORE = """
import io, sys, tarfile, threading
import docker, doorward, requests
from doorward_http import Adapter

connection = doorward.open_auth("docker", None, doorward.HOLD)
client = docker.DockerClient(base_url="http://docker:1", version="1.40")
client.api.trust_env = False
client.api.mount("http://docker:1", Adapter(connection))

tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as archive:
    for name, data in ("hello", b"hello"), ("large", bytes(3000000)):
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
client.api.import_image_from_data(tar.getvalue(), repository="recipe")
(image,) = client.images.list()
assert sum(map(len, image.save())) > 3000000

names = [f"volume{i}" for i in range(8)]
threads = [threading.Thread(target=client.volumes.create, args=(name,)) for name in names]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(volume.name for volume in client.volumes.list()) == names

print("ready", flush=True)
sys.stdin.readline()
try:
    client.version()
    sys.exit("not cut")
except requests.exceptions.ConnectionError as error:
    assert "The lease on docker has ended: revoked" in str(error), error
print("refused")
"""


@contextlib.contextmanager
def podman():
    """podman's API service where Docker's is, with the group that the shipped definition wants."""
    lib.ok("groupadd", "--force", "--system", "docker")
    try:
        # Its group is looked up as definitions are read, and the opener's as its unit is made.
        lib.apply_definitions()
        with lib.scratch(0o700) as folder:
            with lib.unit("tests-podman.service", PODMAN.format(folder=folder)):
                lib.systemctl("start", "tests-podman.service")
                yield
    finally:
        lib.ok("groupdel", "docker")
        lib.apply_definitions()
        # It would go on being in the group that was.
        lib.run("systemctl", "stop", "doorward-opener@docker.service")


@lib.time_limit(120)
def test_docker_py():
    """docker-py with podman's API: what its transport opens is one lease, and ends with it."""
    with podman(), recipe("docker-py") as folder:
        lib.expect_true(run(folder, "images.py").status != 0, "nothing without a rule")
        with lib.rule(lib.allow("docker", "full")):
            version = lib.ok("podman", "--version").split()[-1]
            lib.expect(run(folder, "images.py").expect_status(0).out, f"{version}\n")

            lib.write(f"{folder}/more.py", MORE)
            env = {"http_proxy": "http://localhost:1"}
            grant = follow(f"{folder}/more.py", "ready", "refused\n", env=env)
            lib.expect(grant["DOORWARD_ENDPOINT"], "docker")
