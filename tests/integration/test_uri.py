# SPDX-License-Identifier: LGPL-2.1-or-later
"""URIs, aliases and the default, by the command and by a program that is built against the library."""

import contextlib
import errno
import os
import time

import lib

PROGRAM = r"""
#include <doorward.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* program URI FLAGS: "-" is NULL. Prints the canonical URI and what the other end says first. */
int main(int argc, char **argv) {
        const doorward_error *e;
        doorward_conn *c;
        char buf[100] = "", *uri;

        if (argc != 3)
                return 9;
        c = doorward_open_auth(strcmp(argv[1], "-") == 0 ? NULL : argv[1], NULL,
                               (unsigned)strtoul(argv[2], NULL, 10));
        if (!c) {
                e = doorward_get_last_error();
                printf("%d %d\n%s\n%s\n", e->code, e->errnum, e->message, e->hint ? e->hint : "");
                return 1;
        }

        uri = doorward_get_uri(c);
        if (read(doorward_get_fd(c), buf, sizeof(buf) - 1) < 0)
                return 2;
        printf("%s\n%.4s\n", uri, buf);
        free(uri);
        return doorward_close(c) == 0 ? 0 : 3;
}
"""

RO, NO_ALIASES, LOCAL_ONLY = 1, 2, 32
BAD_URI, UNSUPPORTED, NO_BROKER, PROTOCOL, DENIED = 4, 5, 6, 7, 10

# Links and other files that lead to the system's broker are other names of it.
OTHER_NAME = "/run/varlink/registry/org.doorward.Broker"
OTHER = f"doorward+unix:///echo?socket={OTHER_NAME}"

SYSTEM_CONF = "/etc/doorward/client.conf"


@contextlib.contextmanager
def library():
    """Gives library(uri, flags, env): what the program prints for alice, as lines."""
    with lib.scratch() as folder:
        lib.write(f"{folder}/program.c", PROGRAM)
        flags = lib.ok("pkg-config", "--cflags", "--libs", "doorward").split()
        lib.ok("gcc", "-Wall", "-Wextra", "-Werror", "-o", f"{folder}/program",
               f"{folder}/program.c", *flags)

        def call(uri, flags=0, env=None, program=f"{folder}/program"):
            words = ("-" if uri is None else uri, str(flags))
            result = lib.run(program, *words, user="alice", env=env)
            return result.expect_status(0, 1).out.splitlines()

        call.program = f"{folder}/program"
        yield call


def hello(*words, env=None):
    """What the other end says first to 'doorward exec' with these endpoints, and what they are called."""
    program = "import os, socket; print(os.read(3, 4).decode(), os.environ['LISTEN_FDNAMES'])"
    return lib.ok("doorward", "exec", *words, "--", "/usr/bin/python3", "-c", program, user="alice",
                  env=env).split()


def access(uri, kind, env=None):
    """'doorward explain' says that this is the access that the URI comes to."""
    out = lib.ok("doorward", "explain", "--no-pager", uri, user="alice", env=env)
    lib.expect_in(f"Access: {kind}", out, uri)


def refused(status, *words, env=None):
    result = lib.run("doorward", "exec", *words, "--", "true", user="alice", env=env)
    lib.expect(result.status, status, repr(result))
    return result.err


@contextlib.contextmanager
def conf(text, path=None, **options):
    """alice's client.conf, below an $XDG_CONFIG_HOME of its own: gives the environment."""
    with lib.scratch() as folder:
        options.setdefault("owner", "alice")
        with lib.file(path or f"{folder}/doorward/client.conf", text, **options):
            yield {"XDG_CONFIG_HOME": folder}


def everything():
    return lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only"))


BAD_URI_STATUS, NO_BROKER_STATUS, PROTOCOL_STATUS, DENIED_STATUS = 2, 86, 87, 90


