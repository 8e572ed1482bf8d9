#!/usr/bin/env bash
# A real Kubernetes in network, mount and process namespaces of its own: etcd, control plane, one kubelet with
# containerd, runc and CNI, kube-proxy and CoreDNS. Needs root. No Docker, no image registry.
#   cluster.sh build         build the programs and two peers from Go modules into $BIN (once; about 11 min on two cores)
#   cluster.sh up            start it; returns when the node is Ready (10 s)
#   cluster.sh run CMD...    run a command inside its namespaces, KUBECONFIG set to the administrator's
#   cluster.sh down          stop it and leave nothing behind (0.4 s); also cleans up after one that was killed
# BIN: folder of the programs. CLUSTER_DIR: everything it writes. PROXY_MODE: nftables (default) or iptables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
BIN=${BIN:-${TAFFRAIL_CACHE:-$HOME/.cache/taffrail}/bin/k8s-1.36.2}
D=${CLUSTER_DIR:-${TMPDIR:-/tmp}/taffrail-cluster}
NODE_IP=198.51.100.1
DNS_IP=198.51.100.53
PROXY_MODE=${PROXY_MODE:-nftables}
P=$D/pki

# Each program is built once per cache: `made NAMES` is true when all of them are there.
made() { local p; for p in "$@"; do [ -x "$BIN/$p" ] || return 1; done; }

build() {
  local version=v1.36.2 x=k8s.io/component-base/version
  mkdir -p "$BIN"
  export CGO_ENABLED=0
  made kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kube-proxy || { echo "building Kubernetes $version (about 8 min on two cores, once)" >&2; (cd "$here/modules/kubernetes" && go build -trimpath -ldflags "-s -w -X $x.gitVersion=$version -X $x.gitMajor=1 -X $x.gitMinor=36" \
    -o "$BIN/" k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kubectl,kube-proxy}); }
  made etcd || (cd "$here/modules/etcd" && go build -trimpath -ldflags "-s -w" -o "$BIN/etcd" go.etcd.io/etcd/server/v3)
  made kube-state-metrics || (cd "$here/modules/kube-state-metrics" && go build -trimpath -ldflags "-s -w" -o "$BIN/kube-state-metrics" k8s.io/kube-state-metrics/v2)
  for p in github.com/coredns/coredns@v1.12.4 sigs.k8s.io/metrics-server/cmd/metrics-server@v0.9.0; do
    made "$(basename "${p%@*}")" || GOBIN=$BIN go install -trimpath -ldflags "-s -w" "$p"
  done
}

pki() {
  mkdir -p "$P"
  local c=$P
  key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
  authority() { key "$c/$1.key"; openssl req -x509 -new -key "$c/$1.key" -days 365 -subj "/CN=$2" -out "$c/$1.crt" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null; }
  signed() { # name authority subject usage [alternative names]
    key "$c/$1.key"
    { echo "basicConstraints=CA:FALSE"; echo "extendedKeyUsage=$4"; [ -z "${5:-}" ] || echo "subjectAltName=$5"; } > "$c/$1.ext"
    openssl req -new -key "$c/$1.key" -subj "$3" 2>/dev/null |
      openssl x509 -req -CA "$c/$2.crt" -CAkey "$c/$2.key" -CAcreateserial -days 365 -extfile "$c/$1.ext" -out "$c/$1.crt" 2>/dev/null
  }
  authority ca kubernetes; authority fp front-proxy-ca
  signed apiserver ca /CN=kube-apiserver serverAuth "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1,IP:$NODE_IP"
  signed admin ca /O=system:masters/CN=admin clientAuth
  signed kcm ca /CN=system:kube-controller-manager clientAuth
  signed sched ca /CN=system:kube-scheduler clientAuth
  signed proxy ca /CN=system:kube-proxy clientAuth
  signed dns ca /O=system:masters/CN=coredns clientAuth
  signed kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  signed front-proxy fp /CN=front-proxy-client clientAuth
  signed node ca /O=system:nodes/CN=system:node:node-a serverAuth,clientAuth "DNS:node-a,IP:$NODE_IP"
  openssl genrsa -out "$P/sa.key" 2048 2>/dev/null; openssl rsa -in "$P/sa.key" -pubout -out "$P/sa.pub" 2>/dev/null
  printf '%s\n' 'admin-token,root,u0,"system:masters"' 'viewer-token,viewer,u1,"viewers"' 'nobody-token,nobody,u2' 'team-token,tess,u3' > "$P/tokens.csv"
  for who in admin kcm sched proxy dns node; do kubeconfig "$who" > "$P/$who.kubeconfig"; done
}

