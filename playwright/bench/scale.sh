#!/usr/bin/env bash
# What the whole process costs beside a simulated cluster, which runs in a process of its own, and what metrics-server
# costs beside the same one, where its program is installed. Prints lines for bench.sh.
#   scale.sh SIMULATOR TAFFRAIL
set -euo pipefail
simulator=$1 taffrail=$2
peer=${BIN:-}/metrics-server
dir=$(mktemp -d)
sim='' process=''
end() { [ -z "$process" ] || { kill "$process" && wait "$process" || true; }; process=''; }
stop() {
  end
  exec 9>&- # the simulator ends with its input
  [ -z "$sim" ] || wait "$sim" || true
  sim=''
}
trap 'stop; rm -rf "$dir"' EXIT

# cluster NODES PODS_PER_NODE: a fresh one.
cluster() {
  rm -f "$dir"/in "$dir"/kubeconfig*
  mkfifo "$dir/in"
  "$simulator" "$1" "$2" "$dir/kubeconfig" < "$dir/in" > "$dir/sim.log" 2>&1 &
  sim=$!
  exec 9> "$dir/in"
  until [ -s "$dir/kubeconfig" ]; do kill -0 "$sim"; sleep 0.2; done
}

# run PROGRAM FLAGS: starts it, and waits until $ready (an address) answers. In $took: seconds it needed.
run() {
  local began
  began=$(date +%s.%N)
  "$@" > "$dir/process.log" 2>&1 &
  process=$!
  until curl -skf --noproxy '*' --max-time 2 "$ready" > /dev/null; do
    kill -0 "$process" || { cat "$dir/process.log" >&2; exit 1; }
    sleep 0.05
  done
  took=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", b - a}')
}
ours() {
  run "$taffrail" serve --kubeconfig="$dir/kubeconfig" --bind-address=127.0.0.1 --kubelet-preferred-address-types=InternalIP \
    --kubelet-use-node-status-port "$@"
}
theirs() {
  run "$peer" --kubeconfig="$dir/kubeconfig" --authentication-kubeconfig="$dir/kubeconfig" --authorization-kubeconfig="$dir/kubeconfig" \
    --authentication-skip-lookup --bind-address=127.0.0.1 --secure-port=19443 --cert-dir="$dir/certificates" --kubelet-insecure-tls \
    --kubelet-preferred-address-types=InternalIP --kubelet-use-node-status-port --metric-resolution=15s
}

resident() { awk '/^VmRSS/ {printf "%d", $2 / 1024}' "/proc/$process/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$process/stat"; }
# millicores SECONDS: over so many seconds from now.
millicores() {
  local before
  before=$(ticks)
  sleep "$1"
  awk -v a="$before" -v b="$(ticks)" -v s="$1" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%d", (b - a) * 1000 / hz / s}'
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a > 0) printf "%.1f", b / a; else printf "?"}'; }

# lists NAME TIMES: how long answers take.
lists() { (cd "$(dirname "$0")" && node lists.js "$1" 19443 "$dir/kubeconfig.admin" "$2"); }

# instrument NAME NODES PODS_PER_NODE SECONDS BUDGETS: the instrument plane, and the peer beside the same cluster.
instrument() {
  local cpu memory their_cpu their_memory
  cluster "$2" "$3"
  ours --secure-port=19443 --ui-port=0
  cpu=$(millicores "$4") memory=$(resident)
  lists "ours, $1" 100
  end
  echo "bench: instrument plane, $1: $memory MiB, $cpu millicores over $4 s ($5)"
  if [ -x "$peer" ]; then
    theirs
    their_cpu=$(millicores "$4") their_memory=$(resident)
    lists "metrics-server, $1" 100
    end
    echo "bench: metrics-server, $1: $their_memory MiB, $their_cpu millicores over $4 s: $(ratio "$memory" "$their_memory") times the memory, $(ratio "$cpu" "$their_cpu") times the CPU"
  fi
  stop
}

ready=https://127.0.0.1:19443/readyz
instrument '100 nodes, 7,000 pods' 100 70 60 'budget 60 MiB, 20 millicores'
instrument '1,000 nodes, 30,000 pods' 1000 30 120 'no budget of its own'

cluster 5000 30
ours --secure-port=19443 --ui-port=0
cpu=$(millicores 60)
echo "bench: instrument plane, 5,000 nodes, 150,000 pods, no history: $(resident) MiB (budget 600), $cpu millicores with the start (0.6 s a round of 15 s: 40)"
lists 'ours, 5,000 nodes, 150,000 pods (budget of protobuf 500 ms)' 20
echo "bench: instrument plane after these lists: $(resident) MiB"
stop

ready=http://127.0.0.1:19080/readyz
for pods in 10000:0.6:80 50000:4:400; do
  IFS=: read -r pods seconds memory <<< "$pods"
  cluster $((pods / 50)) 50
  ours --secure-port=0 --ui-port=0 --ui-http-port=19080
  echo "bench: everything but the metrics API, $pods pods: in sync after $took s (budget $seconds for the state plane), $(resident) MiB (budget $memory)"
  stop
done
