#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends the sandbox of molecule's ephemeral folder $FOLDER, and the upgrades and guards at work on it; removes their files.
# Prints what it ended. Processes are told by the folder in their command lines: no number is taken for another's.
set -eu

all() {
    ps -A -ww -o pid=,args= | awk '
        index($0, " -m sandbox --state " ENVIRON["FOLDER"] "/") ||
        index($0, "_guard/__main__.py " ENVIRON["FOLDER"] "/") ||
        index($0, " --inventory " ENVIRON["FOLDER"] "/") && /\/(prepare|converge|verify)\.yml$/'
}

# end_all SIGNAL: true once they are gone, false when some are still there after about five seconds.
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
cd "$FOLDER"
rm -rf sandbox sandbox.json sandbox.log records schedules units crontab inventory/sandbox.yml
