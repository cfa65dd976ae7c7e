# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters of others: haproxy with rules of the kind that is widely used in front of Docker's socket,
beside doorward's own; and sites' own filters, by the examples that are shipped."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading

import engine
import lib
import test_cookbook
import varlink

EXAMPLES = "/usr/share/doc/doorward/examples"


class Recorder:
    """In the service's place: it writes down what reaches it, and answers with an empty list."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"

    def __init__(self, path):
        self.seen = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        data = b""
        with connection:
            while part := connection.recv(65536):
                data += part
                if b"\r\n\r\n" in data:
                    self.seen.append(data)
                    data = b""
                    connection.sendall(self.ANSWER)


# Each section by the beginning of its path, decoded first, for whatever only reads.
RULES = r"""
defaults
        mode http
        timeout connect 5s
        timeout client 20s
        timeout server 20s
frontend all
        bind unix@{folder}/haproxy.sock mode 666
        http-request deny unless METH_GET
        http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/containers }}
        http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/images }}
        http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/networks }}
        http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/volumes }}
        http-request allow if {{ path,url_dec -m reg -i ^(/v[\d\.]+)?/(_ping|version|info|events) }}
        http-request deny
        default_backend service
backend service
        server service unix@/run/docker.sock
"""

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZG9vcndhcmQgZG9vcndhcg==\r\n"
)

# What is asked; whether it reaches the service by those rules, and by doorward at its widest.
TABLE = (
    ("GET /v1.41/containers/json", "", True, True),
    ("GET /containers/one/json", "", True, True),
    ("GET /containers/one/logs?stdout=1", "", True, True),
    ("HEAD /_ping", "", True, True),
    ("GET /info", "", True, True),
    # All the files of a container, or one of its, or of an image.
    ("GET /containers/one/export", "", True, False),
    ("GET /containers/one/archive?path=/etc/shadow", "", True, False),
    ("HEAD /containers/one/archive?path=/etc/shadow", "", True, False),
    ("GET /images/get?names=one", "", True, False),
    ("GET /v1.41/images/one/get", "", True, False),
    # A GET that writes.
    ("GET /containers/one/attach/ws?stdin=1&stream=1", WEBSOCKET, True, False),
    ("GET /info", UPGRADE, True, False),
    # Command lines; labels, asked for value by value.
    ("GET /containers/one/top", "", True, False),
    ('GET /containers/json?filters={"label":["token=s"]}', "", True, False),
    # Beginnings of paths.
    ("GET /containersandmore", "", True, False),
    ("GET /containers/../secrets", "", True, False),
    ("GET /containers/%2e%2e/secrets", "", True, False),
    ("GET //containers/json", "", False, False),
    ("GET /%63ontainers/one/export", "", True, False),
    # A body, where none belongs.
    ("GET /containers/json", "Content-Length: 4\r\n", True, False),
    ("POST /containers/create", "Content-Length: 0\r\n", False, False),
    ("DELETE /containers/one", "", False, False),
    ("GET /secrets", "", False, False),
)


def reaches(recorder, connect, line, headers):
    """Whether it got there, and that there was an answer in any case."""
    before = len(recorder.seen)
    with connect() as data:
        data.settimeout(10)
        body = "body" if "Length: 4" in headers else ""
        data.sendall(f"{line} HTTP/1.1\r\nHost: d\r\n{headers}\r\n{body}".encode())
        lib.expect_in(b"HTTP/1.1 ", data.recv(65536))
    return len(recorder.seen) > before


def connect_to(path):
    data = socket.socket(socket.AF_UNIX)
    data.connect(path)
    return data


@contextlib.contextmanager
def haproxy(folder):
    lib.write(f"{folder}/haproxy.cfg", RULES.format(folder=folder))
    process = lib.start("haproxy", "-db", "-f", f"{folder}/haproxy.cfg",
                        stderr=lib.subprocess.DEVNULL)
    try:
        lib.wait_for(lambda: os.path.exists(f"{folder}/haproxy.sock"), "haproxy listens", 10)
        yield lambda: connect_to(f"{folder}/haproxy.sock")
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def recorder():
    lib.ok("groupadd", "--force", "--system", "docker")
    it = Recorder(engine.SOCKET)
    try:
        lib.apply_definitions()
        yield it
    finally:
        it.socket.close()
        os.unlink(engine.SOCKET)
        lib.ok("groupdel", "docker")
        lib.apply_definitions()
        lib.run("systemctl", "stop", "doorward-opener@docker.service")


@lib.time_limit(120)
def test_table():
    """The same requests to haproxy, with rules that go by the beginnings of paths, and to the filter
    with its widest profile: what each lets through to the service."""
    rows = []

    def ask(line, headers):
        with varlink.Client() as client:
            def connect():
                reply = client.open("docker", "read_only")
                return socket.socket(fileno=os.dup(client.fd(reply)))

            return reaches(requests, connect, line, headers)

    with lib.scratch() as folder, recorder() as requests, engine.profile("logs"):
        with haproxy(folder) as theirs, lib.rule(lib.allow("docker", "read-only", "root")):
            with lib.settings(RequestRate="1000", RequestBurst="1000"):
                for line, headers, by_them, by_us in TABLE:
                    found = reaches(requests, theirs, line, headers), ask(line, headers)
                    rows.append((line, headers, *found))
                    words = " ".join(f"{'passes' if it else 'refused':8}" for it in found)
                    print(f"    {words} {line} {headers.split(':')[0]}")
    lib.expect(rows, list(TABLE))


@contextlib.contextmanager
def example(name, *files):
    """What its comments say: the definition, the unit, and what that needs, each in its place."""
    with contextlib.ExitStack() as stack:
        for source, place in files:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            stack.callback(os.unlink, place)
            shutil.copy(f"{EXAMPLES}/{source}", place)
        lib.ok("systemd-sysusers")
        stack.callback(lib.apply_definitions)
        stack.callback(lib.systemctl, "stop", f"{name}.service")
        lib.apply_definitions()
        lib.systemctl("start", f"{name}.service")
        yield


@lib.time_limit(120)
def test_haproxy():
    """The example of haproxy: containers are listed and restarted, and that is all; what is refused
    is so by haproxy, and a lease ends both."""
    files = (
        ("docker-restart.conf", f"{lib.DEFINITIONS}/docker-restart.conf"),
        ("docker-restart.cfg", "/etc/doorward/docker-restart.cfg"),
        ("docker-restart.service", "/etc/systemd/system/docker-restart.service"),
    )

    def docker(*argv):
        return lib.run("doorward", "run", "docker-restart", "--", "docker", *argv, user="alice")

    with engine.engine(image=True) as it, example("docker-restart", *files):
        it.start_container()
        rule = lib.allow_generic("docker-restart", "full")
        with lib.rule(rule):
            lib.expect_in("one", docker("ps").expect_status(0).out)
            before = it.docker("inspect", "--format", "{{.State.StartedAt}}", "one")
            docker("restart", "--time", "0", "one").expect_status(0)
            after = it.docker("inspect", "--format", "{{.State.StartedAt}}", "one")
            lib.expect_true(before != after, "it was restarted")
            for argv in (["images"], ["exec", "one", "true"], ["rm", "--force", "one"],
                         ["inspect", "one"], ["export", "one"], ["info"]):
                result = docker(*argv)
                lib.expect_in("403", result.err + result.out, argv)
        lib.expect_true(docker("ps").status != 0, "without a rule there is nothing")


# What the example for D-Bus is about: it tells of its stock, and sells.
SHOP = """
import sys
from gi.repository import Gio, GLib

