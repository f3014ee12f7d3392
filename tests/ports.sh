# Sourced by tests that start servers: ports that stay ours while a server is down and comes back, and processes that end with us.
# shellcheck shell=bash disable=SC2034
#
# A port that the kernel picks (32768 and up) may become some client's own port while our server is down: then the server cannot
# bind it again, or a client that connects to it meets itself. So ports come from below, and a locked file says whose they are.
claimed_ports=()

# Files of tests that were killed: nobody holds their lock any more.
drop_stale_ports() {
    local stale_file stale_lock
    for stale_file in "${TMPDIR:-/tmp}"/freshet-port.*; do
        [ -f "$stale_file" ] && exec {stale_lock}<"$stale_file" || continue
        flock -n "$stale_lock" && rm -f "$stale_file"
        exec {stale_lock}<&-
    done 2>/dev/null
}

# claim_port NAME: sets the variable to a free port of the loopback. "${claimed_ports[@]}" are files to remove in the end.
claim_port() {
    local claimed_port claimed_file claimed_lock claimed_try
    for ((claimed_try = 0; claimed_try < 1000; claimed_try++)); do
        # Not from RANDOM: a test may have seeded it.
        claimed_port=$((20000 + 0x$(od -An -N2 -tx1 /dev/urandom | tr -d ' \n') % 12000))
        claimed_file=${TMPDIR:-/tmp}/freshet-port.$claimed_port
        exec {claimed_lock}>"$claimed_file"
        # Another test may have taken the file for a stale one and removed it meanwhile.
        if flock -n "$claimed_lock" && [ "$claimed_file" -ef "/dev/fd/$claimed_lock" ] &&
            ! (exec 3<>"/dev/tcp/127.0.0.1/$claimed_port") 2>/dev/null; then
            claimed_ports+=("$claimed_file")
            printf -v "$1" %s "$claimed_port"
            return 0
        fi
        exec {claimed_lock}>&-
    done
    echo "no free port" >&2
    return 1
}

drop_stale_ports

# Before a command: it gets SIGKILL when this shell is gone, even by SIGKILL.
dies_with_us=(setpriv --pdeathsig KILL --)
