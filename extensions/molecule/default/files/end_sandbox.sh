#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends the sandbox of molecule's ephemeral directory $DIRECTORY, its upgrades and guards, and removes their files.
# Prints what it ends. Processes are identified by the directory in their command lines, not by a stored PID.
set -eu

all() {
    ps -A -ww -o pid=,args= | awk '
        index($0, " -m sandbox --state " ENVIRON["DIRECTORY"] "/") ||
        index($0, "_guard/__main__.py " ENVIRON["DIRECTORY"] "/") ||
        index($0, " --inventory " ENVIRON["DIRECTORY"] "/") && /\/(prepare|converge|verify)\.yml$/'
}

# end_all SIGNAL: true when all have ended, false if some run after about five seconds.
end_all() {
    all | while read -r pid command; do
        echo "ending $pid $command"
        kill -s "$1" "$pid" 2> /dev/null || true
    done
    for tenths in 1 2 3 4 5 6 7 8 9; do
        [ -n "$(all)" ] || return 0
        sleep "0.$tenths"
    done
    return 1
}

if ! { end_all TERM || end_all TERM || end_all KILL; }; then
    echo "These are still running: $(all)" >&2
    exit 1
fi
cd "$DIRECTORY"
rm -rf sandbox sandbox.json sandbox.log records schedules units crontab inventory/sandbox.yml