def test_another_name_of_the_broker():
    """doorward+unix opens what its socket= leads to, whatever DOORWARD_SOCKET says: by the command and
    by the library; and the canonical URI leads there again (virConnectGetURI)."""
    nowhere = {"DOORWARD_SOCKET": "/run/nonexistent"}
    canonical = f"doorward+unix:///echo?access=full&socket={OTHER_NAME}"
    with everything(), library() as call:
        lib.expect(hello(OTHER, env=nowhere), ["uid=", "echo"])
        lib.expect(lib.ok("doorward", "stdio", OTHER, user="alice", env=nowhere)[:4], "uid=")
        access(OTHER, "full", env=nowhere)
        access(f"{OTHER}&access=read-only", "read-only", env=nowhere)
        access(f"doorward+unix:///echo?access=full&socket=/run/varlink/%72egistry/org.doorward.Broker",
               "full", env=nowhere)

        lib.expect(call(OTHER, env=nowhere), [canonical, "uid="])
        lib.expect(call(canonical, env=nowhere), [canonical, "uid="])
        lib.expect(call(OTHER, RO, env=nowhere),
                   [canonical.replace("=full", "=read-only"), "uid="])
        lib.expect(call("echo"), ["doorward:///echo?access=full", "uid="])

        refused(NO_BROKER_STATUS, "doorward:///echo", env=nowhere)
        err = refused(NO_BROKER_STATUS, "doorward+unix:///echo?socket=/run/nonexistent")
        lib.expect_in("/run/nonexistent", err)
        lib.expect_in("socket= of the URI", err)
        lib.expect(call("doorward+unix:///echo?socket=/run/nonexistent")[0],
                   f"{NO_BROKER} {errno.ENOENT}")


@contextlib.contextmanager
def second_broker():
    """Another broker of the same program, with its own socket, which is given."""
    units = "/usr/lib/systemd/system"
    path = "/run/doorward-other/broker"
    service = lib.read(f"{units}/doorward.service").replace("doorward.socket", "tests-other.socket")
    service = "".join(
        line for line in service.splitlines(True) if not line.startswith(("ExecStartPre=", "Wants="))
    )
    made_by_root = lib.read(f"{units}/doorward.socket")
    made_by_root = "".join(
        f"ListenStream={path}\n" if line.startswith("ListenStream=") else line
        for line in made_by_root.splitlines(True)
        if not line.startswith("Symlinks=")
    )
    with lib.unit("tests-other.service", service), lib.unit("tests-other.socket", made_by_root):
        lib.systemctl("start", "tests-other.socket")
        yield path


def test_second_broker():
    """Two brokers of one machine are told apart by the URI: each has in its record what it was asked,
    and nothing of what the other was."""
    with everything(), library() as call, second_broker() as path:
        uri = f"doorward+unix:///echo?socket={path}"
        access(uri, "full")
        lib.expect_true(lib.unit_is_active("tests-other.service"), "the second broker has answered")

        # It decides; its openers are the first one's, and know no other broker.
        journal = lib.Journal()
        refused(DENIED_STATUS, uri)
        out = call(uri)
        lib.expect(out[0], f"{DENIED} {errno.EACCES}")
        lib.expect_in("does not take this process for a client", out[2])
        entries = journal.wait("its record", 2, DOORWARD_ENDPOINT="echo", MESSAGE_ID=lib.REFUSED)
        lib.expect({entry["_SYSTEMD_UNIT"] for entry in entries}, {"tests-other.service"})

        journal = lib.Journal()
        lib.expect(call("doorward:///echo"), ["doorward:///echo?access=full", "uid="])
        entries = journal.wait("the record", 1, DOORWARD_ENDPOINT="echo", MESSAGE_ID=lib.GRANTED)
        lib.expect({entry["_SYSTEMD_UNIT"] for entry in entries}, {"doorward.service"})


def test_broker_of_a_stranger():
    """socket= cannot make a program believe a broker of another user's."""
    with lib.scratch(0o1777) as folder, library() as call:
        path = f"{folder}/broker"
        listen = (
            "import os, socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
            "os.chmod(sys.argv[1], 0o666); s.listen(); print('ready', flush=True); time.sleep(60)"
        )
        process = lib.start("/usr/bin/python3", "-c", listen, path, user="bob",
                            stdout=lib.subprocess.PIPE)
        try:
            lib.expect(process.stdout.readline(), b"ready\n")
            out = call(f"doorward+unix:///echo?socket={path}")
            lib.expect(out[0], f"{PROTOCOL} {errno.EPROTO}")
            lib.expect_in("not to be trusted", out[1])
            lib.expect(lib.run("doorward", "explain", f"doorward+unix:///echo?socket={path}",
                               user="alice").status, PROTOCOL_STATUS)
        finally:
            process.kill()
            process.wait()


ALIASES = f"""# of the tests
uri_aliases = [
        "Near_1={OTHER}",
        "quiet=doorward:///echo?access=read-only",
        "docker=doorward:///echo",
        "both=doorward:///echo?access=full",
        "far=doorward+ssh://alice@host.invalid/echo",
        "broken=doorward:///Echo",
]
"""


