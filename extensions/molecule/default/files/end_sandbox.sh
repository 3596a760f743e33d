#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends the sandbox of molecule's ephemeral folder $FOLDER, and the upgrades and guards at work on it. Prints what it ended.
# They are told by the folder in their command lines, so that no number can by now be somebody else's process.
set -u

all() {
    ps -A -ww -o pid=,args= | awk '
        index($0, " -m sandbox --state " ENVIRON["FOLDER"] "/") ||
        index($0, "guard_process.py " ENVIRON["FOLDER"] "/") ||
        index($0, " --inventory " ENVIRON["FOLDER"] "/") && /\/(prepare|converge|verify)\.yml$/'
}

end_all() {
    all | while read -r pid command; do
        echo "ending $pid $command"
        kill -s "$1" "$pid"
    done
    for try in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$(all)" ] || exit 0
        sleep "0.$try"
    done
}

end_all TERM
end_all TERM
end_all KILL
echo "still running: $(all)" >&2
exit 1
