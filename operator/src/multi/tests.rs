//! Tests of deciding about several sites.
