//! `metrics.k8s.io` v1 and v1beta1 behind the API aggregator.
