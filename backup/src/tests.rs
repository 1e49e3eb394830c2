//! Tests of the whole, on a store in memory and on servers that misbehave.

mod bad_input;
mod beside;
mod changes;
mod histories;
mod kills;
mod servers;
