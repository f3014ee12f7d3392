# shellcheck shell=bash
# hack/lib/kube.sh: what the scripts of a cluster in namespaces share; sourced with $folder set, in the root of the tree.

# The process that hack/kube-up or hack/kube-node wrote down, if it still is one of theirs: a pid may have gone to somebody else since.
kube_pid() { # file
    local pid
    pid=$(cat "$folder/run/$1" 2>/dev/null || true)
    [ -n "$pid" ] || return 1
    # A zombie has no command line.
    2>/dev/null tr "\\0" " " <"/proc/$pid/cmdline" | grep -E "freshet/kube-|tests/kube/(node|plane) " >/dev/null || return 1
    echo "$pid"
}

kube_stop() { # file signal
    local pid
    pid=$(kube_pid "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

# Runs a script as the first process of namespaces of its own and writes down NAME.pid (whose end ends it) and NAME.init.
kube_namespaces() { # name command...
    local name=$1 pid init='' children
    shift
    setsid nohup nice -n 5 unshare --net --mount --pid --uts --ipc --fork --kill-child --mount-proc -- \
        "$@" >>"$folder/log/$name.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$folder/run/$name.pid"
    for _ in $(seq 100); do
        children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
        init=${children%% *}
        [ -z "$init" ] || break
        sleep 0.1
    done
    [ -n "$init" ] || return 1
    echo "$init" >"$folder/run/$name.init"
}

# EC keys: they are made in no time.
kube_certificate() { # name subject alternative-names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$folder/pki/$1.key" -out "$folder/pki/$1.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "$folder/pki/$1.csr" -CA "$folder/pki/ca.crt" -CAkey "$folder/pki/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days 30 \
        -out "$folder/pki/$1.crt" -extfile <(echo "subjectAltName=$3") 2>/dev/null
}

kube_config() { # file server user
    cat >"$folder/$1" <<CONFIG
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "$2", certificate-authority: pki/ca.crt}}]
users: [{name: $3, user: {client-certificate: pki/$3.crt, client-key: pki/$3.key}}]
contexts: [{name: test, context: {cluster: test, user: $3}}]
CONFIG
}
