//! What each object may be, by what its clients were told.
//!
//! ```text
//! acknowledged     it is exactly this                           older and unknown ones are out
//! outcome unknown  it may be this too                           until somebody sees which, or all providers answer
//! not stored       it is never this
//! seen             it is this or something begun later          nobody sees an older one again
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::world::{Violation, broken};

/// One version that somebody tried to make; the bytes of each are its own. None is no object.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) bytes: Option<Arc<Vec<u8>>>,
}

/// A version by its place in the order in which they were begun.
pub(crate) type Id = usize;

#[derive(Debug)]
pub(crate) struct Object {
    versions: Vec<Version>,
    possible: BTreeSet<Id>,
}

impl Default for Object {
    /// There was never any.
    fn default() -> Object {
        Object {
            versions: vec![Version { bytes: None }],
            possible: [0].into(),
        }
    }
}

impl Object {
    pub(crate) fn version(&self, id: Id) -> &Version {
        &self.versions[id]
    }

    fn len_of(version: &Version) -> Option<u64> {
        version.bytes.as_ref().map(|bytes| bytes.len() as u64)
    }

    /// In words: the lengths of what it may be.
    pub(crate) fn possible(&self) -> String {
        let words = self
            .possible
            .iter()
            .map(|id| match Object::len_of(&self.versions[*id]) {
                Some(len) => format!("#{id} of {len} bytes"),
                None => format!("#{id}, no object"),
            });
        words.collect::<Vec<_>>().join(" or ")
    }

    pub(crate) fn is_certain(&self) -> bool {
        self.possible.len() == 1
    }

    /// True if some version, possible or not, has this length.
    pub(crate) fn has_len(&self, len: u64) -> bool {
        self.versions.iter().any(|version| Object::len_of(version) == Some(len))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    objects: BTreeMap<String, Object>,
}

impl Model {
    pub(crate) fn object(&mut self, name: &str) -> &mut Object {
        self.objects.entry(name.to_owned()).or_default()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// Somebody begins to make this the object.
    pub(crate) fn begin(&mut self, name: &str, bytes: Option<Arc<Vec<u8>>>) -> Id {
        let object = self.object(name);
        object.versions.push(Version { bytes });
        object.versions.len() - 1
    }

    pub(crate) fn acknowledged(&mut self, name: &str, id: Id) {
        self.object(name).possible = [id].into();
    }

    pub(crate) fn unknown(&mut self, name: &str, id: Id) {
        self.object(name).possible.insert(id);
    }

    /// Somebody saw a version for which `fits` holds; what it may be from now on.
    pub(crate) fn seen(&mut self, name: &str, what: &str, fits: impl Fn(&Version) -> bool) -> Result<Id, Violation> {
        let object = self.object(name);
        let fitting = object.possible.iter().copied().find(|id| fits(&object.versions[*id]));
        let Some(seen) = fitting else {
            let impossible = object.versions.iter().rposition(&fits);
            let known = impossible.map_or("which nobody wrote".to_owned(), |id| format!("which is #{id}"));
            return broken(
                "what is read is possible",
                format!("{name}: {what}, {known}, and it may be {}", object.possible()),
            );
        };
        object.possible.retain(|id| *id >= seen);
        Ok(seen)
    }

    pub(crate) fn seen_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<Id, Violation> {
        let what = format!("{} bytes were read", bytes.len());
        self.seen(name, &what, |version| {
            version.bytes.as_ref().is_some_and(|own| own.as_slice() == bytes)
        })
    }

    pub(crate) fn seen_len(&mut self, name: &str, len: u64) -> Result<Id, Violation> {
        self.seen(name, &format!("an object of {len} bytes was found"), |version| {
            Object::len_of(version) == Some(len)
        })
    }

    pub(crate) fn seen_none(&mut self, name: &str) -> Result<Id, Violation> {
        self.seen(name, "no object was found", |version| version.bytes.is_none())
    }

    pub(crate) fn seen_some(&mut self, name: &str) -> Result<Id, Violation> {
        self.seen(name, "an object was found", |version| version.bytes.is_some())
    }

    /// All providers have answered: it is what was seen and nothing else will come.
    pub(crate) fn settled(&mut self, name: &str, id: Id) {
        self.object(name).possible = [id].into();
    }
}
