# SPDX-License-Identifier: LGPL-2.1-or-later
"""psql and pg_dump, unmodified, through doorward to a real PostgreSQL with peer authentication: as a
role that pg_ident maps to."""

import contextlib
import glob
import os
import time

import lib

UNIT = """[Service]
Type=notify
User=postgres
ExecStart={bin}/postgres -D {data} -c unix_socket_directories=/run/postgresql \\
    -c unix_socket_permissions={mode:04o} -c listen_addresses= -c fsync=off
RuntimeDirectory=postgresql
RuntimeDirectoryPreserve=yes
"""

# As the comment of the shipped definition has it.
HBA = """local all postgres peer
local all app peer map=doorward
local all reader peer map=doorward
local all all peer
"""
IDENT = """doorward doorward-postgresql app
doorward doorward-postgresql-ro reader
"""


@contextlib.contextmanager
def server(sql="select 1", mode=0o777):
    """The mode is its socket's, which belongs to the group postgres."""
    (programs,) = glob.glob("/usr/lib/postgresql/*/bin")[-1:]
    with lib.scratch() as folder:
        data = f"{folder}/data"
        os.mkdir(data, 0o700)
        lib.shutil.chown(data, "postgres", "postgres")
        lib.ok(f"{programs}/initdb", "-D", data, "--auth=peer", "--no-sync", user="postgres")
        lib.write(f"{data}/pg_hba.conf", HBA, 0o644)
        lib.write(f"{data}/pg_ident.conf", IDENT, 0o644)
        with lib.unit("tests-postgres.service", UNIT.format(bin=programs, data=data, mode=mode)):
            lib.systemctl("start", "tests-postgres.service")
            lib.ok(
                "psql", "-h", "/run/postgresql", "-d", "postgres", "-c", "create role app login",
                "-c", "create table things (n int)", "-c", "insert into things values (42)",
                "-c", "grant select on things to app", "-c", sql, user="postgres",
            )
            yield


@contextlib.contextmanager
def forwarded(user="alice", endpoint="postgresql"):
    """A private socket of the user's, each connection to which goes through doorward stdio."""
    folder = f"/home/{user}/pg"
    process = lib.start(
        "sh", "-c",
        f"umask 077; mkdir -p {folder}; "
        f"exec socat UNIX-LISTEN:{folder}/.s.PGSQL.5432,fork EXEC:'doorward stdio {endpoint}'",
        user=user, stderr=lib.subprocess.DEVNULL,  # socat tells of each end of a connection
    )
    try:
        lib.wait_for(lambda: os.path.exists(f"{folder}/.s.PGSQL.5432"), "socat listens")
        yield folder
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        lib.shutil.rmtree(folder)


def psql(folder, sql, user="alice", role="app"):
    return lib.login(
        user, "psql", "-X", "-A", "-t", "-h", folder, "-U", role, "-d", "postgres", "-c", sql
    )


@lib.time_limit(120)
def test_psql():
    """The role is the mapped one and no other; without doorward, or without a rule, nothing."""
    with server():
        result = psql("/run/postgresql", "select 1")
        lib.expect(result.status, 2, f"{result!r}")
        lib.expect_in("Peer authentication failed", result.err)
        # Nor is the broker's own user anybody there.
        direct = ("psql", "-X", "-h", "/run/postgresql", "-U", "app", "-d", "postgres", "-c", "")
        for user, status in (("doorward", 2), ("doorward-postgresql", 0)):
            lib.run(*direct, user=user).expect_status(status)

        with forwarded() as folder:
            lib.expect(psql(folder, "select 1").status, 2, "without a rule")
            with lib.rule(lib.allow("postgresql", "full")):
                result = psql(folder, "select current_user, n from things").expect_status(0)
                lib.expect(result.out.strip(), "app|42")
                result = psql(folder, "insert into things values (1)")
                lib.expect_in("permission denied", result.err)
                result = psql(folder, "select 1", role="postgres")
                lib.expect_in("Peer authentication failed", result.err)
                # More than fits into any buffer, both ways.
                result = psql(
                    folder, "select length(string_agg(x, '')) from "
                    "(select repeat('a', 1000) x from generate_series(1, 20000)) t",
                ).expect_status(0)
                lib.expect(result.out.strip(), "20000000")
                result = psql(
                    folder, "select repeat('a', 1000) from generate_series(1, 20000)"
                ).expect_status(0)
                lib.expect(len(result.out), 20000 * 1001)


REPORT = """[Endpoint]
Description=PostgreSQL, reports
[ReadOnly]
ConnectStream=/run/postgresql/.s.PGSQL.5432
[Connect]
ConnectAs=doorward-postgresql-ro
PeerUser=postgres
"""

# What a role is that may only read, and what PostgreSQL itself says to it.
READER = """create role reader login; grant select on things to reader;
revoke create, temporary on database postgres from public"""
REFUSED = {
    "insert into things values (1)": "permission denied for table things",
    "delete from things": "permission denied for table things",
    "create table more (n int)": "permission denied for schema public",
    "create temporary table more (n int)": "permission denied to create temporary tables",
    "drop table things": "must be owner of table things",
    "create role x": "permission denied to create role",
    "copy things to program 'cat >/tmp/out'": "to COPY to or from an external program",
    "copy things to '/tmp/out'": "to COPY to a file",
    "set role app": "permission denied to set role",
}


