# SPDX-License-Identifier: LGPL-2.1-or-later
"""mariadb, unmodified, through doorward to a real MariaDB that goes by who connects (unix_socket)."""

import contextlib
import os

import lib

UNIT = """[Service]
Type=notify
User=mysql
ExecStart=/usr/sbin/mariadbd --no-defaults --datadir={data} --socket=/run/mysqld/mysqld.sock \\
    --pid-file=/run/mysqld/tests.pid --skip-networking --skip-log-bin {small} \\
    --innodb-flush-log-at-trx-commit=0
ExecStartPost=/bin/chmod {mode:04o} /run/mysqld/mysqld.sock
RuntimeDirectory=mysqld
RuntimeDirectoryPreserve=yes
"""

SMALL = "--innodb-log-file-size=4M --innodb-undo-tablespaces=0 --innodb-buffer-pool-size=8M"

# The first two lines are the comment's of the shipped definition.
TABLES = """
CREATE USER 'doorward-mariadb'@localhost IDENTIFIED VIA unix_socket;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.* TO 'doorward-mariadb'@localhost;
CREATE DATABASE app;
CREATE TABLE app.things (n INT);
INSERT INTO app.things VALUES (42);
"""


@contextlib.contextmanager
def server(sql="", mode=0o777, group=None):
    """Its socket has this mode, and its folder this group (and nobody else gets into it then)."""
    with lib.scratch() as folder:
        data = f"{folder}/data"
        lib.ok(
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql",
            "--auth-root-authentication-method=socket", "--skip-test-db", *SMALL.split(),
        )
        text = UNIT.format(data=data, small=SMALL, mode=mode)
        with lib.unit("tests-mariadb.service", text):
            lib.systemctl("start", "tests-mariadb.service")
            if group:
                lib.shutil.chown("/run/mysqld", "mysql", group)
                os.chmod("/run/mysqld", 0o750)
            lib.ok("mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "-e",
                   TABLES + sql)
            try:
                yield
            finally:
                lib.shutil.chown("/run/mysqld", "mysql", "root")
                os.chmod("/run/mysqld", 0o755)


@contextlib.contextmanager
def forwarded(endpoint="mariadb", user="alice"):
    """A private socket of the user's, each connection to which goes through doorward stdio."""
    folder = f"/home/{user}/my"
    process = lib.start(
        "sh", "-c",
        f"umask 077; mkdir -p {folder}; "
        f"exec socat UNIX-LISTEN:{folder}/socket,fork EXEC:'doorward stdio {endpoint}'",
        user=user, stderr=lib.subprocess.DEVNULL,
    )
    try:
        lib.wait_for(lambda: os.path.exists(f"{folder}/socket"), "socat listens")
        yield f"{folder}/socket"
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        lib.shutil.rmtree(folder)


def ask(path, sql, *words, user="alice", program="mariadb"):
    """The client, which finds the socket as it would below doorward run."""
    more = ["-N", "-B", "-e", sql] if program == "mariadb" else [sql]
    environment = {"MYSQL_UNIX_PORT": path}
    return lib.run(program, "--no-defaults", *words, *more, user=user, env=environment)


@lib.time_limit(120)
def test_shipped():
    """Whoever the rule lets in is the account of doorward's user, by MariaDB's own authentication,
    and no other; without doorward, or without a rule, nobody."""
    own = "--user=doorward-mariadb"
    with server(), forwarded() as path:
        result = ask("/run/mysqld/mysqld.sock", "select 1", own)
        lib.expect_in("Access denied for user 'doorward-mariadb'", result.err)
        lib.expect(ask(path, "select 1", own).status, 1, "without a rule")
        with lib.rule(lib.allow("mariadb", "full")):
            sql = "select current_user(), n from app.things"
            result = ask(path, sql, own).expect_status(0)
            lib.expect(result.out.strip(), "doorward-mariadb@localhost\t42")
            ask(path, "insert into app.things values (1)", own).expect_status(0)
            for user in ("root", "alice", "mysql"):
                result = ask(path, "select 1", f"--user={user}")
                lib.expect_in(f"Access denied for user '{user}'", result.err)
            # More than fits into any buffer, both ways.
            result = ask(path, "select length('" + "a" * 100000 + "')", own).expect_status(0)
            lib.expect(result.out.strip(), "100000")
            result = ask(path, "select repeat('a', 1000) from app.seq_1_to_20000", own)
            lib.expect(len(result.expect_status(0).out), 20000 * 1001)