def test_aliases():
    """An alias is what it stands for, exactly and once; it goes before an endpoint of its name, which
    has a longer one; NO_ALIASES takes no notice (uri_aliases, VIR_CONNECT_NO_ALIASES)."""
    with everything(), library() as call, conf(ALIASES) as env:
        canonical = f"doorward+unix:///echo?access=full&socket={OTHER_NAME}"
        lib.expect(hello("Near_1", env=env), ["uid=", "echo"])
        lib.expect(call("Near_1", env=env), [canonical, "uid="])
        # Without the alias, too, what it came to is the same.
        lib.expect(call(canonical), [canonical, "uid="])

        access("Near_1:ro", "read-only", env=env)
        out = lib.ok("doorward", "explain", "--no-pager", "Near_1:ro", user="alice", env=env)
        lib.expect_in(canonical.replace("=full", "=read-only"), "".join(out.split()))
        lib.expect_not_in("URI:", lib.ok("doorward", "explain", "--no-pager", "echo", user="alice"))
        access("quiet", "read-only", env=env)
        lib.expect(call("quiet", env=env), ["doorward:///echo?access=read-only", "uid="])
        lib.expect_in("asks for full access", refused(BAD_URI_STATUS, "both:ro", env=env))

        lib.expect(hello("docker", env=env), ["uid=", "echo"])
        lib.expect(call("docker", env=env), ["doorward:///echo?access=full", "uid="])
        lib.expect_in("docker", call("docker", NO_ALIASES, env=env)[1])
        out = lib.ok("doorward", "explain", "--no-pager", "--no-aliases", "docker", user="alice",
                     env=env)
        lib.expect_in("Endpoint: docker", out)
        lib.expect_in("docker", call("doorward:///docker", env=env)[1])
        out = lib.run("doorward", "explain", "--no-pager", "doorward:///docker", user="alice", env=env)
        lib.expect_in("Endpoint: docker", out.out)

        # {} of several, each by its own name.
        program = "import sys, os; print([os.read(int(n), 4).decode() for n in sys.argv[1:]])"
        out = lib.ok("doorward", "exec", "Near_1", "quiet=7", OTHER, "--", "/usr/bin/python3", "-c",
                     program, "{Near_1}", "{quiet}", "{echo}", user="alice", env=env)
        lib.expect(out.strip(), "['uid=', 'uid=', 'uid=']")

        out = call("near_1", env=env)
        lib.expect(out[0], f"{BAD_URI} {errno.EINVAL}")
        lib.expect_in("Did you mean Near_1, which is an alias?", out[2])
        lib.expect_in("client.conf:8", call("broken", env=env)[2])
        lib.expect_in("client.conf:8", refused(BAD_URI_STATUS, "broken", env=env))


def test_both_files():
    """The user's file goes before the system's, key by key; and $HOME/.config is where it is else."""
    system = (
        'uri_aliases = ["Here=doorward:///echo", "Mine=doorward:///nonesuch"]\n'
        'uri_default = "doorward:///nonesuch"\n'
    )
    user = 'uri_aliases = ["Mine=doorward:///echo?access=read-only"]\nuri_default = "Here"\n'
    home = lib.user_environment("alice")["HOME"]
    with everything(), library() as call, lib.file(SYSTEM_CONF, system):
        lib.expect(call("Here"), ["doorward:///echo?access=full", "uid="])
        lib.expect_in("nonesuch", call("Mine")[1])
        lib.expect_in("nonesuch", call(None)[1])
        for path in (None, f"{home}/.config/doorward/client.conf"):
            with conf(user, path) as env:
                env = None if path else env
                lib.expect(call("Here", env=env), ["doorward:///echo?access=full", "uid="])
                lib.expect(call("Mine", env=env), ["doorward:///echo?access=read-only", "uid="])
                lib.expect(call(None, env=env), ["doorward:///echo?access=full", "uid="])
                lib.expect(hello(env=env), ["uid=", "echo"])
        with conf('uri_default = ""\n') as env:
            lib.expect(call(None, env=env)[0], f"{BAD_URI} {errno.EINVAL}")


def test_default():
    """Nothing, or "", is the default: the environment's before the file's; and an alias, if that is
    what it is (LIBVIRT_DEFAULT_URI, uri_default)."""
    with everything(), library() as call, conf(ALIASES + 'uri_default = "quiet"\n') as env:
        lib.expect(call(None, env=env), ["doorward:///echo?access=read-only", "uid="])
        lib.expect(call("", env=env), ["doorward:///echo?access=read-only", "uid="])
        lib.expect(hello(env=env), ["uid=", "echo"])
        lib.expect(lib.ok("doorward", "stdio", user="alice", env=env)[:4], "uid=")
        lib.expect_in("Access: read-only",
                      lib.ok("doorward", "explain", "--no-pager", user="alice", env=env))

        env = {**env, "DOORWARD_DEFAULT_URI": "Near_1"}
        lib.expect(call(None, env=env)[0], f"doorward+unix:///echo?access=full&socket={OTHER_NAME}")
        lib.expect_in("Access: full",
                      lib.ok("doorward", "explain", "--no-pager", user="alice", env=env))
        env["DOORWARD_DEFAULT_URI"] = "qemu:///system"
        lib.expect_in("DOORWARD_DEFAULT_URI in the environment", call(None, env=env)[2])
        lib.expect_in("doorward:///libvirt", refused(BAD_URI_STATUS, env=env))


