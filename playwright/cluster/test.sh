#!/usr/bin/env bash
# Starts the real cluster, Taffrail beside it, and runs the tests marked `real` in the same namespaces.
# TAFFRAIL: the binary. With KUBECONFIG_TESTS set, tests use that cluster and start nothing but Taffrail.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export CLUSTER_DIR=${CLUSTER_DIR:-${TMPDIR:-/tmp}/taffrail-cluster}
cluster="$here/cluster.sh"
inside() { "$cluster" run "$@"; }
cleanup() { "$cluster" down; }
trap cleanup EXIT
"$cluster" down
"$cluster" up
D=$CLUSTER_DIR
inside kubectl apply -f "$here/../../manifests/base/rbac.yaml" -f "$here/people.yaml" -f "$here/workloads.yaml" > /dev/null
sed "s|@CA@|$(base64 -w0 "$D/pki/ca.crt")|" "$here/apiservices.yaml" | inside kubectl apply -f - > /dev/null
# Taffrail's own account, as the manifests give it, with a token as in a pod.
token=$(inside kubectl -n taffrail create token taffrail --duration=2h)
cat > "$D/taffrail.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://198.51.100.1:6443", certificate-authority-data: $(base64 -w0 "$D/pki/ca.crt")}}]
users: [{name: u, user: {token: "$token"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
Y
chmod 600 "$D/taffrail.kubeconfig"
export CLUSTER_DIR CHROME TAFFRAIL
cd "$here/.."
inside node_modules/.bin/playwright test --project=real "$@"
