# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Setting up: the packages that are needed, and the builds. Sourced by ./check and ./demo, which set
# TREE (this source tree) before. Nothing of the host changes but its installed packages, and what
# is built goes to TREE/build-check.

BUILD=$TREE/build-check

# Debian's programs, whatever somebody has put before them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

fail() {
        echo "${0##*/}: $*" >&2
        exit 1
}

# setup_missing GROUP...: the packages of these groups that are not installed.
setup_missing() {
        local group package
        sed -e '/^#/d' "$TREE/tests/packages" | while read -r group package; do
                [[ " $* " == *" $group "* ]] || continue
                [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
                        echo "$package"
        done
}

# setup_packages GROUP...: installs what is missing. The daemons among them are for the container:
# while apt runs, a policy-rc.d keeps their packages from starting them on the host.
setup_packages() {
        local policy=/usr/sbin/policy-rc.d ours='' status=0
        local -a missing
        mapfile -t missing < <(setup_missing "$@")
        [[ ${#missing[@]} -gt 0 ]] || return 0
        [[ $EUID == 0 ]] || fail "these packages are needed: apt-get install ${missing[*]}"

        echo "Installing ${missing[*]}"
        if [[ ! -e $policy ]]; then
                ours=$policy
                printf '#!/bin/sh\nexit 101\n' >"$policy"
                chmod 0755 "$policy"
        fi
        {
                apt-get -qq -o DPkg::Lock::Timeout=600 update &&
                        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
                                -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
                                install "${missing[@]}"
        } >"$SCRATCH/apt.log" 2>&1 || status=1
        [[ -z $ours ]] || rm -f "$ours"
        if [[ $status != 0 ]]; then
                tail -n 30 "$SCRATCH/apt.log" >&2
                fail "apt-get could not install what is needed"
        fi
}

# setup_build NAME CC OPTION...: configures TREE/build-check/NAME if that was not done, and builds.
setup_build() {
        local name=$1 cc=$2
        shift 2
        mkdir -p "$BUILD"
        if [[ ! -e $BUILD/$name/build.ninja ]]; then
                rm -rf "${BUILD:?}/$name"
                CC=$cc meson setup "$BUILD/$name" "$TREE" --prefix=/usr -Dwerror=true "$@" \
                        >"$BUILD/$name.log" 2>&1 ||
                        { tail -n 30 "$BUILD/$name.log" >&2; return 1; }
        fi
        ninja -C "$BUILD/$name" >"$BUILD/$name.log" 2>&1 ||
                { grep -A 20 -m 5 -e '^FAILED' -e 'error:' "$BUILD/$name.log" >&2; return 1; }
}

# What was built by sudo belongs to who called it, so that `./check --unit` can go on with it.
setup_give_back() {
        if [[ -n ${SUDO_UID-} && -d $BUILD ]]; then
                chown -R "$SUDO_UID:${SUDO_GID-}" "$BUILD"
        fi
}
