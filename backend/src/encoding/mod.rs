//! How Kubernetes writes objects: JSON, YAML and protobuf, tables and bare metadata, and which of them a client asked
//! for. Pure: everything is an argument, the time of the answer included.
//!
//! Items are appended to a buffer one by one, so that a list of 150,000 pods is never held whole as text: a writer of
//! lists says what comes [before](List::head) and [after](List::tail) them.

pub mod accept;
mod indent;
mod item;
mod json;
mod list;
mod proto;
mod quantity;
mod yaml;

pub use accept::{Choice, Media, MetaVersion, Shape};
pub use indent::Indent;
pub use item::{Item, Usage};
pub use json::{quoted, time};
pub use list::{Columns, Include, Kind, List};
pub use proto::{Message, envelope};
pub use yaml::yaml;
