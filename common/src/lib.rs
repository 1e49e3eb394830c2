//! What the operator and `kubectl casskop` must agree on: the API types, the names of objects,
//! and the intent protocol (annotations that request operations). Nothing here does any I/O.

pub mod api;
pub mod checks;
pub mod conditions;
pub mod intent;
pub mod names;
pub mod operations;
pub mod quantity;
pub mod text;
mod words;
