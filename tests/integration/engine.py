# SPDX-License-Identifier: LGPL-2.1-or-later
"""podman's API service where Docker's is, with an image of a static shell, made of nothing that has to
be fetched. In a container of a container: no control groups, no keyring, no network of its own."""

import contextlib
import json
import os
import tarfile

import lib

SOCKET = "/run/docker.sock"
SECRETS = ("swordfish", "trombone", "rosebud")

UNIT = """[Service]
Type=exec
Environment=CONTAINERS_CONF={folder}/containers.conf
ExecStartPre=/bin/rm -f {socket}
ExecStart=/usr/bin/podman --root={folder}/root --runroot={folder}/run --storage-driver=vfs \\
    --cgroup-manager=cgroupfs system service --time=0 unix://{socket}
ExecStartPost=/bin/sh -c 'while ! [ -S {socket} ]; do sleep 0.05; done'
ExecStartPost=/bin/chgrp {group} {socket}
ExecStartPost=/bin/chmod 0660 {socket}
ExecStopPost=/bin/rm -f {socket}
"""

CONF = """[containers]
netns="none"
keyring=false
default_sysctls=[]
cgroups="disabled"
log_driver="k8s-file"
[engine]
runtime="crun"
events_logger="file"
"""


def make_image(path):
    """The file system of one, as a tar: busybox under the names of some of what it can be."""
    with tarfile.open(path, "w") as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        archive.add("/bin/busybox", "bin/sh")
        for name in ("cat", "echo", "sleep"):
            member = tarfile.TarInfo(f"bin/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "sh"
            archive.addfile(member)


class Engine:
    """What root does with it, past doorward."""

    def __init__(self, folder, socket):
        self.folder = folder
        self.host = f"unix://{socket}"

    def docker(self, *argv, **options):
        return lib.ok("docker", "--host", self.host, *argv, **options)

    def import_image(self):
        make_image(f"{self.folder}/image.tar")
        self.docker("import", f"{self.folder}/image.tar", "tiny:1")

    def start_container(self, name="one"):
        """One that has printed a line, with secrets where people put them."""
        env, label, argument = SECRETS
        self.docker(
            "run", "--detach", "--name", name, "--network", "none", "--env", f"PASSWORD={env}",
            "--label", f"token={label}", "tiny:1",
            "sh", "-c", f"echo hello from {name}; sleep 1000; : {argument}",
        )
        lib.wait_for(lambda: "hello" in self.docker("logs", name), "the container prints")

    def stop_containers(self):
        names = self.docker("ps", "--all", "--quiet").split()
        if names:
            self.docker("rm", "--force", *names, timeout=60)


@contextlib.contextmanager
def engine(image=False, socket=SOCKET, group="docker"):
    lib.ok("groupadd", "--force", "--system", "docker")
    try:
        # Its group is looked up as definitions are read, and the opener's as its unit is made.
        lib.apply_definitions()
        os.makedirs(os.path.dirname(socket), exist_ok=True)
        with lib.scratch(0o700) as folder:
            lib.write(f"{folder}/containers.conf", CONF)
            unit = UNIT.format(folder=folder, socket=socket, group=group)
            with lib.unit("tests-engine.service", unit):
                lib.systemctl("start", "tests-engine.service")
                it = Engine(folder, socket)
                try:
                    if image:
                        it.import_image()
                    yield it
                finally:
                    if image:
                        it.stop_containers()
    finally:
        lib.ok("groupdel", "docker")
        lib.apply_definitions()
        # The group that it runs with can have another number the next time.
        lib.run("systemctl", "stop", "doorward-opener@docker.service")


@contextlib.contextmanager
def profile(name, endpoint="docker"):
    """An administrator lets through more, or less, by a drop-in."""
    folder = f"/etc/doorward/endpoints.d/{endpoint}.conf.d"
    os.makedirs(folder, exist_ok=True)
    try:
        with lib.file(f"{folder}/profile.conf", f"[ReadOnly]\nFilter=docker {name}\n"):
            lib.apply_definitions()
            yield
    finally:
        os.rmdir(folder)
        lib.apply_definitions()


def filters():
    """The processes that stand between a client and a service."""
    result = lib.run("pgrep", "--exact", "--full", "/usr/libexec/doorward/doorward-filter")
    return [int(pid) for pid in result.out.split()]


def expect_filters(n):
    lib.wait_for(lambda: len(filters()) == n, f"{n} filters run")
