//! The stand-in for a provider that could not be opened: its secret is missing, its options are wrong, or it is to be skipped.
//! Every call fails with the reason, so that the others go on as if this one were down.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::provider::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// A provider that can't be asked.
#[derive(Debug)]
pub(crate) struct Unopened {
    name: String,
    reason: String,
}

impl Unopened {
    /// `reason` is shown to people; it has no secret in it.
    pub(crate) fn new(name: &str, reason: impl Into<String>) -> Unopened {
        Unopened {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }

    fn error(&self, operation: Operation, key: &str) -> ProviderError {
        ProviderError::new(&self.name, operation, key, Class::Config, self.reason.clone())
    }

    fn fail<T: Send + 'static>(&self, operation: Operation, key: &str) -> Call<'_, T> {
        let error = self.error(operation, key);
        Box::pin(async move { Err(error) })
    }
}

impl Provider for Unopened {
    fn name(&self) -> &str {
        &self.name
    }

    fn put<'a>(&'a self, key: &'a str, _: Bytes) -> Call<'a, Stored> {
        self.fail(Operation::Put, key)
    }

    fn get<'a>(&'a self, key: &'a str, _: Range<u64>) -> Call<'a, Parts> {
        self.fail(Operation::Get, key)
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        self.fail(Operation::Stat, key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let error = self.error(Operation::List, prefix);
        stream::once(async move { Err(error) }).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        self.fail(Operation::Delete, key)
    }
}