kubeconfig() {
  cat <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 "$P/ca.crt")}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$P/$1.crt"), client-key-data: $(base64 -w0 "$P/$1.key")}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
Y
}

# Two images made here, from static busybox, as OCI layouts.
images() {
  python3 - "$D" <<'PY'
import hashlib, io, json, os, sys, tarfile
out = sys.argv[1]
busybox = open('/bin/busybox', 'rb').read()
links = os.popen('/bin/busybox --list').read().split()
buf = io.BytesIO()
with tarfile.open(fileobj=buf, mode='w') as t:
    def add(name, **kw):
        i = tarfile.TarInfo(name); data = kw.pop('data', b''); i.size = len(data)
        for k, v in kw.items(): setattr(i, k, v)
        t.addfile(i, io.BytesIO(data))
    for d in ('bin', 'tmp', 'etc', 'var', 'root'): add(d, type=tarfile.DIRTYPE, mode=0o1777 if d == 'tmp' else 0o755)
    add('bin/busybox', data=busybox, mode=0o755)
    for l in links:
        if l != 'busybox': add('bin/' + l, type=tarfile.SYMTYPE, linkname='busybox', mode=0o777)
    add('etc/passwd', data=b'root:x:0:0::/root:/bin/sh\n', mode=0o644)
layer = buf.getvalue()
sha = lambda b: 'sha256:' + hashlib.sha256(b).hexdigest()
for name, cmd in (('pause', ['sleep', '1000000']), ('box', ['sh'])):
    cfg = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {'Cmd': cmd, 'Env': ['PATH=/bin']},
                      'rootfs': {'type': 'layers', 'diff_ids': [sha(layer)]}}).encode()
    man = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                      'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', 'digest': sha(cfg), 'size': len(cfg)},
                      'layers': [{'mediaType': 'application/vnd.oci.image.layer.v1.tar', 'digest': sha(layer), 'size': len(layer)}]}).encode()
    idx = json.dumps({'schemaVersion': 2, 'manifests': [{'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'digest': sha(man), 'size': len(man),
                      'annotations': {'io.containerd.image.name': f'localhost/{name}:1', 'org.opencontainers.image.ref.name': '1'}}]}).encode()
    with tarfile.open(f'{out}/{name}.tar', 'w') as t:
        for path, data in [('oci-layout', b'{"imageLayoutVersion":"1.0.0"}'), ('index.json', idx)] + [('blobs/sha256/' + sha(b)[7:], b) for b in (cfg, man, layer)]:
            i = tarfile.TarInfo(path); i.size = len(data); t.addfile(i, io.BytesIO(data))
PY
}

start() { # name command...: keeps the process id, logs to a file
  local name=$1; shift
  "$@" > "$D/log/$name.log" 2>&1 &
  echo $! > "$D/run/$name.pid"
}

