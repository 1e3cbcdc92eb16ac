//! All that can be seen of a catalog of the suite's small world.

use super::{EXTENTS, NAMES, PROVIDERS};
use crate::catalog::record::{
    Census, Debt, Doomed, EpochRow, Extent, Fragment, Health, Member, OpenGeneration, Piece, Usage, Version, Waiting,
};
use crate::catalog::{Catalog, CatalogError, sample};
use crate::fragment::id::{ExtentId, Generation};

/// Something that can be seen of a catalog.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::catalog) enum Shown {
    Head(Option<Version>),
    Versions(Vec<Version>),
    Pieces(Vec<Piece>),
    Open(Vec<OpenGeneration>),
    Epochs(Vec<EpochRow>),
    Members((u64, Vec<Member>)),
    Probe(Option<String>),
    Census(Census),
    Ailing(Vec<(String, Health)>),
    Usage(Vec<Usage>),
    Ids(Vec<ExtentId>),
    Extent(Option<(Extent, Vec<Fragment>)>),
    Doomed(Vec<Doomed>),
    Findings(Vec<String>),
    Awaited(Vec<Waiting>),
    Issued(Vec<Generation>),
    Debts(Vec<Debt>),
}

/// All that can be seen of a catalog, each with the question that it answers.
pub(in crate::catalog) async fn look(catalog: &dyn Catalog) -> Result<Vec<(String, Shown)>, CatalogError> {
    let mut seen = Vec::new();
    let mut show = |question: String, answer| seen.push((question, answer));
    for name in NAMES {
        let head = catalog.head(name).await?;
        show(format!("head {name}"), Shown::Head(head.clone()));
        show(format!("extents {name}"), Shown::Pieces(catalog.extents(name).await?));
        let Some(Version { generation, .. }) = head else {
            continue;
        };
        for (from, to) in [(0, u64::MAX), (0, 1), (2_999, 3_001), (10, 10), (6_000, 9_000)] {
            let pieces = catalog.pieces(name, generation, from, to).await?;
            show(format!("pieces {name} {from}..{to}"), Shown::Pieces(pieces));
        }
        let sequence = generation.sequence + 1;
        let other = Generation { sequence, ..generation };
        show(
            format!("pieces of another {name}"),
            Shown::Pieces(catalog.pieces(name, other, 0, 9).await?),
        );
    }
    seen.extend(look_at_lists(catalog).await?);
    seen.extend(look_at_fragments(catalog).await?);
    let findings = catalog.check().await?;
    seen.push(("check".to_owned(), Shown::Findings(findings)));
    Ok(seen)
}

async fn look_at_lists(catalog: &dyn Catalog) -> Result<Vec<(String, Shown)>, CatalogError> {
    let mut seen = Vec::new();
    let mut show = |question: String, answer| seen.push((question, answer));
    for (prefix, after, limit) in [
        ("", None, 9),
        ("", Some("a"), 9),
        ("a", None, 1),
        ("a/", Some("a"), 9),
        ("b", Some("a"), 9),
    ] {
        let versions = catalog.versions(prefix, after, limit).await?;
        show(
            format!("versions {prefix:?} above {after:?}, {limit}"),
            Shown::Versions(versions),
        );
    }
    show(
        "open generations".to_owned(),
        Shown::Open(catalog.open_generations().await?),
    );
    show("awaited".to_owned(), Shown::Awaited(catalog.awaited().await?));
    show("issued".to_owned(), Shown::Issued(catalog.issued().await?));
    for limit in [1, 99] {
        show(format!("{limit} debts"), Shown::Debts(catalog.debts(limit).await?));
    }
    show("epochs".to_owned(), Shown::Epochs(catalog.epochs().await?));
    show("members".to_owned(), Shown::Members(catalog.members().await?));
    show("usage".to_owned(), Shown::Usage(catalog.usage().await?));
    for away in [vec![], vec![0], vec![1, 2, 3]] {
        let away: Vec<_> = away.into_iter().map(sample::provider_id).collect();
        show(
            format!("census without {away:?}"),
            Shown::Census(catalog.census(&away).await?),
        );
        for limit in [1, 9] {
            show(
                format!("{limit} ailing without {away:?}"),
                Shown::Ailing(catalog.ailing(&away, limit).await?),
            );
        }
    }
    Ok(seen)
}

async fn look_at_fragments(catalog: &dyn Catalog) -> Result<Vec<(String, Shown)>, CatalogError> {
    let mut seen = Vec::new();
    let mut show = |question: String, answer| seen.push((question, answer));
    for provider in (0..PROVIDERS).map(sample::provider_id) {
        show(
            format!("probe of {provider}"),
            Shown::Probe(catalog.probe(provider).await?),
        );
        let first = catalog.extents_on(provider, None, 2).await?;
        let more = catalog.extents_on(provider, first.last().copied(), 9).await?;
        show(format!("extents on {provider}"), Shown::Ids(first));
        show(format!("more on {provider}"), Shown::Ids(more));
    }
    for number in 0..EXTENTS {
        let id = sample::extent_id(number);
        show(format!("extent {number}"), Shown::Extent(catalog.extent(id).await?));
    }
    for now in [0, 20, 60, 200] {
        let mut doomed = catalog.doomed(now, 1_000).await?;
        let first = catalog.doomed(now, 2).await?;
        assert!(first.len() == doomed.len().min(2) && first.iter().all(|it| doomed.contains(it)));
        doomed.sort_by_key(|it| (it.fragment.extent, it.fragment.index, it.fragment.copy));
        show(format!("doomed at {now}"), Shown::Doomed(doomed));
    }
    Ok(seen)
}
