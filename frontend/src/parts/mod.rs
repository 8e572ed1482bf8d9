//! What pages are made of.

pub(crate) mod bar;
pub(crate) mod graph;
pub(crate) mod item;
pub(crate) mod mark;
pub(crate) mod plot;
pub(crate) mod rail;
pub(crate) mod standing;
pub(crate) mod table;
pub(crate) mod usage;