inside() { # runs in the new namespaces
  ip link set lo up
  ip addr add $NODE_IP/32 dev lo; ip addr add $DNS_IP/32 dev lo
  # A default route into nowhere, so that what no rule catches is lost as it would be on a real network, not refused for want of a route.
  ip link add nowhere type veth peer name nowhere-end; ip addr add 203.0.113.1/24 dev nowhere; ip link set nowhere up; ip link set nowhere-end up
  ip neigh add 203.0.113.254 lladdr 02:00:00:00:00:01 dev nowhere; ip route add default via 203.0.113.254
  printf '127.0.0.1 localhost\n%s node-a\n' $NODE_IP > "$D/hosts"; mount --bind "$D/hosts" /etc/hosts
  for s in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    echo "${s#*=}" > "$D/sysctl-$(basename "${s%=*}")"; mount --bind "$D/sysctl-$(basename "${s%=*}")" "/proc/sys/${s%=*}"
  done
  echo 1 > /proc/sys/net/ipv4/ip_forward

  start etcd "$BIN/etcd" --data-dir "$D/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync
  start apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=$NODE_IP --secure-port=6443 \
    --advertise-address=$NODE_IP \
    --tls-cert-file=$P/apiserver.crt --tls-private-key-file=$P/apiserver.key --client-ca-file=$P/ca.crt \
    --token-auth-file=$P/tokens.csv --authorization-mode=Node,RBAC \
    --service-account-key-file=$P/sa.pub --service-account-signing-key-file=$P/sa.key \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.0.0.0/24 \
    --requestheader-client-ca-file=$P/fp.crt --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file=$P/front-proxy.crt --proxy-client-key-file=$P/front-proxy.key \
    --kubelet-client-certificate=$P/kubelet-client.crt --kubelet-client-key=$P/kubelet-client.key \
    --kubelet-certificate-authority=$P/ca.crt --kubelet-preferred-address-types=InternalIP --enable-aggregator-routing=true --allow-privileged=true ${APISERVER_ARGS:-}

  cat > "$D/containerd.toml" <<T
version = 2
root = "$D/ctr/root"
state = "$D/ctr/state"
[grpc]
  address = "$D/ctr/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$D/ctr/cni"
T
  mkdir -p "$D/ctr/cni"
  cat > "$D/ctr/cni/10-bridge.conflist" <<J
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "198.18.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$D/ctr/ipam"}}]}
J
  start containerd containerd -c "$D/containerd.toml"
  for _ in $(seq 100); do ctr -a "$D/ctr/c.sock" version > /dev/null 2>&1 && break; sleep 0.1; done
  for i in pause box; do ctr -a "$D/ctr/c.sock" -n k8s.io image import "$D/$i.tar" > /dev/null; done

  export KUBECONFIG=$P/admin.kubeconfig
  for _ in $(seq 200); do "$BIN/kubectl" get --raw /readyz > /dev/null 2>&1 && break; sleep 0.2; done
  start kcm "$BIN/kube-controller-manager" --kubeconfig=$P/kcm.kubeconfig --authentication-kubeconfig=$P/kcm.kubeconfig \
    --authorization-kubeconfig=$P/kcm.kubeconfig --bind-address=127.0.0.1 --root-ca-file=$P/ca.crt \
    --service-account-private-key-file=$P/sa.key --use-service-account-credentials=true --leader-elect=false \
    --horizontal-pod-autoscaler-sync-period=5s
  start scheduler "$BIN/kube-scheduler" --kubeconfig=$P/sched.kubeconfig --authentication-kubeconfig=$P/sched.kubeconfig \
    --authorization-kubeconfig=$P/sched.kubeconfig --bind-address=127.0.0.1 --leader-elect=false
  cgroup_v1=; [ -e /sys/fs/cgroup/cgroup.controllers ] || cgroup_v1='failCgroupV1: false'
  cat > "$D/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
