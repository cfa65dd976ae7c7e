# SPDX-License-Identifier: LGPL-2.1-or-later
"""libdoorward, by programs that are built against what was installed."""

import json

import lib

PROGRAM = r"""
#include <doorward.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void show_error(const char *what) {
        const doorward_error *e = doorward_get_last_error();

        printf("%s: %d %d %d %s %s %s\n", what, e ? e->domain : -1, e ? e->code : -1,
               e ? e->errnum : -1, e && e->message ? "message" : "-", e && e->hint ? "hint" : "-",
               e && e->request_id ? "request" : "-");
}

int main(int argc, char **argv) {
        doorward_conn *c, *r;
        char buf[100], *uri;
        int fd;

        if (argc != 2)
                return 9;
        c = doorward_open(argv[1]);
        if (!c) {
                show_error("open");
                return 1;
        }
        fd = doorward_get_fd(c);
        printf("fd above 2: %d\n", fd > 2);
        printf("ref: %d\n", doorward_ref(c));
        uri = doorward_get_uri(c);
        printf("uri: %s\n", uri);
        free(uri);
        printf("type: %s\n", doorward_get_type(c));
        if (read(fd, buf, sizeof(buf)) < 4 || strncmp(buf, "uid=", 4) != 0)
                return 2;
        printf("steal: %d", doorward_steal_fd(c));
        printf(" %s\n", errno == EBUSY ? "EBUSY" : "?");
        fflush(stdout);
        if (fork() == 0) {
                printf("child: %d\n", doorward_get_fd(c));
                fflush(stdout);
                _exit(0);
        }
        wait(NULL);
        printf("close: %d\n", doorward_close(c));
        if (write(fd, "ping", 4) != 4 || read(fd, buf, 4) != 4)
                return 3;
        printf("close: %d\n", doorward_close(c));

        r = doorward_open_read_only(argv[1]);
        if (!r)
                return 4;
        fd = doorward_steal_fd(r);
        printf("stolen: %d\n", fd > 2);
        printf("close: %d\n", doorward_close(r));
        printf("written: %zd\n", write(fd, "ping", 4));
        close(fd);

        show_error(doorward_open("no-such-endpoint") ? "?" : "no endpoint");
        show_error(doorward_open("doorward:///echo?nonsense=1") ? "?" : "parameter");
        show_error(doorward_open_read_only("doorward:///echo?access=full") ? "?" : "contradiction");
        show_error(doorward_open_read_only("kvm") ? "?" : "no read-only form");
        show_error(doorward_open("libvirt") ? "?" : "password");
        show_error(doorward_close(NULL) < 0 ? "no connection" : "?");
        return 0;
}
"""


def build(folder, text, compiler="gcc", suffix="c"):
    lib.write(f"{folder}/program.{suffix}", text)
    flags = lib.ok("pkg-config", "--cflags", "--libs", "doorward").split()
    lib.ok(
        compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", f"{folder}/program",
        f"{folder}/program.{suffix}", *flags,
    )
    return f"{folder}/program"


@lib.both_kernel_paths
def test_program():
    """Open, references, close, steal, fork and errors are as doorward.h says."""
    with lib.scratch() as folder:
        program = build(folder, PROGRAM)
        with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")):
            out = lib.ok(program, "doorward:///echo", user="alice").splitlines()
        lib.expect(
            out[:10],
            ["fd above 2: 1", "ref: 0", "uri: doorward:///echo?access=full", "type: stream",
             "steal: -1 EBUSY", "child: -1", "close: 1", "close: 0", "stolen: 1", "close: 0"],
        )
        lib.expect(out[10], "written: 4")
        errors = {line.split(":")[0]: line.split(": ", 1)[1].split() for line in out[11:]}
        lib.expect(errors["no endpoint"][1], "8")
        lib.expect(errors["no endpoint"][3:], ["message", "hint", "request"])
        lib.expect(errors["parameter"][1], "4")
        lib.expect(errors["contradiction"][1], "4")
        lib.expect(errors["no read-only form"][1], "9")
        lib.expect(errors["password"][1], "11")
        lib.expect(errors["no connection"][1], "3")
        lib.expect(lib.run(program, "doorward:///echo", user="alice").status, 1, "without a rule")


def test_from_cplusplus():
    """The header is good for C++ and for C99."""
    text = """#include <doorward.h>
int main() {
        doorward_conn *c = doorward_open_read_only("no-such-endpoint");
        return c ? 1 : 0;
}
"""
    with lib.scratch() as folder:
        for compiler, suffix, standard in (("g++", "cc", "-std=c++11"), ("gcc", "c", "-std=c99")):
            program = build(folder, text.replace("main()", "main(void)"), compiler, suffix)
            lib.ok(program, user="alice")
            lib.ok(compiler, standard, "-pedantic-errors", "-Werror", "-c", "-o", f"{folder}/object",
                   f"{folder}/program.{suffix}")


def test_impostor():
    """The library believes no broker that is not the system's: a socket that a user made is refused,
    unless it is the caller's own."""
    impostor = """
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
print("ready", flush=True)
while True:
    client, _ = server.accept()
    try:
        client.recv(65536)
        client.sendall(json.dumps({"parameters": {"state": "granted", "connection": 0}}).encode() + b"\\0")
    except OSError:
        pass # it saw who made the socket, and left
    client.close()
"""
    with lib.scratch(0o1777) as folder:
        path = f"{folder}/broker"
        process = lib.start(
            "python3", "-c", impostor, path, user="bob", stdout=lib.subprocess.PIPE
        )
        lib.expect(process.stdout.readline(), b"ready\n")
        result = lib.run(
            "doorward", "exec", "echo", "--", "true", user="alice", env={"DOORWARD_SOCKET": path}
        )
        lib.expect(result.status, 87, f"protocol: {result!r}")
        process.kill()
        process.wait()


def test_versions():
    """pkg-config, the library and the broker have one version."""
    version = lib.ok("pkg-config", "--modversion", "doorward").strip()
    lib.expect_in(version, lib.ok("doorward", "--version"))
    info = json.loads(lib.ok("doorward", "info", "--json=short"))
    lib.expect_in(version, json.dumps(info))
