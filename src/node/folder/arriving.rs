//! Shares on their way into a folder: short ones in memory until they are complete, others in a file that nobody sees.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::provider::{Answer, Incoming, Place, Trouble};
use super::{Folder, blocking, index, read_at, told};

/// Unfinished shares up to this length wait in memory: ten thousand of them are 160 MiB.
pub(super) const WAITS: u64 = 16 << 10;

/// Bytes of longer ones that are written at once: as many again may come meanwhile.
const TOGETHER: u64 = 256 << 10;

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

    fn advance(&mut self, _: u64) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
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

/// A share's file while it is written. The next bytes come while the last ones are on their way to the file.
#[derive(Debug)]
pub(super) struct Unfinished {
    folder: Folder,
    place: Place,
    file: Arc<File>,
    /// Where it is, until it is published.
    path: Option<PathBuf>,
    /// Bytes that follow one another and wait to be written together, and where they begin.
    waiting: (u64, Vec<Bytes>),
    /// What is being written.
    writing: Option<JoinHandle<io::Result<()>>>,
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
            waiting: (0, Vec::new()),
            writing: None,
        })
    }

    fn waiting_len(&self) -> u64 {
        self.waiting.1.iter().map(|piece| piece.len() as u64).sum()
    }

    async fn gather(&mut self, at: u64, bytes: Bytes) -> Result<(), Trouble> {
        if self.waiting.0 + self.waiting_len() != at {
            self.depart().await?;
            self.waiting.0 = at;
        }
        self.waiting.1.push(bytes);
        if self.waiting_len() >= TOGETHER {
            self.depart().await?;
        }
        Ok(())
    }

    /// What waits is handed on once what was handed on before is written: two of them may be of the same bytes.
    async fn depart(&mut self) -> Result<(), Trouble> {
        self.landed().await?;
        let at = self.waiting.0;
        self.waiting.0 += self.waiting_len();
        let pieces = std::mem::take(&mut self.waiting.1);
        if !pieces.is_empty() {
            let file = self.file.clone();
            self.writing = Some(spawn_blocking(move || write_all(&file, at, &pieces)));
        }
        Ok(())
    }

    async fn landed(&mut self) -> Result<(), Trouble> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let written = writing.await;
        self.writing = None;
        told(written)
    }

    async fn settled(&mut self) -> Result<(), Trouble> {
        self.depart().await?;
        self.landed().await
    }
}

fn write_all(file: &File, at: u64, pieces: &[Bytes]) -> io::Result<()> {
    let mut at = at;
    for piece in pieces {
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

impl Incoming for Unfinished {
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()> {
        Box::pin(self.gather(at, bytes))
    }

    fn settle(&mut self) -> Answer<'_, ()> {
        Box::pin(self.settled())
    }

    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool> {
        Box::pin(async move {
            self.settled().await?;
            let file = self.file.clone();
            blocking(move || Ok(read_at(&file, at..at + bytes.len() as u64)? == bytes)).await
        })
    }

    fn advance(&mut self, _: u64) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>> {
        Box::pin(async move {
            self.settled().await?;
            blocking(move || {
                let path = self.path.take().expect("it is finished once");
                let published = self.folder.publish(&self.file, &path, self.place);
                if published.is_err() {
                    self.path = Some(path);
                }
                published
            })
            .await
        })
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

#[cfg(test)]
mod tests;
