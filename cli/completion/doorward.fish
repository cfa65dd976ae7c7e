# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of doorward(1) for fish. Endpoints come from the broker, which is asked for their names
# alone, and leases, of which it is asked for one's own: policy is not asked, and nobody for a
# password. Aliases come from client.conf.

function __doorward_names
    doorward list --no-check --no-legend 2>/dev/null
end

# Endpoints, of serial@ each line that is here, and all of them read-only.
function __doorward_endpoints
    for name in (__doorward_names)
        if test $name = serial@
            for device in /dev/ttyS* /dev/ttyUSB* /dev/ttyACM*
                test -c $device; or continue
                set -l instance serial@(string replace /dev/ '' $device)
                printf '%s\tendpoint\n%s:ro\tread-only\n' $instance $instance
            end
        else
            printf '%s\tendpoint\n%s:ro\tread-only\n' $name $name
        end
    end
end

# Aliases of the user's and the system's. No URI has a #, so what follows one is a comment.
function __doorward_aliases
    set -l config $XDG_CONFIG_HOME
    test -n "$config"; or set config $HOME/.config
    for name in (cat $config/doorward/client.conf /etc/doorward/client.conf 2>/dev/null |
            string replace -r '#.*' '' | string match -ra '"[A-Za-z0-9_-]+=' | string trim -c '"=')
        printf '%s\talias\n%s:ro\tread-only\n' $name $name
    end
end

# The names alone, where access has nothing to do with it.
function __doorward_endpoint_names
    __doorward_endpoints | string match -v '*:ro*'
end

# One's own leases: as far as their IDs have to be written, with who holds what of them.
function __doorward_leases
    doorward leases --no-legend 2>/dev/null | string replace -r '^(\S+) +' '$1\t' |
        string replace -ra ' +' ' '
end

function __doorward_command
    set -l words (commandline -opc)
    for word in $words[2..]
        switch $word
            case list explain exec stdio fdpass run listen leases revoke monitor forget policy \
                    cat-config verify capabilities info
                test $word = $argv[1]
                return
        end
    end
    return 1
end

function __doorward_no_command
    for command in list explain exec stdio fdpass run listen leases revoke monitor forget policy \
            cat-config verify capabilities info
        __doorward_command $command; and return 1
    end
    return 0
end

# Whether one of the commands stands there.
function __doorward_commands
    for command in $argv
        __doorward_command $command; and return 0
    end
    return 1
end

# "exec ... --", "run ... --": what follows is somebody else's command line.
function __doorward_behind_dashes
    __doorward_commands exec run; and contains -- -- (commandline -opc)
end

function __doorward_rest
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words)
    complete -C (string join ' ' -- (string escape -- $words[(math $at + 1)..-2]) $words[-1])
end

complete -c doorward -f
complete -c doorward -s h -l help -d 'Show help'
complete -c doorward -l version -d 'Show the version'
complete -c doorward -l debug -a 'debug info warning error' -d 'Write to standard error what is done'

complete -c doorward -n __doorward_no_command -a list -d 'Endpoints, and what policy says about you'
complete -c doorward -n __doorward_no_command -a explain -d 'Why, and what would change it'
complete -c doorward -n __doorward_no_command -a exec -d 'Run a command with open descriptors'
complete -c doorward -n __doorward_no_command -a stdio -d 'Join standard input and output to it'
complete -c doorward -n __doorward_no_command -a fdpass -d 'Pass it over a socket to the caller'
complete -c doorward -n __doorward_no_command -a run -d 'Run a command with a private socket'
complete -c doorward -n __doorward_no_command -a listen -d 'A private socket, until ^C'
complete -c doorward -n __doorward_no_command -a leases -d 'Who holds what at this moment'
complete -c doorward -n __doorward_no_command -a revoke -d 'Take it back'
complete -c doorward -n __doorward_no_command -a monitor -d 'Watch what is granted, refused and ended'
complete -c doorward -n __doorward_no_command -a forget -d 'Ask for remembered passwords again'
complete -c doorward -n __doorward_no_command -a policy -d 'Its polkit actions'
complete -c doorward -n __doorward_no_command -a cat-config -d 'Definitions as they are read'
complete -c doorward -n __doorward_no_command -a verify -d 'Whether definitions are right'
complete -c doorward -n __doorward_no_command -a capabilities \
    -d 'What there is, and would be answered'
