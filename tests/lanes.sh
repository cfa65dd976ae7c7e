# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Lanes: parts of a run that go on beside each other. Each is a shell of its own, in a process group
# of its own, whose output is kept and shown when it is its turn: the lanes one after the other,
# whole, in the order in which they were started. So the same run prints the same, and the first is
# seen while it goes.
#
# Sourced by ./check, which sets SCRATCH before. What a lane leaves behind to be taken back is the
# affair of lane_leave, which ./check defines: it runs in the lane's own shell, whatever ends that.

LANES=()     # their names
LANE_PIDS=() # each the leader of its group; '' once it was waited for

# lane_start NAME COMMAND...: from now on it runs, with a SCRATCH of its own.
lane_start() {
        local name=$1 main=$BASHPID
        shift
        mkdir "$SCRATCH/$name"
        # A group of its own: what the lane runs is then ended with it, and ^C is for the main shell
        # alone, which ends the lanes.
        set -m
        (
                set +m
                trap 'trap - EXIT; trap "" INT TERM HUP; lane_leave; kill -TERM 0' EXIT
                trap 'exit 143' INT TERM HUP
                # shellcheck disable=SC2030 # its own
                SCRATCH=$SCRATCH/$name
                # Nobody else ends it if the main shell was killed.
                (tail -f --pid="$main" /dev/null && kill -TERM 0) >/dev/null 2>&1 &
                "$@"
        ) </dev/null >"$SCRATCH/$name.log" 2>&1 &
        set +m
        LANES+=("$name")
        LANE_PIDS+=($!)
}

# lane_finish I: shows what it prints up to its end. Its exit status.
lane_finish() {
        local pid=${LANE_PIDS[$1]} status=0
        # shellcheck disable=SC2031
        tail -n +1 -f --sleep-interval=0.2 --pid="$pid" "$SCRATCH/${LANES[$1]}.log"
        wait "$pid" || status=$?
        LANE_PIDS[$1]=''
        return "$status"
}

# lanes_end: ends those that still run, and waits until they have taken back what they made.
lanes_end() {
        local pid
        for pid in "${LANE_PIDS[@]}"; do
                [[ -z $pid ]] || kill -TERM -- "-$pid" || true
        done
        for pid in "${LANE_PIDS[@]}"; do
                [[ -z $pid ]] || wait "$pid" || true
        done
} 2>/dev/null
