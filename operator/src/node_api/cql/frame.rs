//! Frames of the native protocol, version 4 (`native_protocol_v4.spec` of Cassandra). Cassandra 4.0 and later speak it.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use crate::node_api::cql::CqlError;

/// The version in requests, and in answers.
const REQUEST: u8 = 0x04;
const ANSWER: u8 = 0x84;
/// Bytes before the body of a frame.
const HEADER: usize = 9;
/// Longest accepted body, in bytes; answers about roles have some hundred.
const LONGEST: usize = 64 * 1024;
/// The answer begins with warnings for a person.
const WARNINGS: u8 = 0x08;
/// Consistency of reads: a node answers with the roles that a login finds.
const LOCAL_QUORUM: u16 = 0x0006;
/// Code of the error about a refused login.
pub(super) const BAD_CREDENTIALS: u32 = 0x0100;

/// Kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Error = 0x00,
    Startup = 0x01,
    Ready = 0x02,
    Authenticate = 0x03,
    Query = 0x07,
    Result = 0x08,
    AuthResponse = 0x0F,
    AuthSuccess = 0x10,
}

impl Opcode {
    const ALL: [Self; 8] = [
        Self::Error,
        Self::Startup,
        Self::Ready,
        Self::Authenticate,
        Self::Query,
        Self::Result,
        Self::AuthResponse,
        Self::AuthSuccess,
    ];

    pub(super) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| *opcode as u8 == byte)
    }
}

/// A request or an answer.
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) body: Vec<u8>,
}

impl Frame {
    pub(super) fn startup() -> Self {
        let mut body = 1_u16.to_be_bytes().to_vec();
        for text in ["CQL_VERSION", "3.0.0"] {
            string(&mut body, text);
        }
        Self {
            opcode: Opcode::Startup,
            body,
        }
    }

    /// A login in the form of SASL PLAIN.
    pub(super) fn credentials(username: &str, password: &str) -> Self {
        let mut body = Vec::new();
        long_string(&mut body, &format!("\0{username}\0{password}"));
        Self {
            opcode: Opcode::AuthResponse,
            body,
        }
    }

    pub(super) fn query(text: &str) -> Self {
        let mut body = Vec::new();
        long_string(&mut body, text);
        body.extend(LOCAL_QUORUM.to_be_bytes());
        body.push(0);
        Self {
            opcode: Opcode::Query,
            body,
        }
    }

    /// The frame as it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.with_version(REQUEST)
    }

    fn with_version(&self, version: u8) -> Vec<u8> {
        let mut bytes = vec![version, 0, 0, 0, self.opcode as u8];
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.body);
        bytes
    }

    /// Reads an answer. The outer error is that of the connection.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Result<Self, CqlError>> {
        Self::read_with(from, ANSWER)
    }

    fn read_with(from: &mut impl Read, version: u8) -> io::Result<Result<Self, CqlError>> {
        let mut header = [0; HEADER];
        from.read_exact(&mut header)?;
        let [of, flags, _, _, opcode, length @ ..] = header;
        let malformed = |why| Ok(Err(CqlError::Malformed(why)));
        if of != version {
            return malformed("it is of another version of the protocol");
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return malformed("it is too long");
        }
        let Some(opcode) = Opcode::of(opcode) else {
            return malformed("it is of an unknown kind");
        };
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        if flags & !WARNINGS != 0 {
            return malformed("it has parts that were not asked for");
        }
        if flags & WARNINGS != 0 {
            let mut parts = Parts(&body);
            let Ok(after) = parts.without_warnings() else {
                return malformed("its warnings cannot be read");
            };
            body = after;
        }
        Ok(Ok(Self { opcode, body }))
    }

    /// Code and message of an error.
    pub(super) fn error(&self) -> Result<(u32, String), CqlError> {
        let mut parts = Parts(&self.body);
        Ok((parts.int()?, parts.string()?))
    }

    /// The rows of a result; none of one without rows.
    pub(super) fn rows(&self) -> Result<Rows, CqlError> {
        const ROWS: u32 = 2;
        let mut parts = Parts(&self.body);
        if parts.int()? != ROWS {
            return Ok(Rows(Vec::new()));
        }
        let columns = parts.columns()?;
        if columns == 0 {
            // Any number of rows would fit.
            return Err(CqlError::Malformed("its rows have no columns"));
        }
        let count = parts.int()?;
        let mut rows = Vec::new();
        for _ in 0..count {
            let cells = (0..columns).map(|_| parts.value());
            rows.push(cells.collect::<Result<_, _>>()?);
        }
        Ok(Rows(rows))
    }
}

