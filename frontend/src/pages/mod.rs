//! One file a page.

pub(crate) mod coverage;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod map;
pub(crate) mod object;
pub(crate) mod overview;
