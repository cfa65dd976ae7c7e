# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Completion of doorward(1) for bash. Endpoints come from the broker, which is asked for their names
# alone, and leases, of which it is asked for one's own: policy is not asked, and nobody for a
# password. Aliases come from client.conf.

# Endpoint names; of a template each instance that is a device here.
__doorward_endpoints() {
        local name device
        doorward list --no-check --no-legend 2>/dev/null | while read -r name _; do
                case $name in
                serial@)
                        for device in /dev/ttyS* /dev/ttyUSB* /dev/ttyACM*; do
                                [[ -c $device ]] && printf '%s\n' "serial@${device#/dev/}"
                        done
                        ;;
                *) printf '%s\n' "$name" ;;
                esac
        done
}

# Aliases of the user's and the system's. No URI has a #, so what follows one is a comment.
__doorward_aliases() {
        sed 's/#.*//' "${XDG_CONFIG_HOME:-$HOME/.config}/doorward/client.conf" \
                /etc/doorward/client.conf 2>/dev/null | grep -oE '"[A-Za-z0-9_-]+=' | tr -d '"='
}

# Both, with and without ":ro". The colon breaks words, and what stands before it must then not
# be repeated.
__doorward_complete_endpoints() {
        local word=$1 prefix i
        local -a names
        mapfile -t names < <(__doorward_endpoints; __doorward_aliases)
        mapfile -t COMPREPLY < <(compgen -W "${names[*]} ${names[*]/%/:ro}" -- "$word")
        if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
                prefix=${word%"${word##*:}"}
                for i in "${!COMPREPLY[@]}"; do
                        COMPREPLY[i]=${COMPREPLY[i]#"$prefix"}
                done
        fi
}

# Definitions by their names, and whatever else may stand there.
__doorward_complete_definitions() {
        mapfile -t COMPREPLY < <(compgen -W "$(doorward list --no-check --no-legend \
                2>/dev/null) ${*:2}" -- "$1")
}

# One's own leases, as far as their IDs have to be written.
__doorward_leases() {
        local id
        doorward leases --no-legend 2>/dev/null | while read -r id _; do
                printf '%s\n' "$id"
        done
}

__doorward_options() {
        case $1 in
        list) echo --no-check --json= -j --no-legend --no-pager ;;
        explain) echo --read-only -r --local-only --no-aliases --json= -j --no-pager ;;
        exec | run | stdio)
                echo --read-only -r --local-only --no-aliases --user= --no-ask-password --quiet -q
                ;;
        fdpass)
                echo --read-only -r --local-only --no-aliases --user= --fd= --no-ask-password \
                        --quiet -q
                ;;
        listen)
                echo --read-only -r --local-only --no-aliases --user= --at= --no-ask-password \
                        --quiet -q
                ;;
        leases) echo --all --json= -j --no-legend --no-pager ;;
        revoke) echo --user= --endpoint= --block= --json= -j --quiet -q ;;
        monitor) echo --all --json= -j --no-legend ;;
        forget) echo --json= -j --quiet -q ;;
        policy)
                echo --install --remove --now --quiet -q --no-pager --since= --until= --endpoint= \
                        --json= -j
                ;;
        cat-config) echo --no-pager ;;
        verify) echo --json= -j --quiet -q ;;
        capabilities) echo --json= -j --no-pager ;;
        info) echo --check --json= -j --no-pager ;;
        esac
        echo --debug --help -h --version
}

_doorward() {
        local commands='list explain exec stdio fdpass run listen leases revoke monitor forget'
        commands+=' policy cat-config verify capabilities info'
        local line=${COMP_LINE:0:COMP_POINT} word command='' i at
        local -a words
        COMPREPLY=()

        # COMP_WORDS is cut at colons and equals signs: the line itself is what was written.
        read -ra words <<<"$line"
        word=''
        if [[ $line != *[[:space:]] ]]; then
                word=${words[-1]}
                unset 'words[-1]'
        fi

        for ((i = 1; i < ${#words[@]}; i++)); do
                if [[ $command == @(exec|run) && ${words[i]} == -- ]]; then
                        # What follows is somebody else's command line.
                        if declare -F _command_offset >/dev/null; then
                                for ((at = 1; at < COMP_CWORD; at++)); do
                                        [[ ${COMP_WORDS[at]} == -- ]] && break
                                done
                                _command_offset $((at + 1))
                        else
                                mapfile -t COMPREPLY < <(compgen -c -- "$word")
                        fi
                        return
                fi
                if [[ -z $command && " $commands " == *" ${words[i]} "* ]]; then
                        command=${words[i]}
                fi
        done

        case $word in
        --json=*)
                mapfile -t COMPREPLY < <(compgen -W 'short pretty off' -- "${word#--json=}")
                return
                ;;
        --debug=*)
                mapfile -t COMPREPLY < <(compgen -W 'debug info warning error' -- \
                        "${word#--debug=}")
                return
                ;;
        --since=* | --until=*)
                mapfile -t COMPREPLY < <(compgen -W '1d 7d 30d' -- "${word#*=}")
                return
                ;;
        --user=*)
                mapfile -t COMPREPLY < <(compgen -u -- "${word#--user=}")
                return
                ;;
        --at=*)
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "${word#--at=}")
                return
                ;;
        --endpoint=*)
                mapfile -t COMPREPLY < <(compgen -W "$(__doorward_endpoints)" -- \
                        "${word#--endpoint=}")
                return
                ;;
        --block=*)
                mapfile -t COMPREPLY < <(compgen -W '10min 1h 8h 1d' -- "${word#--block=}")
                return
                ;;
        -*)
                mapfile -t COMPREPLY < <(compgen -W "$(__doorward_options "$command")" -- "$word")
                [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
                return
                ;;
        esac

        case $command in
        '') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word") ;;
        explain | exec | stdio | fdpass | run | listen) __doorward_complete_endpoints "$word" ;;
        revoke) mapfile -t COMPREPLY < <(compgen -W "$(__doorward_leases)" -- "$word") ;;
        policy) __doorward_complete_definitions "$word" suggest ;;
        cat-config) __doorward_complete_definitions "$word" doorward.conf ;;
        verify)
                if [[ $word == */* ]]; then
                        compopt -o filenames
                        mapfile -t COMPREPLY < <(compgen -f -- "$word")
                else
                        __doorward_complete_definitions "$word" doorward.conf
                fi
                ;;
        esac
}

complete -F _doorward doorward
