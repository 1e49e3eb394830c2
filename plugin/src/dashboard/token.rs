//! The secrets of a dashboard: with the first the clusters are seen, with the second the server is known.

use std::{fmt::Write as _, hint::black_box};

use crate::error::{CliError, Result};

/// Random bytes of a token.
const BYTES: usize = 32;

/// A token; it lives as long as the process.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self> {
        let mut random = [0_u8; BYTES];
        getrandom::getrandom(&mut random).map_err(|error| {
            CliError::failed(format!("no randomness for the link of the page: {error}"))
        })?;
        let mut text = String::new();
        for byte in random {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The token as the link has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token; the time that takes does not depend on where they differ.
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if own.len() != given.len() {
            return false;
        }
        let pairs = own.iter().zip(given);
        let difference = pairs.fold(0_u8, |seen, (own, given)| black_box(seen | (own ^ given)));
        black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let tokens = [(); 2].map(|()| Token::new().unwrap_or_else(|error| unreachable!("{error}")));
        assert_eq!(tokens[0].as_str().len(), 2 * BYTES);
        assert!(tokens[0].is(tokens[0].as_str().as_bytes()));
        assert!(!tokens[0].is(tokens[1].as_str().as_bytes()));
        assert!(!tokens[0].is(&tokens[0].as_str().as_bytes()[1..]));
        assert!(!tokens[0].is(b""));
    }
}
