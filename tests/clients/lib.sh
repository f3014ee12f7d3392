# Sourced by the tests that run a real broker under real clients (tests/clients, tests/crash).
#
# Environment of a test:  BROKER_BINARY (build/freshet)   IO_ENGINE auto|uring|threads   STORE file|versitygw|minio   WAL_TYPE volume|s3
#                         PEER=kafka runs Apache Kafka in the broker's place: it proves that the test itself is right.
# Gives: $work (a scratch folder, removed at the end), $BOOTSTRAP, $BROKER_PID, and the functions below.
#                         TEST_SECONDS: a test that takes longer says what it was doing (tests/clients/watchdog).
# A test that is sourced with STORE naming an S3 server runs itself again under tests/s3/with-server.
# shellcheck shell=bash
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$tests")
: "${BROKER_BINARY:=$root/build/freshet}" "${IO_ENGINE:=auto}" "${STORE:=file}" "${PEER:=}"
: "${CLIENT_TOOL:=$root/build/release/tests/clients/client_tool}" "${FAULT_PROXY:=$root/build/release/tests/s3/faultproxy}"

case $STORE in
file) ;;
versitygw | minio)
    if [ -z "${S3_STORE_URL:-}" ] && [ -z "$PEER" ]; then
        # S3_FAULTS=1: with the fault proxy between, at $S3_CONTROL.
        exec "$tests/s3/with-server" "$STORE" ${S3_FAULTS:+--faults "$FAULT_PROXY"} -- "$0" "$@"
    fi
    ;;
*)
    echo "STORE=$STORE is none of file, versitygw, minio" >&2
    exit 2
    ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/freshet-test.XXXXXX")
data=$work/data
store=$work/store
BROKER_PID=
background=()

say() {
    printf '%6.1fs %s\n' "$(elapsed)" "$*" >&2
    printf '%s\n' "$*" >"$work/doing"
}
elapsed() { awk -v now="$(date +%s.%N)" -v start="$started" 'BEGIN { print now - start }'; }
started=$(date +%s.%N)

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# ... | has REGEX: like `grep -q`, but reads to the end: under pipefail a writer that finds its pipe closed is a failure.
has() { [ "$(grep -c -- "$1")" -gt 0 ]; }

# expect_equal WHAT ACTUAL EXPECTED
expect_equal() {
    [ "$2" = "$3" ] && return
    diff <(printf '%s\n' "$3") <(printf '%s\n' "$2") | head -20 >&2 || true
    fail "$1: the lines with > are what came, those with < what should have come"
}

source "$tests/ports.sh"
claim_port PORT
claim_port ADMIN_PORT
BOOTSTRAP=127.0.0.1:$PORT

# broker_start [KEY=VALUE...]: starts the broker on $PORT with $data and waits until it serves.
broker_start() {
    if [ "$PEER" = kafka ]; then
        broker_start_kafka "$@"
        return
    fi
    broker_launch "$@"
    broker_wait_ready
}

# The first half of broker_start.
broker_launch() {
    local setting settings=()
    mkdir -p "$data"
    for setting in "$@"; do settings+=(--set "$setting"); done
    : >"$work/stdout"
    "${dies_with_us[@]}" "$BROKER_BINARY" broker --set "listeners=PLAINTEXT://127.0.0.1:$PORT" --set "data.dir=$data" \
        --set "store.url=${S3_STORE_URL:-file://$store}" --set "io.engine=$IO_ENGINE" --set "admin.listener=127.0.0.1:$ADMIN_PORT" \
        --set group.initial.rebalance.delay.ms=0 ${WAL_TYPE:+--set "wal.type=$WAL_TYPE"} "${settings[@]}" \
        >"$work/stdout" 2>>"$work/broker.log" </dev/null &
    BROKER_PID=$!
}

broker_wait_ready() {
    local i
    for ((i = 0; i < ${READY_TIMEOUT:-30} * 50; i++)); do
        if grep -q "^freshet ready on 127.0.0.1:$PORT" "$work/stdout"; then
            return 0
        fi
        if ! kill -0 "$BROKER_PID" 2>/dev/null; then
            local status=0
            wait "$BROKER_PID" || status=$?
            BROKER_PID=
            fail "the broker ended with status $status before it was ready"
        fi
        sleep 0.02
    done
    fail "the broker was not ready after ${READY_TIMEOUT:-30} s"
}

broker_start_kafka() {
    "${dies_with_us[@]}" "$tests/clients/kafka-peer" "$PORT" "$work/peer" "$@" >"$work/stdout" 2>>"$work/broker.log" </dev/null &
    BROKER_PID=$!
    local i
    for ((i = 0; i < 600; i++)); do
        grep -q 'Kafka Server started' "$work/stdout" && return 0
        kill -0 "$BROKER_PID" 2>/dev/null || fail "Kafka did not start"
        sleep 0.1
    done
    fail "Kafka was not ready after 60 s"
}

# SIGTERM: the broker hands off and must end with status 0 within the given seconds (30).
broker_stop() {
    local pid=$BROKER_PID i status=0
    kill -TERM "$pid"
    for ((i = 0; i < ${1:-30} * 50; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    if kill -0 "$pid" 2>/dev/null; then
        fail "the broker still runs ${1:-30} s after SIGTERM"
    fi
    wait "$pid" || status=$?
    BROKER_PID=
    # A JVM that ends by SIGTERM says 143.
    if [ "$status" != 0 ] && ! { [ "$PEER" = kafka ] && [ "$status" = 143 ]; }; then
        fail "the broker ended with status $status after SIGTERM"
    fi
}

broker_kill() {
    kill -KILL "$BROKER_PID" 2>/dev/null || true
    wait "$BROKER_PID" 2>/dev/null || true
    BROKER_PID=
}

# Waits up to N seconds for the broker to die by itself; 1 when it lives on.
broker_wait_death() {
    local i
    for ((i = 0; i < $1 * 50; i++)); do
        if ! broker_alive; then
            broker_kill
            return 0
        fi
        sleep 0.02
    done 2>/dev/null # where bash says "Killed"
    return 1
}

broker_alive() { [ -n "$BROKER_PID" ] && kill -0 "$BROKER_PID" 2>/dev/null; }

# Runs "$@" up to N times, one each 0.2 s, until it succeeds.
eventually() {
    local tries=$1 i
    shift
    for ((i = 0; i < tries; i++)); do
        if "$@"; then
            return 0
        fi
        sleep 0.2
    done
    return 1
}

finish() {
    local status=$? pid log
    trap - EXIT
    [ -z "$watchdog" ] || kill -KILL "$watchdog" 2>/dev/null || true
    for pid in "${background[@]}" $BROKER_PID; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "${background[@]}" $BROKER_PID; do wait "$pid" 2>/dev/null || true; done
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in "$work"/*.log; do
            [ -s "$log" ] || continue
            echo "--- the end of ${log##*/}" >&2
            tail -n "${LOG_LINES:-80}" "$log" >&2
        done
        if [ -n "${KEEP:-}" ]; then
            echo "--- kept: $work" >&2
            exit "$status"
        fi
    fi
    rm -rf "$work" "${claimed_ports[@]}"
    exit "$status"
}
watchdog=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "${TEST_SECONDS:-}" ]; then
    "${dies_with_us[@]}" "$tests/clients/watchdog" $$ "$TEST_SECONDS" "$work" </dev/null &
    watchdog=$!
    disown
fi