REPORT = """[Endpoint]
Description=MariaDB, reports
[ReadOnly]
ConnectStream=/run/mysqld/mysqld.sock
[Connect]
ConnectAs=doorward-mariadb-ro
PeerUser=mysql
"""


def expect_reader(path, *words, user="alice"):
    """Reading works, also of all of it with mariadb-dump; whatever changes something, or leads to a
    file or a program, MariaDB itself refuses."""
    result = ask(path, "select n from app.things", *words, user=user).expect_status(0)
    lib.expect(result.out.strip(), "42")
    dump = ask(path, "app", *words, user=user, program="mariadb-dump").expect_status(0)
    lib.expect_in("INSERT INTO `things` VALUES\n(42)", dump.out)
    for sql in (
        "insert into app.things values (1)",
        "delete from app.things",
        "create table app.more (n int)",
        "drop table app.things",
        "select 1 into outfile '/tmp/out'",
        "install soname 'auth_pam'",
        "set global read_only = 1",
        "create user x@localhost identified via unix_socket",
    ):
        result = ask(path, sql, *words, user=user)
        lib.expect(result.status, 1, f"{sql}: {result!r}")
        lib.expect_in("denied", result.err, sql)


@lib.time_limit(120)
def test_connect_as_a_reader():
    """Through an endpoint with ConnectAs= an account that may only read, as the comment of the shipped
    definition has it, clients can read, and MariaDB refuses the rest."""
    account = (
        "CREATE USER 'doorward-mariadb-ro'@localhost IDENTIFIED VIA unix_socket;"
        "GRANT SELECT, LOCK TABLES ON app.* TO 'doorward-mariadb-ro'@localhost;"
    )
    allowed = lib.allow_generic("mariadb-report", "read-only")
    with lib.system_user("doorward-mariadb-ro"), server(account), lib.rule(allowed):
        with lib.definition("mariadb-report", REPORT), forwarded("-r mariadb-report") as path:
            expect_reader(path, "--user=doorward-mariadb-ro")


MINE = """[Connect]
ConnectAs=client
Groups=doorward-echo
"""


@lib.time_limit(120)
def test_connect_as_the_client():
    """With ConnectAs=client, here in a drop-in for the shipped definition, each user is the account of
    their own name and no other; MariaDB says what each may. The socket's folder is only the group's,
    and so there is no way to it but this one."""
    accounts = (
        "CREATE USER alice@localhost IDENTIFIED VIA unix_socket;"
        "GRANT SELECT, LOCK TABLES ON app.* TO alice@localhost;"
        "CREATE USER bob@localhost IDENTIFIED VIA unix_socket;"
        "GRANT INSERT ON app.* TO bob@localhost;"
    )
    rules = [lib.allow("mariadb", "full", user) for user in ("alice", "bob")]
    drop_in = f"{lib.DEFINITIONS}/mariadb.conf.d/own.conf"
    with server(accounts, group="doorward-echo"), lib.rule(*rules), lib.file(drop_in, MINE):
        lib.apply_definitions()
        with forwarded() as path:
            expect_reader(path)
            result = ask(path, "select 1", "--user=bob")
            lib.expect_in("Access denied for user 'bob'", result.err)
            result = ask("/run/mysqld/mysqld.sock", "select 1")
            lib.expect_in("Can't connect", result.err)
        with forwarded(user="bob") as path:
            ask(path, "insert into app.things values (1)", user="bob").expect_status(0)
    lib.shutil.rmtree(os.path.dirname(drop_in))
    lib.apply_definitions()