def test_no_default():
    """Without a default the error lists the endpoints, and none of them is tried: where virConnectOpen
    of NULL goes looking (connectURIProbe), nothing is guessed."""
    with everything() as backend, library() as call:
        journal = lib.Journal()
        for out in (call(None), call("")):
            lib.expect(out[0], f"{BAD_URI} {errno.EINVAL}")
            lib.expect_in("echo", out[2])
            lib.expect_in("libvirt", out[2])
        for words in (("exec", "--", "true"), ("stdio",), ("explain",)):
            result = lib.run("doorward", *words, user="alice").expect_status(BAD_URI_STATUS)
            lib.expect_in("echo", result.err)
            lib.expect_in("libvirt", result.err)
        lib.expect(backend.connections, [])
        for message in (lib.GRANTED, lib.REFUSED):
            lib.expect(journal.entries(MESSAGE_ID=message), [])


def test_local_only():
    """LOCAL_ONLY refuses what leads to other machines, also by an alias and by the default, before
    anything is run; another broker of this machine is none."""
    remote = f"{BAD_URI} {errno.EREMOTE}"
    with everything(), library() as call, lib.scratch(0o1777) as folder:
        lib.write(f"{folder}/run", f"#!/bin/sh\ntouch {folder}/was-run\n", 0o755)
        ext = f"doorward+ext:///echo?command={folder}/run"
        with conf(ALIASES + f'uri_default = "{ext}"\n') as env:
            for uri in ("far", None, ext, "doorward+ssh://host.invalid/echo"):
                out = call(uri, LOCAL_ONLY, env=env)
                lib.expect(out[0], remote, uri)
                lib.expect(out[2], "doorward:///echo is the endpoint of this machine.")
                words = ["--local-only", *([uri] if uri else [])]
                lib.expect_in("leads away", refused(BAD_URI_STATUS, *words, env=env), uri)
                for name in ("stdio", "explain"):
                    result = lib.run("doorward", name, *words, user="alice", env=env)
                    lib.expect_in("leads away", result.expect_status(BAD_URI_STATUS).err, uri)
            lib.expect_true(not os.path.exists(f"{folder}/was-run"), "nothing was run")
            for uri in ("echo", "docker", OTHER, "Near_1"):
                lib.expect(call(uri, LOCAL_ONLY, env=env)[1], "uid=", uri)
                lib.expect(hello("--local-only", uri, env=env)[0], "uid=", uri)


def test_file_that_does_not_count():
    """A client.conf that is not understood, or that others can write, stops whoever may need it, with
    the place; the long forms need none."""
    mistake = 'uri_default = "echo"\nuri_aliases = [ "a=b" "c=d" ]\n'
    with everything(), library() as call:
        for text, options, said in (
            (mistake, {}, "client.conf:2 cannot be understood: a comma is missing"),
            ("", {"mode": 0o666}, "others can write it"),
            ("", {"owner": "bob"}, "belongs to somebody else"),
            ("#" * 65537, {}, "it is too long"),
        ):
            with conf(text, **options) as env:
                lib.expect_in(said, call("echo", env=env)[1])
                lib.expect_in(said, call(None, env=env)[1])
                lib.expect_in(said, refused(BAD_URI_STATUS, "echo", env=env))
                lib.expect(call("echo", NO_ALIASES, env=env)[1], "uid=")
                lib.expect(hello("doorward:///echo", env=env), ["uid=", "echo"])
        # What may not be read is not there: a sandbox is no mistake of the user's.
        with conf(mistake, mode=0o600, owner="root") as env:
            lib.expect(call("echo", env=env)[1], "uid=")


