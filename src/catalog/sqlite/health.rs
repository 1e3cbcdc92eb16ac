//! How whole the objects are: one walk over the fragments of all heads, in the order in which they lie in the file.
//!
//! Nothing is counted ahead: a count kept beside the fragments could be wrong, and which providers are away is not known before.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rusqlite::Connection;

use crate::catalog::diary::Ailing;
use crate::catalog::record::{Census, FragmentState, Health};
use crate::fragment::id::{Kind, ProviderId};

use super::column::{self, get, number};
use super::debt;
use super::fault::Done;
use super::generation;
use super::head::Seat;

/// What an extent has, and what it needs.
#[derive(Clone, Copy, Debug)]
struct Tally {
    k: u16,
    n: u16,
    quorum: u16,
    /// Distinct indices with a sound fragment in reach.
    sound: u16,
    /// The index that was counted last: its other copies count no more.
    last: Option<i64>,
}

impl Tally {
    fn health(self) -> Health {
        if self.sound < self.k {
            Health::Lost
        } else if self.sound < self.quorum {
            Health::AtRisk
        } else if self.sound < self.n {
            Health::Degraded
        } else {
            Health::Whole
        }
    }

    fn margin(self) -> u16 {
        self.sound.saturating_sub(self.k)
    }
}

/// The worst of an object's extents.
#[derive(Clone, Copy, Debug)]
struct Worst {
    health: Health,
    margin: u16,
}

impl Worst {
    const NONE_YET: Worst = Worst {
        health: Health::Whole,
        margin: u16::MAX,
    };

    fn with(self, extent: Tally) -> Worst {
        Worst {
            health: self.health.min(extent.health()),
            margin: self.margin.min(extent.margin()),
        }
    }
}

/// See [`crate::catalog::Catalog::census`].
pub(super) fn census(conn: &Connection, away: &[ProviderId]) -> Done<Census> {
    let mut census = Census::default();
    walk(conn, away, |_, worst| {
        match worst.health {
            Health::Whole => census.whole += 1,
            Health::Degraded => census.degraded += 1,
            Health::AtRisk => census.at_risk += 1,
            Health::Lost => census.lost += 1,
        }
        census.margin = Some(census.margin.map_or(worst.margin, |margin| margin.min(worst.margin)));
    })?;
    census.bytes = count(conn, "SELECT coalesce(sum(len), 0) FROM object WHERE kind <> 5")?;
    census.doomed = count(
        conn,
        "SELECT count(*) FROM fragment INDEXED BY fragment_due WHERE due IS NOT NULL",
    )?;
    census.open = generation::count_open(conn)?;
    census.removals = count(conn, "SELECT count(*) FROM object WHERE kind = 5")?;
    (census.debts, census.oldest_debt) = debt::count(conn)?;
    Ok(census)
}

/// See [`crate::catalog::Catalog::ailing`]. Keeps no more than `limit` names at a time.
pub(super) fn ailing(conn: &Connection, away: &[ProviderId], limit: usize) -> Done<Vec<(String, Health)>> {
    let mut objects: BinaryHeap<(Health, Vec<u8>)> = BinaryHeap::new();
    let mut numbered = BTreeMap::new();
    walk(conn, away, |object, worst| {
        if worst.health != Health::Whole {
            numbered.insert(object, worst.health);
        }
    })?;
    let mut name = conn.prepare_cached("SELECT name FROM object WHERE no = ?1")?;
    for (object, health) in numbered {
        let mut rows = name.query([object])?;
        if let Some(row) = rows.next()? {
            objects.push((health, column::get_name(row, 0)?.into_bytes()));
        }
        if objects.len() > limit {
            objects.pop();
        }
    }
    let worst_first = objects.into_sorted_vec();
    let text = |name| String::from_utf8(name).expect("it was read as a name");
    Ok(worst_first
        .into_iter()
        .map(|(health, name)| (text(name), health))
        .collect())
}

