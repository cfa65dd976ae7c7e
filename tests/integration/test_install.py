# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed, and how the units that were loaded are locked down."""

import glob
import os
import re
import stat

import lib

STAGE = f"{lib.SOURCE}/build-check/stage-gcc"


def staged():
    for folder, _, names in os.walk(STAGE):
        for name in names:
            path = os.path.join(folder, name)
            yield path, path[len(STAGE) :]


def test_destdir():
    """With DESTDIR everything goes below it, to where it belongs."""
    found = [inside for _, inside in staged()]
    for path in (
        "/usr/bin/doorward",
        "/usr/libexec/doorward/doorwardd",
        "/usr/libexec/doorward/doorward-agent",
        "/usr/libexec/doorward/doorward-audit",
        "/usr/libexec/doorward/doorward-opener",
        "/usr/libexec/doorward/doorward-pam",
        "/usr/libexec/doorward/doorward-filter",
        "/usr/libexec/doorward/doorward-filter-listener",
        "/usr/include/doorward.h",
        "/usr/share/polkit-1/actions/org.doorward.policy",
        "/usr/lib/doorward/endpoints.d/libvirt.conf",
        "/usr/lib/sysusers.d/doorward.conf",
        "/usr/lib/sysusers.d/doorward-audit.conf",
        "/usr/lib/tmpfiles.d/doorward.conf",
        "/usr/lib/pam.d/doorward",
        "/usr/share/bash-completion/completions/doorward",
    ):
        lib.expect_in(path, found)
    names = {os.path.basename(path) for path in found}
    for name in (
        "doorward.socket",
        "doorward.service",
        "doorward-opener@.socket",
        "doorward-opener@.service",
        "doorward-openers.target",
        "doorward-pam.socket",
        "doorward-pam@.service",
        "doorward-filter.socket",
        "doorward-filter.service",
        "doorward-audit.socket",
        "doorward-audit.service",
        "doorward.catalog",
        "doorward.pc",
        "doorward-stdio-libvirt",
        "doorward-stdio-ro-libvirt",
    ):
        lib.expect_in(name, names)
    for path in found:
        lib.expect_true(path.startswith(("/usr/", "/lib/", "/etc/")), path)


def test_no_special_permissions():
    """No setuid or setgid bit, no file capability, nothing that others can write."""
    for path, inside in staged():
        if os.path.islink(path):
            continue
        mode = os.lstat(path).st_mode
        lib.expect(mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX), 0, inside)
        lib.expect(mode & 0o022, 0, inside)
        lib.expect_not_in("security.capability", os.listxattr(path), inside)


def test_nothing_of_the_build_inside():
    """No installed file knows where it was built."""
    for path, inside in staged():
        if os.path.islink(path):
            lib.expect_not_in("build", os.readlink(path), inside)
            continue
        with open(path, "rb") as file:
            data = file.read()
        if data.startswith(b"\x7fELF"):
            dynamic = lib.ok("readelf", "-d", path)
            lib.expect_not_in("RUNPATH", dynamic, inside)
            lib.expect_not_in("RPATH", dynamic, inside)
        else:
            lib.expect_not_in(b"build-check", data, inside)


def test_programs_are_hardened():
    """Position-independent, all relocations read-only, no executable stack."""
    for name in ("bin/doorward", "libexec/doorward/doorwardd", "libexec/doorward/doorward-opener",
                 "libexec/doorward/doorward-pam", "libexec/doorward/doorward-agent",
                 "libexec/doorward/doorward-audit"):
        headers = lib.ok("readelf", "-W", "-l", "-d", "-h", f"/usr/{name}")
        lib.expect_in("DYN", headers, name)
        lib.expect_in("GNU_RELRO", headers, name)
        lib.expect_in("BIND_NOW", headers, name)
        lib.expect_true(re.search(r"GNU_STACK.* RW +0x", headers), f"{name}: an executable stack")