$cgroup_v1
failSwapOn: false
cgroupDriver: cgroupfs
cgroupsPerQOS: true
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$D/ctr/c.sock
address: $NODE_IP
healthzBindAddress: 127.0.0.1
makeIPTablesUtilChains: false
podLogsDir: $D/kubelet/logs
resolvConf: ""
clusterDomain: cluster.local
clusterDNS: [10.0.0.10]
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $P/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $P/node.crt
tlsPrivateKeyFile: $P/node.key
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
evictionHard: {"memory.available": "1Mi", "nodefs.available": "1%", "nodefs.inodesFree": "0%", "imagefs.available": "1%"}
Y
  start kubelet "$BIN/kubelet" --config="$D/kubelet.yaml" --kubeconfig=$P/node.kubeconfig --root-dir="$D/kubelet" --hostname-override=node-a --node-ip=$NODE_IP
  start proxy "$BIN/kube-proxy" --proxy-mode=$PROXY_MODE --kubeconfig=$P/proxy.kubeconfig --hostname-override=node-a \
    --cluster-cidr=198.18.0.0/24 --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=0s --healthz-bind-address=127.0.0.1:10256 --metrics-bind-address=127.0.0.1:10249
  cat > "$D/Corefile" <<C
cluster.local in-addr.arpa {
  bind $DNS_IP
  errors
  health 127.0.0.1:8091
  ready 127.0.0.1:8191
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $P/dns.kubeconfig x
    pods insecure
  }
  prometheus 127.0.0.1:9153
}
C
  [ ! -x "$BIN/coredns" ] || start coredns "$BIN/coredns" -conf "$D/Corefile"
  touch "$D/run/started"
  wait
}

up() {
  if [ -e "$D/run/holder.pid" ]; then
    ! kill -0 "$(cat "$D/run/holder.pid")" 2>/dev/null || { echo "already up: $D" >&2; exit 1; }
    down # what one that was killed left
  fi
  mkdir -p "$D/log" "$D/run"
  pki; images
  BIN=$BIN CLUSTER_DIR=$D PROXY_MODE=$PROXY_MODE setsid unshare -n -m -p --fork --kill-child --mount-proc --propagation private \
    "$here/cluster.sh" inside < /dev/null > "$D/log/inside.log" 2>&1 &
  local outer=$!
  until [ -s "$D/run/holder.pid" ]; do
    kill -0 $outer 2>/dev/null || { cat "$D/log/inside.log" >&2; exit 1; }
    tr -d ' ' < /proc/$outer/task/$outer/children > "$D/run/holder.pid" 2>/dev/null || true; sleep 0.05
  done
  for _ in $(seq 300); do [ -e "$D/run/started" ] && break; kill -0 "$(cat "$D/run/holder.pid")" || { cat "$D/log/inside.log" >&2; exit 1; }; sleep 0.2; done
  until run "$BIN/kubectl" wait --for=condition=Ready node/node-a --timeout=60s > /dev/null 2>&1; do sleep 0.2; done
  until run "$BIN/kubectl" -n default get sa default > /dev/null 2>&1; do sleep 0.2; done
  echo "KUBECONFIG=$P/admin.kubeconfig, inside: $0 run CMD"
}

run() { KUBECONFIG=$P/admin.kubeconfig nsenter -t "$(cat "$D/run/holder.pid")" -n -m -p --wdns="$PWD" -- "$@"; }

# Everything lives in one process namespace: ending its first process ends all of it.
down() {
  [ -e "$D/run/holder.pid" ] || return 0
  local holder; holder=$(cat "$D/run/holder.pid")
  if ! kill -0 "$holder" 2>/dev/null; then sweep; return; fi
  run "$BIN/kubectl" delete pods -A --all --grace-period=0 --force --wait=false > /dev/null 2>&1 || true
  for _ in $(seq 50); do [ -z "$(run ctr -a "$D/ctr/c.sock" -n k8s.io task ls -q 2>/dev/null)" ] && break; sleep 0.2; done
  kill -9 "$holder"; while kill -0 "$holder" 2>/dev/null; do sleep 0.05; done
  sweep
}

# Mounts end with their namespace; cgroups and files do not.
sweep() {
  for m in /sys/fs/cgroup /sys/fs/cgroup/*; do [ ! -d "$m/kubepods" ] || find "$m/kubepods" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  rm -rf "$D"
}

"$@"