complete -c doorward -n __doorward_no_command -a info -d 'What this broker is'

complete -c doorward -n '__doorward_commands explain stdio fdpass listen' -a '(__doorward_endpoints; __doorward_aliases)'
complete -c doorward -n '__doorward_commands exec run; and not __doorward_behind_dashes' \
    -a '(__doorward_endpoints; __doorward_aliases)'
complete -c doorward -n __doorward_behind_dashes -a '(__doorward_rest)'
complete -c doorward -n '__doorward_command revoke' -a '(__doorward_leases)'
complete -c doorward -n '__doorward_commands policy cat-config verify' -a '(__doorward_names)'
complete -c doorward -n '__doorward_commands cat-config verify' -a doorward.conf
complete -c doorward -n '__doorward_command verify' -F

complete -c doorward -n '__doorward_commands explain exec stdio fdpass run listen' -s r -l read-only \
    -d 'Read-only access'
complete -c doorward -n '__doorward_commands explain exec stdio fdpass run listen' -l local-only \
    -d 'Nothing of other machines'
complete -c doorward -n '__doorward_commands explain exec stdio fdpass run listen' -l no-aliases \
    -d 'A word is an endpoint'
complete -c doorward -n '__doorward_commands exec stdio fdpass run listen' -l user -x \
    -a '(__fish_complete_users)' -d 'As this user, after their password'
complete -c doorward -n '__doorward_commands exec stdio fdpass run listen' -l no-ask-password \
    -d 'Have nobody asked for a password'
complete -c doorward -n '__doorward_command revoke' -l user -x -a '(__fish_complete_users)' \
    -d 'What this user has'
complete -c doorward -n '__doorward_commands revoke policy' -l endpoint -x \
    -a '(__doorward_endpoint_names)' -d 'What is had of this endpoint'
complete -c doorward -n '__doorward_command revoke' -l block -x -a '10min 1h 8h 1d' \
    -d 'Who had it is not let in again for so long'
complete -c doorward -n '__doorward_commands leases monitor' -l all -d 'Everybody\'s'
complete -c doorward -n '__doorward_commands exec stdio fdpass run listen revoke forget policy verify' \
    -s q -l quiet \
    -d 'Say nothing but errors'
complete -c doorward -n '__doorward_command listen' -l at -r -F -d 'Make the socket there'
complete -c doorward -n '__doorward_command fdpass' -l fd -x -d 'Pass it over this descriptor'
complete -c doorward -n '__doorward_command policy' -l install -d 'Put the file where polkit reads it'
complete -c doorward -n '__doorward_command policy' -l remove -d 'Take it away again'
complete -c doorward -n '__doorward_command policy' -l now -d 'And have systemd and the broker take it up'
complete -c doorward -n '__doorward_command policy' -a suggest -d 'Rules that allow what was used'
complete -c doorward -n '__doorward_command policy' -x -l since -a '1d 7d 30d' -d 'What is not older'
complete -c doorward -n '__doorward_command policy' -x -l until -a '1d 7d' -d 'What is not newer'
complete -c doorward -n '__doorward_command info' -l check -d 'Look for what is set up wrongly'
complete -c doorward -n '__doorward_command list' -l no-check -d 'Names only'
complete -c doorward -n '__doorward_commands list leases monitor' -l no-legend -d 'No headings'
complete -c doorward -n '__doorward_commands list explain leases policy cat-config capabilities info' -l no-pager \
    -d 'No pager'
complete -c doorward \
    -n '__doorward_commands list explain leases revoke monitor forget policy verify capabilities info' -l json -x \
    -a 'short pretty off' -d 'Print JSON'
complete -c doorward \
    -n '__doorward_commands list explain leases revoke monitor forget policy verify capabilities info' -s j -d 'Print JSON'
