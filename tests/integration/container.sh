# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2153 # TREE and SCRATCH are of whoever sources this
#
# A throw-away machine: systemd-nspawn boots a copy-on-write view of / whose changes live on a tmpfs,
# all of it mounted in a mount namespace of its own. When its PID 1 ends, the kernel takes processes
# and mounts away; what is left to container_down is to remove its empty control groups. PID 1 of
# the host need not be systemd.
#
# Sourced by ./check and ./demo, which set TREE and SCRATCH (a new, empty folder of theirs).

CONTAINER_BASE=/    # what it is a view of; another folder may be one that mmdebstrap made
CONTAINER_PID=''    # of systemd-nspawn
CONTAINER_LEADER='' # of PID 1 inside
CONTAINER_SCOPE=''  # what has all of its processes; where PID 1 is not systemd, the groups
CONTAINER_CGROUPS=()
OTHER_PID='' OTHER_LEADER='' OTHER_SCOPE='' # of a second one: container_swap
OTHER_CGROUPS=()

# Runs in the new mount namespace, and becomes systemd-nspawn.
# shellcheck disable=SC2016
CONTAINER_BOOT='
set -e
machine=$1 scratch=$2 tree=$3 base=${4%/}

# systemd-nspawn and mount(8) leave small files in /run: not in the host, please.
mount -t tmpfs -o mode=0755 tmpfs /run

mkdir "$scratch/disk"
mount -t tmpfs -o mode=0755 tmpfs "$scratch/disk"
cd "$scratch/disk"

# / as it is, and each of its folders that may be a file system of its own.
root=$PWD/root
for folder in / /usr /var /etc /opt /srv /home; do
        if [ "$folder" = / ] || mountpoint -q "$base$folder"; then
                mkdir -p "changes$folder" "work$folder" "$root"
                mount -t overlay overlay "$root$folder" -o \
                        "lowerdir=$base$folder,upperdir=$PWD/changes$folder,workdir=$PWD/work$folder"
        fi
done 2>"$scratch/mount.log"

# A machine that has nothing of doorward, whatever the host has; no service of the host but
# those that the tests use; its own identity.
find "$root"/etc "$root"/usr "$root"/var/lib -xdev -depth -name "*doorward*" \
        -not -path "$root$tree/*" -not -path "$root/usr/src/*" -exec rm -rf {} +
sed -i -e "/^Package: .*doorward/,/^\$/d" "$root"/var/lib/dpkg/status
sed -i -e /^doorward/d "$root"/etc/passwd "$root"/etc/group "$root"/etc/shadow "$root"/etc/gshadow
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer logrotate.timer man-db.timer cron.service anacron.service \
        unattended-upgrades.service postgresql.service postgresql@15-main.service ssh.service \
        ssh.socket libvirt-guests.service networking.service systemd-networkd.service \
        systemd-resolved.service systemd-timesyncd.service docker.service docker.socket \
        containerd.service haproxy.service mariadb.service podman-auto-update.timer \
        podman-restart.service redis-server.service console-getty.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Here, packages start what they bring; nobody looks for manual pages.
rm -f "$root"/usr/sbin/policy-rc.d "$root"/var/lib/man-db/auto-update
rm -f "$root"/etc/fstab "$root"/var/lib/dbus/machine-id
rm -rf "$root"/var/log/journal
: >"$root/etc/machine-id"
echo "$machine" >"$root/etc/hostname"
mkdir -p "$root/opt/doorward"

export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --boot --directory="$root" --machine="$machine" \
        --register=no --keep-unit --private-network --link-journal=no --console=pipe \
        --timezone=off --resolv-conf=off \
        --bind-ro="$tree:/opt/doorward" systemd.show_status=0
'