def test_gained_privileges():
    """A program that has gained privileges takes neither the user's file nor the environment's default:
    who set those is not who it acts for."""
    place = f"/usr/local/lib/doorward-tests-{lib.number()}"
    with everything(), library() as call, conf(ALIASES + 'uri_default = "echo"\n') as env:
        env = {**env, "DOORWARD_DEFAULT_URI": "doorward:///echo", "DOORWARD_SOCKET": "/run/nonexistent"}
        lib.shutil.copy(call.program, place)
        try:
            os.chmod(place, 0o755)
            without = {key: env[key] for key in ("XDG_CONFIG_HOME", "DOORWARD_DEFAULT_URI")}
            lib.expect(call(None, env=without, program=place)[1], "uid=")
            lib.shutil.chown(place, "root", "doorward-echo")
            os.chmod(place, 0o2755)
            out = call(None, env=env, program=place)
            lib.expect(out[0], f"{BAD_URI} {errno.EINVAL}")
            lib.expect_in("echo", out[2])
            lib.expect_in("quiet", call("quiet", env=env, program=place)[1])
        finally:
            os.unlink(place)


def test_gained_privileges_lead_nowhere():
    """A program that has gained privileges starts neither ssh, which would do what the environment says,
    nor anything else that leads to another machine; one that has not does, from the same place."""
    place = f"/usr/local/lib/doorward-tests-{lib.number()}"
    with library() as call, lib.scratch(0o1777) as folder:
        ran = f"{folder}/ran"
        for name in ("ssh", "far"):
            lib.write(f"{folder}/{name}", f"#!/bin/sh\ntouch {ran}\nexit 3\n", 0o755)
        env = {"PATH": f"{folder}:/usr/bin:/bin"}
        uris = ("doorward+ssh://host.invalid/echo", f"doorward+ext:///echo?command={folder}/far")
        lib.shutil.copy(call.program, place)
        try:
            os.chmod(place, 0o755)
            for uri in uris:
                lib.expect(call(uri, env=env, program=place)[0], f"{NO_BROKER} {errno.ECONNABORTED}", uri)
                os.unlink(ran)
            lib.shutil.chown(place, "root", "doorward-echo")
            os.chmod(place, 0o2755)
            for uri in uris:
                out = call(uri, env=env, program=place)
                lib.expect(out[0], f"{UNSUPPORTED} {errno.EPERM}", uri)
                lib.expect_in("gained privileges", out[1])
            # What was started would have had the time for it.
            time.sleep(1)
            lib.expect_true(not os.path.exists(ran), "nothing was run")
        finally:
            os.unlink(place)


def test_what_is_no_uri():
    """The command and the library say the same of what is wrong, and what was meant."""
    with library() as call:
        for uri, hint in (
            ("doorward://echo", "Did you mean doorward:///echo?"),
            ("dorward:///echo", "Did you mean doorward:///echo?"),
            ("doorward:///echo?acess=full", "Did you mean access=?"),
            ("echo?access=full", "Did you mean doorward:///echo?access=full?"),
            ("qemu:///system", "doorward:///libvirt"),
            ("doorward+ssh://-oProxyCommand=id/echo", "begin with a letter"),
            ("doorward+ssh://host/echo?command=/bin/sh%20-c", "It has no arguments"),
        ):
            out = call(uri)
            lib.expect(out[0], f"{BAD_URI} {errno.EINVAL}")
            lib.expect_in(hint, out[2])
            err = refused(BAD_URI_STATUS, uri)
            lib.expect_in(out[1], err)
            lib.expect_in(out[2], err)


def test_completion():
    """bash, zsh's functions and fish know the aliases, with and without :ro; and no URI that only looks
    like one."""
    place = "/usr/share"
    bash = f"""
. {place}/bash-completion/bash_completion
_completion_loader doorward
COMP_WORDS=(doorward exec Ne) COMP_CWORD=2 COMP_LINE="doorward exec Ne" COMP_POINT=16
$(complete -p doorward | sed 's/.*-F \\([^ ]*\\).*/\\1/') doorward Ne exec
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    zsh = f"source <(sed -n '/^__doorward_aliases/,/^}}/p' {place}/zsh/vendor-completions/_doorward)"
    aliases = ["Near_1", "quiet", "docker", "both", "far", "broken"]
    with conf('# "not=one"\n' + ALIASES + 'uri_default = "quiet"\n') as env:
        out = lib.ok("bash", "-c", bash, user="alice", env=env).split()
        lib.expect(out, ["Near_1", "Near_1:ro"])
        out = lib.ok("zsh", "-c", f"{zsh}; __doorward_aliases", user="alice", env=env).split()
        lib.expect(out, aliases)
        out = lib.ok("fish", "--command", "complete --do-complete 'doorward exec '", user="alice", env=env)
        words = [line.split("\t")[0] for line in out.splitlines()]
        for alias in aliases:
            lib.expect_in(alias, words)
            lib.expect_in(f"{alias}:ro", words)
        lib.expect_not_in("not", words)