def expect_reader(folder, role, user="alice"):
    """Reading works, also of all of it with pg_dump; whatever changes something, or leads to a file
    or a program, PostgreSQL itself refuses."""
    result = psql(folder, "select current_user, n from things", user, role).expect_status(0)
    lib.expect(result.out.strip(), f"{role}|42")
    dump = lib.run(
        "pg_dump", "-h", folder, "-U", role, "-t", "things", "postgres", user=user
    ).expect_status(0)
    lib.expect_in("COPY public.things (n) FROM stdin;\n42\n", dump.out)
    for sql, error in REFUSED.items():
        result = lib.run(
            "psql", "-X", "-h", folder, "-U", role, "-d", "postgres", "-c", sql, user=user
        )
        lib.expect(result.status, 1, f"{sql}: {result!r}")
        lib.expect_in(error, result.err, sql)


@lib.time_limit(120)
def test_connect_as_a_reader():
    """Through an endpoint with ConnectAs= a user whom pg_ident maps to a role that may only read, as
    the comment of the shipped definition has it, clients can read, and PostgreSQL refuses the rest."""
    allowed = lib.allow_generic("postgresql-report", "read-only")
    with lib.system_user("doorward-postgresql-ro"), server(READER), lib.rule(allowed):
        with lib.definition("postgresql-report", REPORT):
            with forwarded(endpoint="-r postgresql-report") as folder:
                expect_reader(folder, "reader")
                result = psql(folder, "select 1", role="app")
                lib.expect_in("Peer authentication failed", result.err)


def through_run(*argv, user="alice", **options):
    """PGHOST is set by the shipped definition."""
    return lib.run(
        "doorward", "run", "postgresql", "--", *argv,
        user=user, env={"PGUSER": "app", "PGDATABASE": "postgres"}, **options,
    )


@lib.time_limit(120)
def test_run():
    """psql and pg_dump through 'doorward run' with no address given; ^C in psql is a second connection,
    and cancels the query."""
    with server(), lib.rule(lib.allow("postgresql", "full")):
        result = through_run("psql", "-X", "-A", "-t", "-c", "select current_user, n from things")
        lib.expect(result.expect_status(0).out.strip(), "app|42")
        result = through_run(
            "psql", "-X", "-A", "-t", "-c", "select repeat('a', 1000) from generate_series(1, 20000)"
        ).expect_status(0)
        lib.expect(len(result.out), 20000 * 1001)
        # More than fits into any buffer, the other way.
        result = through_run(
            "psql", "-X", "-A", "-t", "-c", "create temp table t (x text)",
            "-c", "\\copy t from pstdin", "-c", "select count(*), sum(length(x)) from t",
            input="b" * 999 + "\n" + ("b" * 999 + "\n") * 9999,
        ).expect_status(0)
        lib.expect(result.out.split()[-1], "10000|9990000")

        dump = through_run("pg_dump", "--table=things").expect_status(0).out
        lib.expect_in("COPY public.things (n) FROM stdin;\n42\n", dump)

        script = "psql -X -c 'select pg_sleep(60)' & sleep 1; kill -INT $!; wait $!"
        begin = time.monotonic()
        result = through_run("bash", "-c", script)
        lib.expect(result.status, 1, f"{result!r}")
        lib.expect_in("canceling statement due to user request", result.err)
        lib.expect_true(time.monotonic() - begin < 20, "cancelled at once")


MINE = """[Endpoint]
Description=PostgreSQL, each as themselves
[Full]
ConnectStream=/run/postgresql/.s.PGSQL.5432
[Connect]
ConnectAs=client
Groups=doorward-echo
PeerUser=postgres
"""

OWN_NAMES = "; ".join(
    f"create role {user} login; grant select on things to {user}" for user in ("alice", "bob")
) + "; grant insert on things to bob; revoke create, temporary on database postgres from public"


@lib.time_limit(120)
def test_connect_as_the_client():
    """With ConnectAs=client each user is the role of their own name, by peer authentication without a
    map, and of no other; PostgreSQL says what each may. The socket is only the group's, and so there
    is no way to it but this one."""
    rules = [lib.allow_generic("postgresql-own", "full", user) for user in ("alice", "bob")]
    with server(OWN_NAMES, mode=0o770), lib.rule(*rules):
        lib.shutil.chown("/run/postgresql/.s.PGSQL.5432", "postgres", "doorward-echo")
        with lib.definition("postgresql-own", MINE):
            with forwarded(endpoint="postgresql-own") as folder:
                expect_reader(folder, "alice")
                result = psql(folder, "select 1", role="bob")
                lib.expect_in('Peer authentication failed for user "bob"', result.err)
                result = psql("/run/postgresql", "select 1", role="alice")
                lib.expect_in("Permission denied", result.err)
            with forwarded("bob", "postgresql-own") as folder:
                psql(folder, "insert into things values (1)", "bob", "bob").expect_status(0)
