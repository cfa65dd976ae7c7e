# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh, unmodified, as an ordinary user in no group, through a real libvirtd (its test driver)."""

import contextlib

import lib

READ_ONLY = "test+ext:///default?command=/usr/bin/doorward-stdio-ro-libvirt"
FULL = "test+ext:///default?command=/usr/bin/doorward-stdio-libvirt"
DIRECT = "test+unix:///default?socket=/run/libvirt/libvirt-sock"

DOMAIN = """<domain type='test'>
  <name>alices-domain</name>
  <memory>65536</memory>
  <os><type>hvm</type></os>
</domain>
"""


def virsh(uri, *argv, user="alice"):
    return lib.login(user, "virsh", "--connect", uri, *argv)


@contextlib.contextmanager
def domain_file():
    with lib.scratch() as folder:
        lib.write(f"{folder}/domain.xml", DOMAIN)
        yield f"{folder}/domain.xml"


def test_refused_without_doorward():
    """Without doorward the same user is refused full by libvirtd itself."""
    result = virsh(DIRECT, "list")
    lib.expect(result.status, 1)
    lib.expect_in("org.libvirt.unix.manage", result.err)


def test_refused_without_a_rule():
    """Through doorward nothing is granted that policy does not grant."""
    for uri in (READ_ONLY, FULL):
        result = virsh(uri, "list")
        lib.expect(result.status, 1, f"{result!r}")
        lib.expect_not_in("running", result.out)


@lib.both_kernel_paths
def test_lists_domains_read_only():
    """Over read-only, virsh lists the domains."""
    with lib.rule(lib.allow("libvirt", "read-only")):
        result = virsh(READ_ONLY, "list").expect_status(0)
        lib.expect_in("running", result.out)


def test_define_is_refused_read_only():
    """Over read-only, define is refused by libvirtd itself: its socket is the read-only one."""
    with lib.rule(lib.allow("libvirt", "read-only")), domain_file() as path:
        result = virsh(READ_ONLY, "define", path)
        lib.expect(result.status, 1, f"{result!r}")
        lib.expect_in("read only access prevents", result.err)


def test_define_works_full():
    """At full, define works: libvirtd sees the opener's own user, whom the shipped rule lets in."""
    with lib.rule(lib.allow("libvirt", "full")), domain_file() as path:
        result = virsh(FULL, "define", path).expect_status(0)
        lib.expect_in("alices-domain", result.out)


def test_shipped_rule_is_for_the_opener_alone():
    """The rule that lets the opener's user in lets nobody else in."""
    for user in ("alice", "doorward-opener", "doorward"):
        result = lib.run("virsh", "--connect", DIRECT, "list", user=user)
        lib.expect(result.status, 1, f"{user}: {result!r}")
    lib.run("virsh", "--connect", DIRECT, "list", user="doorward-libvirt").expect_status(0)


def test_other_users_rule():
    """bob's rule is not alice's."""
    with lib.rule(lib.allow("libvirt", "read-only", "bob")):
        virsh(READ_ONLY, "list", user="bob").expect_status(0)
        lib.expect(virsh(READ_ONLY, "list").status, 1)


def test_libvirt_restarted():
    """After libvirtd was restarted, and where it runs by its socket only, opens work again."""
    with lib.rule(lib.allow("libvirt", "read-only")):
        lib.systemctl("stop", "libvirtd.service")
        virsh(READ_ONLY, "list").expect_status(0)


# Through a private socket, of which a URI names the path.
PRIVATE = "test+unix:///default?socket={}"

LIST_BY_PYTHON = """
import sys, libvirt
libvirt.registerErrorHandler(lambda *_: None, None)
connection = libvirt.open(sys.argv[1])
print([domain.name() for domain in connection.listAllDomains()], connection.isSecure())
try:
    connection.defineXML(open(sys.argv[2]).read())
    print("defined")
except libvirt.libvirtError as error:
    print(error)
"""


def through_run(endpoint, *argv):
    return lib.login("alice", "doorward", "run", endpoint, "--", *argv)


def test_run_virsh():
    """virsh through a private socket: lists at either access, and defines only at full."""
    rules = (lib.allow("libvirt", "read-only"), lib.allow("libvirt", "full"))
    with lib.rule(*rules), domain_file() as path:
        result = through_run("libvirt:ro", "virsh", "--connect", PRIVATE, "list").expect_status(0)
        lib.expect_in("running", result.out)
        result = through_run("libvirt:ro", "virsh", "--connect", PRIVATE, "define", path)
        lib.expect(result.status, 1, f"{result!r}")
        lib.expect_in("read only access prevents", result.err)
        result = through_run("libvirt", "virsh", "--connect", PRIVATE, "define", path)
        lib.expect_in("alices-domain", result.expect_status(0).out)

        out = through_run("libvirt:ro", "sh", "-c", "echo $LIBVIRT_DEFAULT_URI; echo {}").out
        uri, path = out.split()
        lib.expect(uri, f"qemu+unix:///system?socket={path}")
        lib.expect_in("libvirt-sock-ro", path)


def test_run_python():
    """libvirt's Python binding through a private socket."""
    rules = (lib.allow("libvirt", "read-only"), lib.allow("libvirt", "full"))
    with lib.rule(*rules), domain_file() as path:
        words = ("python3", "-c", LIST_BY_PYTHON, PRIVATE, path)
        out = through_run("libvirt:ro", *words).expect_status(0).out
        lib.expect_in("'test'", out)
        lib.expect_in("read only access prevents", out)
        lib.expect_in("defined", through_run("libvirt", *words).expect_status(0).out)


def test_run_virt_install():
    """virt-install through a private socket."""
    words = (
        "virt-install", "--connect", PRIVATE, "--name", "installed", "--memory", "64",
        "--disk", "none", "--import", "--osinfo", "detect=off,require=off",
        "--noautoconsole", "--graphics", "none", "--network", "none",
    )
    with lib.rule(lib.allow("libvirt", "full")):
        out = through_run("libvirt", *words, "--dry-run").expect_status(0).out
        lib.expect_in("Dry run completed", out)
        through_run("libvirt", *words).expect_status(0)
