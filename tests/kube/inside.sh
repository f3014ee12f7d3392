# shellcheck shell=bash
# tests/kube/inside.sh: how tests/kube/plane and tests/kube/node begin, as the first process of new namespaces; sourced with $folder,
# $number, $bin and $name set. All paths in there are under /run, which is a file system of its own: /run/kube is the cluster's folder,
# /run/tree the tree, /run/cache the cache of tests/kube/build.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
plane=198.18.$number.2
mkdir -p "$folder/$name"/{var-log,tmp}
chmod 1777 "$folder/$name/tmp"
mount -t tmpfs tmpfs /run
mkdir -p /run/kube /run/cache /run/tree /run/lock /var/log
mount --bind "$folder" /run/kube
mount --bind "$(dirname "$bin")" /run/cache
mount --bind "$here/../.." /run/tree
mount --bind "/run/kube/$name/var-log" /var/log
mount --bind "/run/kube/$name/tmp" /tmp
cd /run/kube
unpacked=/run/cache/root
libraries=$unpacked/usr/lib/$(uname -m)-linux-gnu
export PATH=/run/cache/bin:$unpacked/usr/sbin:$unpacked/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LD_LIBRARY_PATH=$libraries:$unpacked/lib/$(uname -m)-linux-gnu XTABLES_LIBDIR=$libraries/xtables
unset KUBECONFIG
# Its name is in those of its logs.
prefix=
[ "$name" = plane ] || prefix=$name.

start() { # program command...
    local program=$prefix$1
    shift
    "$@" >>"log/$program.log" 2>&1 </dev/null &
    echo $! >"run/$program.inside"
}
until_true() { # what command...
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "not within a minute: $what" >&2
    exit 1
}
# The first process adopts and reaps what others leave behind; a shell does so while it waits.
reap_for_ever() {
    while :; do
        sleep 3600 &
        wait $!
    done
}

hostname "$name"
ip link set lo up
until_true "the link" ip link show eth0
