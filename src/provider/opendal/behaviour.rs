//! What a probe asks of a service and the port hides.

use bytes::Bytes;
use opendal::ErrorKind;
use opendal::options::WriteOptions;

use super::remote::Remote;
use crate::provider::probe::{Behaviour, Claims};
use crate::provider::{Call, Operation, ProviderError};

impl Remote {
    /// Writes under the key itself, even where puts are renamed; with `new`, on the service's own condition that nothing is
    /// there. False if the condition was not met.
    async fn write_in_place(&self, key: &str, body: Bytes, new: bool) -> Result<bool, ProviderError> {
        let limit = self.write_limit(body.len() as u64);
        let options = WriteOptions {
            if_not_exists: new,
            ..WriteOptions::default()
        };
        let write = async {
            self.folders.make(&self.writes, key).await?;
            match self.writes.write_options(key, body, options).await {
                Ok(_) => Ok(true),
                Err(error) if matches!(error.kind(), ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists) => {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        };
        Ok(self.step(Operation::Put, key, limit, write).await?.0)
    }
}

impl Behaviour for Remote {
    fn scheme(&self) -> &str {
        &self.scheme
    }

    fn claims(&self) -> Claims {
        let info = self.reads.info();
        let capability = info.capability();
        Claims {
            create: capability.write_with_if_not_exists,
            rename: capability.rename,
            list: capability.list,
            through_temporary: self.stem.is_some(),
        }
    }

    fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, bool> {
        Box::pin(self.write_in_place(key, body, true))
    }

    fn put_in_place<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, ()> {
        Box::pin(async move { self.write_in_place(key, body, false).await.map(drop) })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Call<'a, ()> {
        Box::pin(self.rename_to(from, to))
    }

    fn date(&self) -> Option<i64> {
        let date = self.last_date()?;
        // HTTP dates are RFC 2822's with "GMT", which that standard still reads.
        let moment = jiff::fmt::rfc2822::parse(&date).ok()?;
        Some(moment.timestamp().as_second())
    }
}
