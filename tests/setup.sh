# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Setting up: the packages that are needed, and the builds. Sourced by ./check and ./demo, which set
# TREE (this source tree) before. Nothing of the host changes but its installed packages, and what
# is built goes to TREE/build-check.

BUILD=$TREE/build-check
SETUP_POLICY=${SETUP_POLICY-/usr/sbin/policy-rc.d} # tests/interrupt says which
SETUP_POLICY_MARK='# Of doorward: no service starts while packages are installed for its tests.'

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
# while apt runs, a policy-rc.d keeps their packages from starting them on the host. One run at a
# time installs: the end of the first would take the file from the second.
setup_packages() {
        local status=0
        local -a missing
        mapfile -t missing < <(setup_missing "$@")
        [[ ${#missing[@]} -gt 0 ]] || return 0
        [[ $EUID == 0 ]] || fail "these packages are needed: apt-get install ${missing[*]}"

        echo "Installing ${missing[*]}"
        exec 9<"${SETUP_POLICY%/*}"
        flock 9
        if [[ ! -e $SETUP_POLICY ]] || setup_policy_is_ours; then
                printf '#!/bin/sh\n%s\nexit 101\n' "$SETUP_POLICY_MARK" >"$SETUP_POLICY"
                chmod 0755 "$SETUP_POLICY"
        fi
        # A shell of its own: this one would keep a copy of what is closed here.
        (
                apt-get -qq -o DPkg::Lock::Timeout=600 update &&
                        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
                                -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
                                install "${missing[@]}"
        ) >"$SCRATCH/apt.log" 2>&1 9<&- || status=1
        setup_clean
        if [[ $status != 0 ]]; then
                tail -n 30 "$SCRATCH/apt.log" >&2
                fail "apt-get could not install what is needed"
        fi
}

setup_policy_is_ours() {
        grep -qsxF -e "$SETUP_POLICY_MARK" "$SETUP_POLICY"
}

# setup_clean: removes policy-rc.d if it is ours, of this run or of one that was killed; not while
# somebody else installs. For every way out.
setup_clean() {
        exec 9<&-
        if [[ $EUID == 0 ]] && setup_policy_is_ours; then
                flock --nonblock "${SETUP_POLICY%/*}" rm -f "$SETUP_POLICY" || true
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

# setup_deb NAME [COMMAND...]: the Debian packages, below TREE/build-check/NAME, by COMMAND (env, say)
# if there is one. They are built of a copy: this tree stays as it is, and may be one that cannot be
# written. Nothing is done if nothing of the tree but its tests is newer than they are.
setup_deb() {
        local place=$BUILD/$1 copy
        shift
        copy=$place/doorward-$(dpkg-parsechangelog -l "$TREE/debian/changelog" -S Version)
        if [[ -e $place/built && -z $(find "$TREE" \( -path "$TREE/build*" -o -path "$TREE/tests" \
                -o -name .git -o -name __pycache__ \) -prune -o -newer "$place/built" -print -quit) ]]; then
                return 0
        fi
        mkdir -p "$copy"
        # What was compiled stays, and is compiled again where it is older than its source.
        find "$place" -mindepth 1 -maxdepth 1 -not -path "$copy" -exec rm -rf {} +
        find "$copy" -mindepth 1 -maxdepth 1 -not -name 'obj-*' -exec rm -rf {} +
        touch "$place/begun"
        tar -C "$TREE" -c --exclude='./build*' --exclude=.git --exclude=__pycache__ . | tar -C "$copy" -x
        (
                cd "$copy"
                DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
                        "$@" dpkg-buildpackage -b -us -uc -nc
        ) >"$place.log" 2>&1 ||
                { grep -A 20 -m 5 -e '^FAILED' -e '[Ee]rror' "$place.log" >&2; return 1; }
        mv "$place/begun" "$place/built"
}

# setup_minimal: TREE/build-check/minimal, a system of nothing but Debian's minimal set, an init, and
# what the package doorward depends on and recommends; from where this machine has its packages. It
# is made again when these are others.
setup_minimal() {
        local fields needs
        fields=$(dpkg-deb -f "$BUILD"/deb/doorward_*.deb Depends Recommends) || return 1
        needs=$(sed -e 's/^[A-Z][a-z]*: //' -e 's/([^)]*)//g' -e 's/|[^,]*//g' -e 's/ //g' \
                <<<"$fields" | paste -s -d ,)
        if [[ $needs == "$(cat "$BUILD/minimal.needs" 2>/dev/null)" ]]; then
                return 0
        fi
        rm -rf "$BUILD/minimal" "$BUILD/minimal.needs"
        mmdebstrap --quiet --variant=minbase --include="systemd-sysv,$needs" \
                --dpkgopt=force-unsafe-io "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
                "$BUILD/minimal" || return 1
        echo "$needs" >"$BUILD/minimal.needs"
}

# What was built by sudo belongs to who called it, so that `./check --unit` can go on with it.
setup_give_back() {
        if [[ -n ${SUDO_UID-} && -d $BUILD ]]; then
                chown -R "$SUDO_UID:${SUDO_GID-}" "$BUILD"
        fi
}
