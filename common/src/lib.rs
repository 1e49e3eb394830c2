//! Shared definitions of the operator and `kubectl casskop`: the API types, the names of objects, and the intent
//! protocol (annotations that request operations). This crate does no I/O.

pub mod api;
pub mod checks;
pub mod conditions;
pub mod config;
pub mod image;
pub mod intent;
pub mod names;
pub mod operations;
pub mod quantity;
pub mod readable;
pub mod text;
mod words;
