// How Taffrail is started beside the real cluster.
const dir = process.env.CLUSTER_DIR;

export const serve = [
  'serve', `--kubeconfig=${dir}/taffrail.kubeconfig`, '--bind-address=198.51.100.1', '--kubelet-preferred-address-types=InternalIP', '--cluster-name=real',
  `--tls-cert-file=${dir}/pki/addon.crt`, `--tls-private-key-file=${dir}/pki/addon.key`, '--metric-resolution=10s', '--kubelet-request-timeout=9s',
];
