#!/usr/bin/env bash
# What the whole process costs beside a simulated cluster, which runs in a process of its own. Prints lines for bench.sh.
#   scale.sh SIMULATOR TAFFRAIL
set -euo pipefail
simulator=$1 taffrail=$2
dir=$(mktemp -d)
sim='' product=''
stop() {
  [ -z "$product" ] || { kill "$product" && wait "$product" || true; }
  exec 9>&- # the simulator ends with its input
  [ -z "$sim" ] || wait "$sim" || true
  sim='' product=''
}
trap 'stop; rm -rf "$dir"' EXIT

# cluster NODES PODS_PER_NODE: a fresh one.
cluster() {
  rm -f "$dir"/in "$dir"/kubeconfig
  mkfifo "$dir/in"
  "$simulator" "$1" "$2" "$dir/kubeconfig" < "$dir/in" > "$dir/sim.log" 2>&1 &
  sim=$!
  exec 9> "$dir/in"
  until [ -s "$dir/kubeconfig" ]; do kill -0 "$sim"; sleep 0.2; done
}

# serve FLAGS: starts it, and waits until READY (an address) answers. In $took: seconds it needed.
serve() {
  local began
  began=$(date +%s.%N)
  "$taffrail" serve --kubeconfig="$dir/kubeconfig" --bind-address=127.0.0.1 --kubelet-preferred-address-types=InternalIP \
    --kubelet-use-node-status-port "$@" > "$dir/taffrail.log" 2>&1 &
  product=$!
  until curl -skf --noproxy '*' --max-time 2 "$ready" > /dev/null; do
    kill -0 "$product" || { cat "$dir/taffrail.log" >&2; exit 1; }
    sleep 0.05
  done
  took=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", b - a}')
}

resident() { awk '/^VmRSS/ {printf "%d", $2 / 1024}' "/proc/$product/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$product/stat"; }
# millicores SECONDS: over so many seconds from now.
millicores() {
  local before
  before=$(ticks)
  sleep "$1"
  awk -v a="$before" -v b="$(ticks)" -v s="$1" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%d", (b - a) * 1000 / hz / s}'
}

ready=https://127.0.0.1:19443/readyz
cluster 100 70
serve --secure-port=19443 --ui-port=0
cpu=$(millicores 60)
echo "bench: instrument plane, 100 nodes, 7,000 pods: $(resident) MiB (budget 60), $cpu millicores (budget 20)"
stop

cluster 5000 30
serve --secure-port=19443 --ui-port=0
sleep 45 # three rounds: two points of everybody are there
echo "bench: instrument plane, 5,000 nodes, 150,000 pods, no history: $(resident) MiB (budget 600)"
stop

ready=http://127.0.0.1:19080/readyz
for pods in 10000:0.6:80 50000:4:400; do
  IFS=: read -r pods seconds memory <<< "$pods"
  cluster $((pods / 50)) 50
  serve --secure-port=0 --ui-port=0 --ui-http-port=19080
  echo "bench: everything but the metrics API, $pods pods: in sync after $took s (budget $seconds for the state plane), $(resident) MiB (budget $memory)"
  stop
done