# A control group of its own: systemd-nspawn otherwise makes its groups inside the caller's, and two
# machines at once would take each other's processes for their own.
container_own_cgroup() {
        local tree
        for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
                [[ -e $tree/cgroup.procs ]] || continue
                mkdir "$tree/$1"
                CONTAINER_CGROUPS+=("$tree/$1")
        done
        [[ ${#CONTAINER_CGROUPS[@]} -gt 0 ]] || fail "no control groups are mounted here"
}

# container_up NAME: boots it and waits until it is up.
container_up() {
        local machine=$1-$$ group
        local -a scope=()
        if [[ -d /run/systemd/system ]]; then
                CONTAINER_SCOPE=$machine.scope
                scope=(systemd-run --quiet --scope --collect --property=Delegate=yes
                        --unit="$CONTAINER_SCOPE")
        else
                container_own_cgroup "$machine"
        fi
        (
                for group in "${CONTAINER_CGROUPS[@]}"; do
                        echo "$BASHPID" >"$group/cgroup.procs"
                done
                # Shuts down by itself if whoever waits for it is killed.
                exec setpriv --pdeathsig=TERM "${scope[@]}" unshare --mount --propagation=private \
                        sh -c "$CONTAINER_BOOT" sh "$machine" "$SCRATCH" "$TREE" "$CONTAINER_BASE"
        ) </dev/null >"$SCRATCH/console.log" 2>&1 &
        CONTAINER_PID=$!

        local tries
        for ((tries = 0; tries < 600; tries++)); do
                kill -0 "$CONTAINER_PID" 2>/dev/null || break
                CONTAINER_LEADER=$(pgrep -P "$CONTAINER_PID" -x systemd || true)
                if [[ -n $CONTAINER_LEADER ]]; then
                        case $(container_enter systemctl is-system-running 2>/dev/null || true) in
                        running | degraded) return 0 ;;
                        esac
                fi
                sleep 0.1
        done
        cat "$SCRATCH/mount.log" "$SCRATCH/console.log" >&2 || true
        fail "the container did not boot"
}

# container_enter COMMAND...: runs it as root inside, in no session, and outside of any unit.
container_enter() {
        nsenter --target "$CONTAINER_LEADER" --mount --uts --ipc --net --pid --cgroup --root \
                env -i --chdir=/ PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                TERM="${TERM-dumb}" LANG=C.UTF-8 HOME=/root "$@"
}

# container_swap: there can be two. From now on the other is meant, or none where it was not booted.
container_swap() {
        local pid=$CONTAINER_PID leader=$CONTAINER_LEADER unit=$CONTAINER_SCOPE
        local -a groups=("${CONTAINER_CGROUPS[@]}")
        CONTAINER_PID=$OTHER_PID CONTAINER_LEADER=$OTHER_LEADER CONTAINER_SCOPE=$OTHER_SCOPE
        CONTAINER_CGROUPS=("${OTHER_CGROUPS[@]}")
        OTHER_PID=$pid OTHER_LEADER=$leader OTHER_SCOPE=$unit
        OTHER_CGROUPS=("${groups[@]}")
}

# container_join: the two get a wire, and to know each other (tests/integration/join).
container_join() {
        local join=/opt/doorward/tests/integration/join keys
        nsenter --target "$CONTAINER_LEADER" --net ip link add doorward0 type veth \
                peer name doorward0 netns "$OTHER_LEADER"
        keys=$(container_enter "$join" near)
        container_swap
        keys=$(container_enter "$join" far <<<"$keys")
        container_swap
        container_enter "$join" known <<<"$keys"
}

# container_down: ends it. Nothing in it is worth an orderly shutdown: PID 1 inside takes all with
# it, and systemd-nspawn ends by itself. What that started goes on without it, though, if there is no
# PID 1 yet: whatever is in the control groups ends.
container_down() {
        local group tries
        if [[ -n $CONTAINER_PID ]]; then
                pkill -KILL -P "$CONTAINER_PID" -x systemd || kill -KILL "$CONTAINER_PID" || true
                for ((tries = 0; tries < 50; tries++)); do
                        kill -0 "$CONTAINER_PID" || break
                        sleep 0.1
                done
                kill -KILL "$CONTAINER_PID" || true
                wait "$CONTAINER_PID" || true
        fi
        if [[ -n $CONTAINER_SCOPE ]]; then
                systemctl kill --signal=KILL "$CONTAINER_SCOPE" || true
        fi
        for group in "${CONTAINER_CGROUPS[@]}"; do
                container_remove_cgroup "$group"
        done
        CONTAINER_PID='' CONTAINER_LEADER='' CONTAINER_SCOPE='' CONTAINER_CGROUPS=()
} 2>/dev/null

# The last processes leave a moment after they were killed.
container_remove_cgroup() {
        local tries
        for ((tries = 0; tries < 50; tries++)); do
                # shellcheck disable=SC2038 # these are numbers
                find "$1" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL || true
                find "$1" -depth -type d -exec rmdir {} + || true
                [[ -d $1 ]] || return 0
                sleep 0.1
        done
} 2>/dev/null