/// See [`crate::catalog::diary::Diary::queue`]. Keeps no more than `limit` names at a time.
pub(super) fn queue(conn: &Connection, away: &[ProviderId], limit: usize) -> Done<Vec<Ailing>> {
    let mut numbered = BTreeMap::new();
    walk(conn, away, |object, worst| {
        if worst.health != Health::Whole {
            numbered.insert(object, worst);
        }
    })?;
    let mut objects: BinaryHeap<(u16, Health, Vec<u8>)> = BinaryHeap::new();
    let mut name = conn.prepare_cached("SELECT name FROM object WHERE no = ?1")?;
    for (object, worst) in numbered {
        let mut rows = name.query([object])?;
        if let Some(row) = rows.next()? {
            objects.push((worst.margin, worst.health, column::get_name(row, 0)?.into_bytes()));
        }
        if objects.len() > limit {
            objects.pop();
        }
    }
    let ailing = |(margin, health, name)| Ailing {
        name: String::from_utf8(name).expect("it was read as a name"),
        health,
        margin,
    };
    Ok(objects.into_sorted_vec().into_iter().map(ailing).collect())
}

/// Calls `each` with the number and the worst extent of every object that is no removal.
fn walk(conn: &Connection, away: &[ProviderId], each: impl FnMut(i64, Worst)) -> Done<()> {
    let away = numbers_of(conn, away)?;
    let mut statement = conn.prepare_cached(
        "SELECT o.no, l.start, l.ordinal, e.k, e.n, e.quorum, f.idx, f.provider \
         FROM object o CROSS JOIN place l ON l.object = o.no LEFT JOIN extent e ON e.no = l.extent \
         LEFT JOIN fragment f ON f.extent = e.no AND f.state = ?1 AND f.due IS NULL \
         WHERE o.kind <> ?2 ORDER BY o.no, l.start, l.ordinal, f.idx",
    )?;
    let mut rows = statement.query([FragmentState::Sound as u8, Kind::Tombstone as u8])?;
    let mut walk = Walk {
        object: None,
        seat: None,
        each,
    };
    while let Some(row) = rows.next()? {
        let object: i64 = get(row, 0)?;
        let seat: Seat = (get(row, 1)?, get(row, 2)?);
        if !walk.is_at(object, seat) {
            let tally = Tally {
                k: number(row, 3, "k")?,
                n: number(row, 4, "n")?,
                quorum: number(row, 5, "a quorum")?,
                sound: 0,
                last: None,
            };
            walk.turn_to(object, seat, tally);
        }
        if let (Some(index), Some(provider)) = (get(row, 6)?, get::<Option<i64>>(row, 7)?)
            && !away.contains(&provider)
        {
            walk.count(index);
        }
    }
    walk.end();
    Ok(())
}

/// Where a walk over fragments stands: rows of one seat come together, and seats of one object.
struct Walk<F> {
    object: Option<(i64, Worst)>,
    seat: Option<(Seat, Tally)>,
    each: F,
}

impl<F: FnMut(i64, Worst)> Walk<F> {
    fn is_at(&self, object: i64, seat: Seat) -> bool {
        self.object.is_some_and(|(at, _)| at == object) && self.seat.is_some_and(|(at, _)| at == seat)
    }

    fn turn_to(&mut self, object: i64, seat: Seat, tally: Tally) {
        if self.object.is_some_and(|(at, _)| at == object) {
            self.end_seat();
        } else {
            self.end();
            self.object = Some((object, Worst::NONE_YET));
        }
        self.seat = Some((seat, tally));
    }

    fn count(&mut self, index: i64) {
        if let Some((_, tally)) = &mut self.seat
            && tally.last != Some(index)
        {
            tally.sound += 1;
            tally.last = Some(index);
        }
    }

    fn end_seat(&mut self) {
        if let (Some((_, worst)), Some((_, tally))) = (&mut self.object, self.seat.take()) {
            *worst = worst.with(tally);
        }
    }

    fn end(&mut self) {
        self.end_seat();
        if let Some((object, worst)) = self.object.take() {
            (self.each)(object, worst);
        }
    }
}

fn numbers_of(conn: &Connection, providers: &[ProviderId]) -> Done<BTreeSet<i64>> {
    let wanted: BTreeSet<ProviderId> = providers.iter().copied().collect();
    let mut statement = conn.prepare_cached("SELECT no, id FROM provider")?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if wanted.contains(&ProviderId(get(row, 1)?)) {
            found.insert(get(row, 0)?);
        }
    }
    Ok(found)
}

fn count(conn: &Connection, sql: &str) -> Done<u64> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => number(row, 0, "a count"),
        None => Ok(0),
    }
}