INTERFACE = Gio.DBusNodeInfo.new_for_xml("<node><interface name='org.example.Shop'><method "
    "name='GetStock'><arg type='u' direction='out'/></method><method name='Sell'/><signal "
    "name='StockChanged'><arg type='u'/></signal></interface></node>").interfaces[0]
stock = 3

def on_call(bus, sender, path, interface, method, parameters, invocation):
    global stock
    if method == "GetStock":
        invocation.return_value(GLib.Variant("(u)", (stock,)))
        return
    stock -= 1
    invocation.return_value(None)
    bus.emit_signal(None, path, interface, "StockChanged", GLib.Variant("(u)", (stock,)))
    bus.emit_signal(None, path, interface, "Sold", GLib.Variant("(s)", ("to whom",)))

bus = Gio.DBusConnection.new_for_address_sync(
    "unix:path=/run/shop/bus", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
    Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
for path in "/org/example/Shop", "/org/example/Shop/till":
    bus.register_object(path, INTERFACE, on_call, None, None)
Gio.bus_own_name_on_connection(bus, "org.example.Shop", 0, lambda *_: print("ready", flush=True), None)
GLib.MainLoop().run()
"""


@contextlib.contextmanager
def shop():
    """A bus of an application's, and the application on it."""
    with test_cookbook.bus(), contextlib.ExitStack() as stack:
        process = lib.start("python3", "-c", SHOP, stdout=subprocess.PIPE, text=True)
        stack.callback(process.kill)
        lib.expect(process.stdout.readline(), "ready\n")
        yield


def shop_call(*command, method="GetStock", path="/org/example/Shop", user="monitor"):
    words = ("gdbus", "call", "--session", "--dest=org.example.Shop", f"--object-path={path}",
             f"--method=org.example.Shop.{method}")
    return lib.run(*command, *words, user=user, timeout=20)


@lib.time_limit(120)
def test_xdg_dbus_proxy():
    """The example of xdg-dbus-proxy: whom the rule lets in may ask and listen, and that is all; the
    user whose proxy it is can neither go round the broker nor into the proxy."""
    files = (
        ("shop-view.conf", f"{lib.DEFINITIONS}/shop-view.conf"),
        ("shop-view.service", "/etc/systemd/system/shop-view.service"),
    )
    run = ("doorward", "run", "--no-ask-password", "shop-view:ro", "--")
    with contextlib.ExitStack() as stack:
        lib.ok("useradd", "--system", "monitor")
        stack.callback(lib.ok, "userdel", "monitor")
        stack.enter_context(shop())
        stack.enter_context(example("shop-view", *files))
        lib.wait_for(lambda: os.path.exists("/run/shop/view/bus"), "the proxy listens")
        lib.expect_true(shop_call(*run).status != 0, "without a rule there is nothing")

        rule = lib.allow_generic("shop-view", "read-only", "monitor")
        with lib.rule(rule):
            lib.expect(shop_call(*run).expect_status(0).out, "(uint32 3,)\n")
            for more in {"method": "Sell"}, {"path": "/org/example/Shop/till"}:
                result = shop_call(*run, **more)
                lib.expect_in("AccessDenied", result.err, more)

            words = (*run, "gdbus", "monitor", "--session", "--dest=org.example.Shop")
            listener = lib.start(*words, user="monitor", stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
            stack.callback(listener.wait)
            stack.callback(listener.terminate)
            next(line for line in listener.stdout if "is owned by" in line)
            address = ("env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/shop/bus")
            shop_call(*address, method="Sell", user="root").expect_status(0)
            shop_call(*address, method="Sell", user="root").expect_status(0)
            heard = [listener.stdout.readline() for _ in range(2)]
            lib.expect([line.rsplit(" ", 1)[0] for line in heard],
                       ["/org/example/Shop: org.example.Shop.StockChanged (uint32"] * 2)

        direct = ("env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/shop/view/bus")
        lib.expect_in("Permission denied", shop_call(*direct).err)
        pid = lib.unit_pid("shop-view.service")
        for path in "root/etc/passwd", "fd/0", "environ":
            result = lib.run("cat", f"/proc/{pid}/{path}", user="monitor")
            lib.expect_in("Permission denied", result.err, path)
