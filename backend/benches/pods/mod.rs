//! Ordinary pods as the API server writes them: 4.5 KB, two containers, ten siblings a replica set.

const CONDITIONS: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// A page of `count` pods from number `first` on.
pub(crate) fn list(first: usize, count: usize) -> String {
    let pods: Vec<String> = (first..first + count).map(pod).collect();
    format!(r#"{{"kind":"PodList","metadata":{{"resourceVersion":"9"}},"items":[{}]}}"#, pods.join(","))
}

fn pod(n: usize) -> String {
    let set = n / 10;
    let hash = format!("{:010x}", set * 7919 + 77);
    let name = format!("checkout-{set:04}-{hash}-{n:05x}");
    let mut conditions = String::new();
    let mut managed = String::new();
    let (mut containers, mut statuses) = (String::new(), String::new());
    for (at, kind) in CONDITIONS.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        conditions += &format!(
            r#"{comma}{{"type":"{kind}","status":"True","observedGeneration":1,"lastProbeTime":null,"lastTransitionTime":"2026-01-01T10:{:02}:{:02}Z"}}"#,
            n % 60,
            at
        );
    }
    for (at, container) in ["server", "proxy"].iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        containers += &format!(
            r#"{comma}{{"name":"{container}","image":"registry.example/shop/{container}:v1.{set}","args":["--listen=:8080","--log-level=info"],"ports":[{{"name":"http","containerPort":808{at},"protocol":"TCP"}}],"env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}}],"resources":{{"limits":{{"cpu":"500m","memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"volumeMounts":[{{"name":"kube-api-access-x7q2z","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"livenessProbe":{{"httpGet":{{"path":"/healthz","port":8080,"scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}"#
        );
        statuses += &format!(
            r#"{comma}{{"name":"{container}","state":{{"running":{{"startedAt":"2026-01-01T10:00:02Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example/shop/{container}:v1.{set}","imageID":"registry.example/shop/{container}@sha256:{n:064x}","containerID":"containerd://{n:064x}","started":true}}"#
        );
    }
    for part in ["kube-controller-manager", "kubelet"] {
        managed += &format!(
            r#"{{"manager":"{part}","operation":"Update","apiVersion":"v1","time":"2026-01-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app":{{}},"f:pod-template-hash":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"{set:08x}\"}}":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"server\"}}":{{".":{{}},"f:image":{{}},"f:resources":{{}}}}}},"f:dnsPolicy":{{}},"f:enableServiceLinks":{{}},"f:restartPolicy":{{}}}}}}}},"#
        );
    }
    let managed = managed.trim_end_matches(',');
    format!(
        r#"{{"metadata":{{"name":"{name}","generateName":"checkout-{set:04}-{hash}-","namespace":"shop-{}","uid":"{n:08x}-5b1c-4c1d-9f65-0123456789ab","resourceVersion":"{n}","creationTimestamp":"2026-01-01T10:00:00Z","labels":{{"app":"checkout-{set:04}","pod-template-hash":"{hash}","team":"shop"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"checkout-{set:04}-{hash}","uid":"{set:08x}-aaaa-4c1d-9f65-0123456789ab","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{managed}]}},"spec":{{"volumes":[{{"name":"kube-api-access-x7q2z","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}}],"defaultMode":420}}}}],"containers":[{containers}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","nodeName":"worker-{:03}","schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true}},"status":{{"phase":"Running","conditions":[{conditions}],"hostIP":"10.0.0.1","podIP":"10.244.{}.{}","podIPs":[{{"ip":"10.244.{}.{}"}}],"startTime":"2026-01-01T10:00:00Z","containerStatuses":[{statuses}],"qosClass":"Burstable"}}}}"#,
        set % 20,
        n % 100,
        n / 250 % 250,
        n % 250,
        n / 250 % 250,
        n % 250
    )
}
