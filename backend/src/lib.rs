//! Taffrail's server. Data enters through [`cluster`] (API server) and [`kubelet`], is decoded once and flows down to
//! [`metrics_api`], [`live`] and the rest; nothing below calls up. [`app`] is the only module that knows every part.

pub mod account;
pub mod aggregation;
pub mod app;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod encoding;
pub mod exposition;
pub mod history;
pub mod http;
pub mod kubelet;
pub mod live;
pub mod manifests;
pub mod metrics_api;
pub mod notices;
pub mod now;
pub mod people;
pub mod planes;
pub mod printers;
pub mod session;
mod settings;
pub mod telemetry;
pub mod topology;
