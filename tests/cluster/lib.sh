# Sourced by the tests of several real brokers over one store: tests/clients/lib.sh and brokers by number.
# Gives: member_start N [KEY=VALUE...], member_launch (does not wait), member_stop N, member_kill N, member_pause N, member_log N, and by number
# ${member_port[N]}, ${member_admin[N]}, ${member_pid[N]}, ${member_data[N]}; $BOOTSTRAP of all; cluster_kcat; leaders TOPIC.
# shellcheck shell=bash
# shellcheck source=../clients/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../clients/lib.sh"
declare -A member_port member_admin member_pid member_data
# A broker that gets no processor for a lease and a quarter is dead to the others: on a busy machine with a short lease that happens.
: "${MEMBERS:=3}" "${LEASE_MS=3000}"
BOOTSTRAP=
for ((member = 1; member <= MEMBERS; member++)); do
    claim_port "member_port[$member]"
    claim_port "member_admin[$member]"
    member_data[$member]=$work/data$member
    BOOTSTRAP+=${BOOTSTRAP:+,}127.0.0.1:${member_port[$member]}
done

member_launch() { # N [KEY=VALUE...]
    local n=$1 setting settings=()
    shift
    for setting in "$@"; do settings+=(--set "$setting"); done
    mkdir -p "${member_data[$n]}"
    : >"$work/stdout$n"
    "${dies_with_us[@]}" "$BROKER_BINARY" broker --set "node.id=$n" --set "listeners=PLAINTEXT://127.0.0.1:${member_port[$n]}" \
        --set "data.dir=${member_data[$n]}" --set "store.url=${S3_STORE_URL:-file://$store}" --set "io.engine=$IO_ENGINE" \
        --set "admin.listener=127.0.0.1:${member_admin[$n]}" ${LEASE_MS:+--set "lease.ms=$LEASE_MS"} --set reactors=2 \
        --set wal.capacity.bytes=536870912 --set group.initial.rebalance.delay.ms=0 ${WAL_TYPE:+--set "wal.type=$WAL_TYPE"} \
        "${settings[@]}" \
        >"$work/stdout$n" 2>>"$work/broker$n.log" </dev/null &
    member_pid[$n]=$!
    background+=("$!")
}

member_is_ready() { grep -q "^freshet ready" "$work/stdout$1"; }

member_start() { # N [KEY=VALUE...]
    local n=$1
    member_launch "$@"
    eventually 300 member_is_ready_or_dead "$n" || fail "broker $n was not ready after 60 s"
    member_is_ready "$n" || fail "broker $n ended: $(tail -n 3 "$work/broker$n.log")"
}
member_is_ready_or_dead() { member_is_ready "$1" || ! kill -0 "${member_pid[$1]}" 2>/dev/null; }

member_stop() { # N: SIGTERM, status 0
    local pid=${member_pid[$1]} status=0
    kill -TERM "$pid"
    eventually 300 member_is_gone "$1" || fail "broker $1 still runs 60 s after SIGTERM"
    wait "$pid" || status=$?
    [ "$status" = 0 ] || fail "broker $1 ended with status $status after SIGTERM: $(tail -n 3 "$work/broker$1.log")"
}
member_is_gone() { ! kill -0 "${member_pid[$1]}" 2>/dev/null; }
member_kill() {
    kill -KILL "${member_pid[$1]}" 2>/dev/null || true
    wait "${member_pid[$1]}" 2>/dev/null || true
}
# SIGSTOP; not while it holds a lock of the file:// store, where whoever else wants to write would wait for it. No other store has those.
member_pause() {
    while :; do
        kill -STOP "${member_pid[$1]}"
        sleep 0.02 # until all of its threads stand
        [ "$STORE" = file ] && holds_store_lock "${member_pid[$1]}" || return 0
        kill -CONT "${member_pid[$1]}"
        sleep 0.01
    done
}
holds_store_lock() { # pid
    local inode
    for inode in $(awk -v pid="$1" '$2 == "FLOCK" && $5 == pid { n = split($6, part, ":"); print part[n] }' /proc/locks); do
        [ -z "$(find "$store/~lock" -inum "$inode" 2>/dev/null)" ] || return 0
    done
    return 1
}
member_log() { cat "$work/broker$1.log"; }
# The broker ends by itself with status 1 and says why.
member_refused() { # N WORDS
    local status=0
    eventually 300 member_is_gone "$1" || fail "broker $1 did not end"
    wait "${member_pid[$1]}" || status=$?
    [ "$status" = 1 ] || fail "broker $1 ended with status $status"
    grep -q "$2" "$work/broker$1.log" || fail "broker $1 does not say '$2': $(tail -n 3 "$work/broker$1.log")"
}

# One "partition leader" line for each partition, as broker N sees it.
leaders() { # TOPIC N
    kcat -b "127.0.0.1:${member_port[$2]}" -L -t "$1" 2>/dev/null | sed -n 's/^ *partition \([0-9]*\), leader \(-\{0,1\}[0-9]*\),.*/\1 \2/p'
}
# All partitions have a live leader.
all_led() { [ "$(leaders "$1" "$2" | awk '$2 >= 0' | wc -l)" = "$3" ]; }
# No partition is led by that broker.
led_by_none() { [ "$(leaders "$1" "$2" | awk -v id="$3" '$2 == id' | wc -l)" = 0 ]; }
controller_of() { kcat -b "127.0.0.1:${member_port[$1]}" -L 2>/dev/null | sed -n 's/^ *broker \([0-9]*\) at .* (controller)$/\1/p'; }

# producer_start TOPIC PARTITIONS: one that runs until producer_end, which fails unless all it had acknowledged came back.
producer_start() {
    : >"$work/acked"
    "${dies_with_us[@]}" "$CLIENT_TOOL" produce "$BOOTSTRAP" "$1" "$2" "${RATE:-1500}" "$work/acked" \
        >"$work/produced" 2>>"$work/producer.log" &
    producer=$!
    background+=("$producer")
}
acked_count() { grep -c " ack " "$work/acked" || true; }
acked_more_than() { [ "$(acked_count)" -gt "$1" ]; }
# The producer goes on: more acknowledgements than there were at the call.
producer_goes_on() { eventually "${2:-300}" acked_more_than "$(($(acked_count) + 200))" || fail "$1: nothing is acknowledged any more"; }
producer_end() {
    local status=0
    kill -TERM "$producer"
    wait "$producer" || status=$?
    [ "$status" = 0 ] || fail "the producer ended with status $status: $(tail -n 5 "$work/producer.log")"
}
verify() { timeout 120 "$CLIENT_TOOL" verify "$BOOTSTRAP" "$1" "$2" "$work/acked" || fail "verify $3"; }
# Everything that was committed is there, and nothing that nobody can name (O3).
audit_clean() {
    "$BROKER_BINARY" audit --read "${S3_STORE_URL:-file://$store}" >"$work/audit" 2>>"$work/audit.log" ||
        fail "freshet audit: $(grep -v '^summary' "$work/audit" | head -20; tail -n 3 "$work/audit.log")"
}
