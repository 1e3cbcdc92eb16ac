//! Shares on their way into a folder: short ones in memory until they are complete, others in a file that nobody sees.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::super::provider::{Answer, Incoming, Place, Trouble};
use super::{Folder, blocking, index, read_at};

/// Unfinished shares up to this length wait in memory: ten thousand of them are 160 MiB.
pub(super) const WAITS: u64 = 16 << 10;

/// A short share while it is written.
#[derive(Debug)]
pub(super) struct Waiting {
    folder: Folder,
    place: Place,
    bytes: Vec<u8>,
}

impl Waiting {
    /// A share of `len` bytes, at most [`WAITS`].
    pub(super) fn new(folder: Folder, place: Place, len: u64) -> Waiting {
        Waiting {
            folder,
            place,
            bytes: vec![0; index(len)],
        }
    }
}

impl Incoming for Waiting {
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()> {
        self.bytes[index(at)..index(at) + bytes.len()].copy_from_slice(&bytes);
        Box::pin(std::future::ready(Ok(())))
    }

    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool> {
        let same = self.bytes[index(at)..index(at) + bytes.len()] == bytes;
        Box::pin(std::future::ready(Ok(same)))
    }

    fn advance(&mut self, _: u64) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>> {
        Box::pin(blocking(move || {
            let write = |file: &File| file.write_all_at(&self.bytes, 0);
            self.folder.publish_new(self.place, write).map(drop)
        }))
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A share's file while it is written.
#[derive(Debug)]
pub(super) struct Unfinished {
    folder: Folder,
    place: Place,
    file: Arc<File>,
    /// Where it is, until it is published.
    path: Option<PathBuf>,
}

impl Unfinished {
    pub(super) fn new(folder: &Folder, place: Place, len: u64) -> io::Result<Unfinished> {
        let (file, path) = folder.fresh()?;
        file.set_len(len)?;
        Ok(Unfinished {
            folder: folder.clone(),
            place,
            file,
            path: Some(path),
        })
    }
}

impl Incoming for Unfinished {
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()> {
        let file = self.file.clone();
        Box::pin(blocking(move || file.write_all_at(&bytes, at)))
    }

    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool> {
        let file = self.file.clone();
        Box::pin(blocking(move || {
            Ok(read_at(&file, at..at + bytes.len() as u64)? == bytes)
        }))
    }

    fn advance(&mut self, _: u64) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>> {
        Box::pin(blocking(move || {
            let path = self.path.take().expect("it is finished once");
            let published = self.folder.publish(&self.file, &path, self.place);
            if published.is_err() {
                self.path = Some(path);
            }
            published
        }))
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let away = blocking(move || {
                drop(self);
                Ok(())
            });
            // What can't be removed goes at the next start.
            drop(away.await);
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What can't be removed goes at the next start.
            drop(fs::remove_file(path));
        }
    }
}