def test_library_exports_its_own_names_only():
    """libdoorward exports what doorward.h declares, all of it versioned, and nothing else."""
    (library,) = [p for p, inside in staged() if re.search(r"/libdoorward\.so\.\d+\.\d+", inside)]
    lines = lib.ok("nm", "--dynamic", "--defined-only", "--with-symbol-versions", library)
    names = {line.split()[-1] for line in lines.splitlines() if " A " not in line}
    header = lib.read("/usr/include/doorward.h")
    for name in names:
        symbol, _, version = name.partition("@@")
        lib.expect_true(symbol.startswith("doorward_"), symbol)
        lib.expect_true(version.startswith("DOORWARD_") or version.startswith("LIBDOORWARD_"), name)
        lib.expect_in(symbol, header)
    declared = set(re.findall(r"\b(doorward_[a-z_]+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
    lib.expect(declared - {name.partition("@@")[0] for name in names}, set(), "not exported")


def test_pages():
    """Each function of the library is found as a page by its name, and by whatis(1) in that."""
    folder = f"{STAGE}/usr/share/man"
    header = re.sub(r"/\*.*?\*/", "", lib.read("/usr/include/doorward.h"), flags=re.S)
    names = set(re.findall(r"\b(doorward_[a-z_]+)\(", header))
    lib.expect_true(len(names) >= 32, f"functions: {names}")
    for name in sorted(names):
        page = lib.ok("sh", "-c", f"cd {folder} && exec mandoc -T ascii man3/{name}.3")
        head = re.search(r"NAME(.*?)SYNOPSIS", re.sub(r".\x08", "", page), re.S)[1]
        lib.expect_in(name, re.sub(r"-\n +|\n +", "", head), f"{name}(3)")


def instances(folder):
    """The units of a package there, of a template the instance 1, of the openers' each definition's."""
    for name in sorted(os.listdir(folder)):
        if not name.startswith("doorward"):
            continue
        if name.startswith("doorward-opener@"):
            for definition in sorted(os.listdir("/usr/lib/doorward/endpoints.d")):
                opener = definition.removesuffix(".conf").rstrip("@")
                yield name.replace("@", f"@{opener}")
        elif name.endswith((".service", ".socket", ".target")):
            yield name.replace("@", "@1")


def verify(*argv, **options):
    """What systemd-analyze says of these units, without any exception. It reads what they want, too,
    and complains of that: other packages' units are for those to mend."""
    result = lib.run("systemd-analyze", "verify", *argv, timeout=120, **options)
    others = [name for folder in ("/lib/systemd/system", "/usr/lib/systemd/user")
              for name in os.listdir(folder) if "doorward" not in name]
    return [line for line in result.err.splitlines() + result.out.splitlines()
            if not any(re.match(rf"(\S*/)?{re.escape(name)}[:.]", line) for name in others)]


@lib.time_limit(240)
def test_units_verify():
    """systemd finds nothing wrong with any unit: those of the package, each opener's with what the
    generator writes for it, those of the examples, and in the user's manager the user's."""
    units = list(instances("/lib/systemd/system"))
    for kind in ("service", "socket"):
        lib.expect_in(f"doorward-opener@libvirt.{kind}", units)
    lib.expect(verify("--generators=yes", *units), [])

    users = list(instances("/usr/lib/systemd/user"))
    lib.expect_in("doorward-listen@1.socket", users)
    with lib.scratch(0o777) as folder:
        lib.expect(verify("--user", *users, user="alice", env={"XDG_RUNTIME_DIR": folder}), [])

    examples = glob.glob("/usr/share/doc/doorward/examples/**/*.service", recursive=True)
    lib.expect_true(examples, "an example of a unit")
    lib.expect(verify(*examples), [])
    lib.note(f"{len(units)} units, {len(users)} of users, {len(examples)} of examples")

    # It would have been seen.
    with lib.scratch() as folder:
        text = lib.read("/lib/systemd/system/doorward.service")
        lib.write(f"{folder}/doorward-bad.service", text.replace("[Service]", "[Service]\nUsr=x"))
        lib.expect_in("'Usr'", " ".join(verify(f"{folder}/doorward-bad.service")))


def exposure(unit):
    out = lib.ok("systemd-analyze", "security", "--no-pager", unit)
    return float(re.search(r"Overall exposure level for \S+ ([0-9.]+)", out).group(1))


def score_table():
    """The table of units/README.md: each unit's score and the most that it may be."""
    rows = re.findall(
        r"^\| *`(doorward[^`]*)` *\|[^|]*\| *([0-9.]+) *\| *([0-9.]+) *\|$",
        lib.read(f"{lib.SOURCE}/units/README.md"),
        re.MULTILINE,
    )
    lib.expect(len({name for name, _, _ in rows}), len(rows), "units, none of them twice")
    return {name: (float(score), float(most)) for name, score, most in rows}


def limit_of(definition):
    """What the opener of a definition may have at most, by what the definition asks for."""
    text = lib.read(f"/usr/lib/doorward/endpoints.d/{definition}")
    if "\nTap=" in text:
        return 2.0
    return 1.5 if "\nCapabilities=" in text else 1.2 if "\nDevice=" in text else 1.0


def test_security_scores():
    """systemd-analyze security of the loaded units: the broker, each shipped opener and the other
    helpers have at most what the table in units/README.md says of them, and that is within the
    limits of their class."""
    limits = {"doorward.service": 0.7, "doorward-pam@": 1.5, "doorward-audit.service": 1.0,
              "doorward-filter.service": 0.6}
    for name in os.listdir("/usr/lib/doorward/endpoints.d"):
        limits["doorward-opener@" + name.removesuffix(".conf").rstrip("@")] = limit_of(name)
    table = score_table()
    lib.expect({name: most for name, (_, most) in table.items()}, limits, "the limits in the table")
    figures = []
    for name, (score, most) in table.items():
        instance = f"{name}1" if name.endswith("@") else name
        measured = exposure(f"{instance.removesuffix('.service')}.service")
        figures.append(f"{name} {measured}")
        lib.expect_true(measured <= score, f"{name}: {measured}, and {score} in the table")
        lib.expect_true(score <= most, f"{name}: {score} in the table, where the limit is {most}")
    lib.note(", ".join(figures))


def test_generated_drop_ins():
    """The generator gives each opener just its definition's user, groups, device and capabilities.
    (The container does not enforce DeviceAllow=: this looks at what systemd was told.)"""
    for name, wanted in (
        ("libvirt", {"User": "doorward-libvirt", "PrivateDevices": "yes"}),
        ("mariadb", {"User": "doorward-mariadb"}),
        ("postgresql", {"User": "doorward-postgresql"}),
        ("kvm", {"User": "doorward-opener", "PrivateDevices": "no", "CapabilityBoundingSet": ""}),
        ("tun", {"User": "doorward-opener", "PrivateNetwork": "no", "PrivateDevices": "no"}),
        ("tun", {"CapabilityBoundingSet": "cap_net_admin"}),
        ("echo", {"SupplementaryGroups": "doorward-echo", "PrivateNetwork": "yes"}),
        ("echo", {"TasksMax": "1"}),
    ):
        for key, value in wanted.items():
            found = lib.unit_property(f"doorward-opener@{name}.service", key)
            lib.expect(found, value, f"{key} of {name}")
    for name, wanted in (
        ("libvirt", set()),
        ("kvm", {"/dev/kvm rw"}),
        ("serial", {"char-ttyS rw", "char-ttyUSB rw", "char-ttyACM rw"}),
        ("kmsg", {"/dev/kmsg rw"}),
        ("tun", {"/dev/net/tun rw"}),
    ):
        found = lib.unit_property(f"doorward-opener@{name}.service", "DeviceAllow")
        # ProtectClock=yes adds the clock, read-only.
        lib.expect(set(found.splitlines()) - {"char-rtc r"}, wanted, f"DeviceAllow= of {name}")
    capabilities = lib.unit_property("doorward-opener@kmsg.service", "CapabilityBoundingSet")
    lib.expect(set(capabilities.split()), {"cap_syslog", "cap_dac_override"})


def test_sockets():
    """The broker's socket is for everybody and says whose it is; the helpers' are the broker's."""
    status = os.stat(lib.BROKER_SOCKET)
    owner = lib.pwd.getpwnam("doorward").pw_uid
    lib.expect((stat.S_IMODE(status.st_mode), status.st_uid), (0o666, owner))
    lib.expect(
        os.path.realpath("/run/varlink/registry/org.doorward.Broker"), lib.BROKER_SOCKET
    )
    lib.expect(stat.S_IMODE(os.stat("/run/doorward").st_mode), 0o755)
    lib.expect(os.stat("/run/doorward").st_uid, 0)
    for name in os.listdir(lib.OPENER_SOCKETS):
        status = os.stat(f"{lib.OPENER_SOCKETS}/{name}")
        lib.expect((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, owner), name)
    status = os.stat("/run/doorward/pam")
    lib.expect((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, owner), "pam")


def test_pam_helper_is_roots_to_run():
    """The PAM helper, which is root, is a file that only root can read and execute."""
    status = os.stat("/usr/libexec/doorward/doorward-pam")
    lib.expect((stat.S_IMODE(status.st_mode), status.st_uid), (0o700, 0))


def test_enabled_by_preset():
    """What the preset enables is enabled, and nothing of doorward has failed."""
    for unit in ("doorward.socket", "doorward-pam.socket", "doorward-filter.socket", "doorward-audit.socket",
                 "doorward-openers.target"):
        lib.expect(lib.ok("systemctl", "is-enabled", unit).strip(), "enabled")
    lib.expect(lib.ok("systemctl", "list-units", "--failed", "--no-legend", "doorward*").strip(), "")
