#!/usr/bin/env bash
# Runs the journeys marked `real`, with Taffrail (TAFFRAIL: the binary) beside a cluster. Arguments go to Playwright.
# Without KUBECONFIG a cluster of our own is started, and everything runs in its namespaces. With KUBECONFIG that cluster
# is used: only the journeys marked @portable run, in namespaces of their own that are removed at the end; IMAGE (default
# busybox:stable) is what their pods run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
cluster="$here/cluster.sh"
playwright=node_modules/.bin/playwright
export TAFFRAIL CHROME ROWS=${ROWS:-$(dirname "$TAFFRAIL")/examples/rows}
[ -x "$ROWS" ] || { echo "build the program that reads tables first: cargo build -p backend --example rows" >&2; exit 1; }

# Everybody who is on the cluster for the tests; the account of Taffrail is called $OWN.
everybody() { sed "s|@SPACE@|$SPACE|g; s|@IMAGE@|$IMAGE|g" "$here/people.yaml"; }

# Taffrail's own account, as the manifests give it, with a token as in a pod; and the people's tokens.
accounts() {
  local server token
  server=$($1 kubectl config view --raw --minify --flatten -o 'jsonpath={.clusters[0].cluster}')
  token=$($1 kubectl -n "$OWN" create token "$OWN" --duration=2h)
  (umask 077; printf '{"apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [{"name": "c", "cluster": %s}], "users": [{"name": "u", "user": {"token": "%s"}}], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}' \
    "$server" "$token" > "$CLUSTER_DIR/taffrail.kubeconfig")
  WATCHER=$($1 kubectl -n "$SPACE" create token watcher --duration=2h)
  TESS=$($1 kubectl -n "$SPACE" create token tess --duration=2h)
  export WATCHER TESS SPACE IMAGE ADDRESS
}

if [ -z "${KUBECONFIG:-}" ]; then
  export CLUSTER_DIR=${CLUSTER_DIR:-${TMPDIR:-/tmp}/taffrail-cluster} HARNESS=1
  SPACE=team IMAGE=localhost/box:1 OWN=taffrail ADDRESS=198.51.100.1
  inside="$cluster run"
  trap '"$cluster" down' EXIT
  "$cluster" down
  "$cluster" up
  everybody | $inside kubectl apply -f "$here/../../manifests/base/rbac.yaml" -f "$here/workloads.yaml" -f - > /dev/null
  $inside kubectl apply -f "$here/apiservices.yaml" > /dev/null
  accounts "$inside"
  $inside $playwright test --project=real "$@"
else
  # Nothing of an installation that may be there is touched: other names, and not the role that is shared by name.
  SPACE=taffrail-test-space IMAGE=${IMAGE:-busybox:stable} OWN=taffrail-test ADDRESS=127.0.0.1
  CLUSTER_DIR=$(mktemp -d)
  export CLUSTER_DIR
  things() { sed '/^# For everybody who may see metrics/,$d' "$here/../../manifests/base/rbac.yaml" | sed "s/taffrail/$OWN/g"; echo ---; everybody; }
  trap 'things | kubectl delete --ignore-not-found --wait=false -f - > /dev/null; rm -rf "$CLUSTER_DIR"' EXIT
  things | kubectl apply -f - > /dev/null
  until kubectl -n "$SPACE" get serviceaccount default > /dev/null 2>&1; do sleep 0.2; done
  accounts ""
  count() { $playwright test --project=real --list "$@" | sed -n 's/^Total: \([0-9]*\) test.*/\1/p'; }
  all=$(count) portable=$(count --grep=@portable)
  $playwright test --project=real --grep=@portable "$@"
  echo "left out: $((all - portable)) of $all journeys on a cluster, which need the harness's own machine: its cgroups, containerd, keys and addresses"
fi
