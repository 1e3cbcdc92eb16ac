//! From what is typed to objects: one by its name, or all below a prefix.

use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::ground::Session;
use crate::catalog::record::{Version, Waiting};
use crate::fragment::id::Kind;
use crate::store::StoreError;

/// Rows of the catalog at a time.
const PAGE: usize = 1000;

/// Every object whose name begins with `prefix`, in byte order of names.
pub(crate) async fn beginning_with(session: &Session, prefix: &str) -> Result<Vec<Version>, Failure> {
    let catalog = session.store.catalog();
    let mut all: Vec<Version> = Vec::new();
    loop {
        let after = all.last().map(|version| version.name.clone());
        let page = catalog.versions(prefix, after.as_deref(), PAGE).await?;
        let ended = page.len() < PAGE;
        all.extend(page);
        if ended {
            return Ok(all);
        }
    }
}

/// The objects of one argument: the one of this name, or with `recursive` all below it.
pub(crate) async fn select(session: &Session, name: &str, recursive: bool) -> Result<Vec<Version>, Failure> {
    let catalog = session.store.catalog();
    if !recursive {
        crate::store::name::check(name)?;
        return match session.store.head(name).await {
            Ok(version) => Ok(vec![version]),
            Err(StoreError::NotFound { .. }) => Err(not_found(session, name).await),
            Err(error) => Err(error.into()),
        };
    }
    let folder = if name.is_empty() || name.ends_with('/') {
        name.to_owned()
    } else {
        format!("{name}/")
    };
    let mut below = beginning_with(session, &folder).await?;
    if !name.is_empty() && !name.ends_with('/') {
        let itself = catalog
            .head(name)
            .await?
            .filter(|version| version.kind != Kind::Tombstone);
        below.splice(0..0, itself);
    }
    if below.is_empty() {
        // What waits is not known to be absent.
        let awaited = catalog.awaited().await?;
        let waits =
            |waiting: &&Waiting| waiting.name.is_empty() || waiting.name == name || waiting.name.starts_with(&folder);
        if let Some(waiting) = awaited.iter().find(waits) {
            let name = if waiting.name.is_empty() { name } else { &waiting.name };
            return Err(StoreError::Waiting { name: name.to_owned() }.into());
        }
    }
    if below.is_empty() && !name.is_empty() {
        return Err(not_found(session, name).await);
    }
    Ok(below)
}

/// Tells whether a prefix was meant, or a name that is near.
async fn not_found(session: &Session, name: &str) -> Failure {
    let none = StoreError::NotFound { name: name.to_owned() };
    let none = session.store.unless_stale(none).await;
    let stale = matches!(none, StoreError::Stale { .. });
    let failure = Failure::from(none);
    if stale {
        return failure;
    }
    let folder = format!("{}/", name.trim_end_matches('/'));
    let catalog = session.store.catalog();
    if let Ok(below) = catalog.versions(&folder, None, 1).await
        && !below.is_empty()
    {
        return failure.note(format!("there are objects below {folder}: add -r"));
    }
    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    let beside = catalog.versions(parent, None, PAGE).await.unwrap_or_default();
    let near = |version: &Version| strsim::normalized_damerau_levenshtein(&version.name, name);
    match beside.iter().max_by(|a, b| near(a).total_cmp(&near(b))) {
        Some(version) if near(version) > 0.7 => failure.note(format!("did you mean {}?", version.name)),
        _ => failure,
    }
}

/// Refuses two flags that make no sense for several objects.
pub(crate) fn only_one(what: &str, objects: usize) -> Result<(), Failure> {
    match objects {
        1 => Ok(()),
        _ => Err(Failure::new(
            Exit::Usage,
            "E0001",
            format!("{what} is for one object, not for {objects}"),
        )
        .note("nothing was touched")),
    }
}
