//! Tests of the whole, on a store in memory and on servers that misbehave.

mod bad_input;
mod beside;
mod changes;
mod ends;
mod histories;
mod hostile;
mod kills;
mod lease;
mod parts;
mod places;
mod restores;
mod servers;