/// The values of a result, by row and column.
#[derive(Debug, Default)]
pub struct Rows(Vec<Vec<Option<Vec<u8>>>>);

impl Rows {
    /// Number of rows.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// A text of the first row.
    pub fn text(&self, column: usize) -> Option<String> {
        String::from_utf8(self.first(column)?.to_vec()).ok()
    }

    /// A truth value of the first row.
    pub fn flag(&self, column: usize) -> Option<bool> {
        Some(self.first(column)? != [0])
    }

    /// A map of texts of the first row.
    pub fn map(&self, column: usize) -> Option<BTreeMap<String, String>> {
        let mut parts = Parts(self.first(column)?);
        let count = parts.int().ok()?;
        let mut text = || String::from_utf8(parts.value().ok()??).ok();
        (0..count).map(|_| Some((text()?, text()?))).collect()
    }

    fn first(&self, column: usize) -> Option<&[u8]> {
        self.0.first()?.get(column)?.as_deref()
    }
}

/// The rest of a body.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], CqlError> {
        let short = CqlError::Malformed("it ends early");
        let (taken, rest) = self.0.split_at_checked(count).ok_or(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn short(&mut self) -> Result<usize, CqlError> {
        let bytes = self.take(2)?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | usize::from(*byte)))
    }

    fn int(&mut self) -> Result<u32, CqlError> {
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u32::from(*byte)))
    }

    fn string(&mut self) -> Result<String, CqlError> {
        let length = self.short()?;
        let text = self.take(length)?.to_vec();
        String::from_utf8(text).map_err(|_| CqlError::Malformed("a text is no UTF-8"))
    }

    /// A value; nothing for null.
    fn value(&mut self) -> Result<Option<Vec<u8>>, CqlError> {
        match usize::try_from(self.int()?.cast_signed()) {
            Ok(length) => Ok(Some(self.take(length)?.to_vec())),
            Err(_) => Ok(None),
        }
    }

    fn without_warnings(&mut self) -> Result<Vec<u8>, CqlError> {
        for _ in 0..self.short()? {
            self.string()?;
        }
        Ok(self.0.to_vec())
    }

    /// Passes over the description of the columns; returns their number.
    fn columns(&mut self) -> Result<u32, CqlError> {
        /// All columns are of one table.
        const ONE_TABLE: u32 = 1;
        if self.int()? != ONE_TABLE {
            return Err(CqlError::Malformed("it has more pages, or several tables"));
        }
        let count = self.int()?;
        self.string()?;
        self.string()?;
        for _ in 0..count {
            self.string()?;
            self.column_type()?;
        }
        Ok(count)
    }

    /// Passes over a simple type, or a map of simple types.
    fn column_type(&mut self) -> Result<(), CqlError> {
        /// Simple types have numbers between these.
        const SIMPLE: std::ops::Range<usize> = 0x01..0x20;
        const MAP: usize = 0x21;
        let of = self.short()?;
        let simple = match of {
            MAP => vec![self.short()?, self.short()?],
            _ => vec![of],
        };
        if simple.iter().all(|simple| SIMPLE.contains(simple)) {
            return Ok(());
        }
        Err(CqlError::Malformed(
            "a column has a type that was not asked for",
        ))
    }
}

fn string(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
}

fn long_string(body: &mut Vec<u8>, text: &str) {
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
}

/// The other side, in tests.
#[cfg(test)]
impl Frame {
    pub(super) fn read_request(from: &mut impl Read) -> io::Result<Self> {
        Self::read_with(from, REQUEST)?.map_err(|error| io::Error::other(error.to_string()))
    }

    pub(super) fn answer(&self) -> Vec<u8> {
        self.with_version(ANSWER)
    }

    /// The text of a query, or the parts of a login.
    pub(super) fn long_text(&self) -> String {
        let text = Parts(&self.body).value().unwrap().unwrap();
        String::from_utf8(text).unwrap()
    }
}
