//! Where payload comes from: a reader that may wait.

use std::io::{self, ErrorKind, Read};

/// Reads until `into` is full or the source ends.
pub(super) fn read_full(source: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match source.read(&mut into[read..]) {
            Ok(0) => break,
            Ok(some) => read += some,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A source that can tell whether it has ended before anybody takes the next byte.
#[derive(Debug)]
pub struct Ahead<R> {
    inner: R,
    next: Option<u8>,
}

impl<R: Read> Ahead<R> {
    /// Wraps a source.
    pub fn new(inner: R) -> Ahead<R> {
        Ahead { inner, next: None }
    }

    /// True if no byte follows. May wait for one.
    pub fn ended(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        if self.next.is_none() && read_full(&mut self.inner, &mut byte)? == 1 {
            self.next = Some(byte[0]);
        }
        Ok(self.next.is_none())
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let Some(byte) = self.next.take() {
            into[0] = byte;
            return Ok(1);
        }
        self.inner.read(into)
    }
}
