//! A node's books in the catalog's file: tables `lease` and `advisory`, beside those of the objects and without a reference to them.

use rusqlite::{Connection, Row, params};

use crate::catalog::Answer;
use crate::catalog::change::Change;
use crate::catalog::ledger::{Advisory, Ended, Entry, Lease, Ledger, ShareKey, Upload};

use super::SqliteCatalog;
use super::column::{get, number};
use super::fault::Done;
use super::upload;

/// The statements that add the books to a catalog.
pub(super) const TABLES: &str = include_str!("ledger.sql");

impl Ledger for SqliteCatalog {
    fn enter(&self, entries: Vec<Entry>) -> Answer<'_, ()> {
        self.make(Change::Enter { entries })
    }

    fn leases(&self, mutable: bool, index: [u8; 16]) -> Answer<'_, Vec<Lease>> {
        self.read(move |conn| leases(conn, mutable, index))
    }

    fn ended(&self, ended: Ended, after: Option<ShareKey>, limit: usize) -> Answer<'_, Vec<ShareKey>> {
        self.read(move |conn| over(conn, ended, after, limit))
    }

    fn advise(&self, advisory: Advisory, most: usize) -> Answer<'_, ()> {
        let most = most as u64;
        self.make(Change::Advise { advisory, most })
    }

    fn answered(&self, share: ShareKey, at: i64) -> Answer<'_, ()> {
        self.write(move |conn| {
            let sql = "DELETE FROM advisory WHERE mutable = ?1 AND bucket = ?2 AND number = ?3 AND at <= ?4";
            conn.prepare_cached(sql)?
                .execute(params![share.mutable, share.index, share.number, at])?;
            Ok(())
        })
    }

    fn advisories(&self) -> Answer<'_, Vec<Advisory>> {
        self.read(advisories)
    }

    fn note_uploads(&self, ended: Vec<ShareKey>, begun: Vec<Upload>) -> Answer<'_, ()> {
        self.write(move |conn| upload::note(conn, &ended, &begun))
    }

    fn uploads(&self) -> Answer<'_, Vec<Upload>> {
        self.read(upload::all)
    }
}

/// See [`Ledger::enter`].
pub(super) fn enter(conn: &Connection, entry: &Entry) -> Done<()> {
    match entry {
        Entry::Keep(lease) => keep(conn, lease),
        Entry::Forget(share) => {
            let sql = "DELETE FROM lease WHERE mutable = ?1 AND bucket = ?2 AND number = ?3";
            conn.prepare_cached(sql)?
                .execute(params![share.mutable, share.index, share.number])?;
            Ok(())
        }
    }
}

/// Adds or renews a lease.
pub(super) fn keep(conn: &Connection, lease: &Lease) -> Done<()> {
    let sql = "INSERT INTO lease (mutable, bucket, number, renew, cancel, renewed, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT DO UPDATE SET renewed = max(renewed, excluded.renewed), expires = max(expires, excluded.expires)";
    let share = &lease.share;
    conn.prepare_cached(sql)?.execute(params![
        share.mutable,
        share.index,
        share.number,
        lease.renew,
        lease.cancel,
        lease.renewed,
        lease.expires
    ])?;
    Ok(())
}

fn leases(conn: &Connection, mutable: bool, index: [u8; 16]) -> Done<Vec<Lease>> {
    let sql = "SELECT mutable, bucket, number, renew, cancel, renewed, expires FROM lease
        WHERE mutable = ?1 AND bucket = ?2 ORDER BY number, no";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![mutable, index])?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        leases.push(lease(row)?);
    }
    Ok(leases)
}

/// Calls `each` with every lease, in the order in which they were added.
pub(super) fn each_lease(conn: &Connection, mut each: impl FnMut(Lease) -> Done<()>) -> Done<()> {
    let mut statement =
        conn.prepare("SELECT mutable, bucket, number, renew, cancel, renewed, expires FROM lease ORDER BY no")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(lease(row)?)?;
    }
    Ok(())
}

fn lease(row: &Row<'_>) -> Done<Lease> {
    Ok(Lease {
        share: share(row)?,
        renew: get(row, 3)?,
        cancel: get(row, 4)?,
        renewed: get(row, 5)?,
        expires: get(row, 6)?,
    })
}

fn over(conn: &Connection, ended: Ended, after: Option<ShareKey>, limit: usize) -> Done<Vec<ShareKey>> {
    let (column, before) = match ended {
        Ended::Expired(second) => ("expires", second),
        Ended::RenewedBefore(second) => ("renewed", second),
    };
    let sql = format!(
        "SELECT mutable, bucket, number FROM lease WHERE (mutable, bucket, number) > (?1, ?2, ?3)
        GROUP BY mutable, bucket, number HAVING max({column}) < ?4 ORDER BY mutable, bucket, number LIMIT ?5"
    );
    let (mutable, bucket, from) = match after {
        None => (-1, [0; 16], -1),
        Some(share) => (i64::from(share.mutable), share.index, i64::from(share.number)),
    };
    let mut statement = conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![mutable, bucket, from, before, limit])?;
    let mut shares = Vec::new();
    while let Some(row) = rows.next()? {
        shares.push(share(row)?);
    }
    Ok(shares)
}

/// See [`Ledger::advise`].
pub(super) fn advise(conn: &Connection, advisory: &Advisory, most: u64) -> Done<()> {
    let share = &advisory.share;
    let sql = "INSERT INTO advisory (mutable, bucket, number, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
    conn.prepare_cached(sql)?.execute(params![
        share.mutable,
        share.index,
        share.number,
        advisory.reason,
        advisory.at
    ])?;
    let sql = "DELETE FROM advisory WHERE no <= (SELECT max(no) FROM advisory) - ?1";
    conn.prepare_cached(sql)?
        .execute(params![i64::try_from(most).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// See [`Ledger::advisories`].
pub(super) fn advisories(conn: &Connection) -> Done<Vec<Advisory>> {
    let mut statement = conn.prepare_cached("SELECT mutable, bucket, number, reason, at FROM advisory ORDER BY no")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Advisory {
            share: share(row)?,
            reason: get(row, 3)?,
            at: get(row, 4)?,
        });
    }
    Ok(found)
}

/// The first three columns.
fn share(row: &Row<'_>) -> Done<ShareKey> {
    Ok(ShareKey {
        mutable: get(row, 0)?,
        index: get(row, 1)?,
        number: number(row, 2, "a share number")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::id::SetId;

    fn share(number: u8) -> ShareKey {
        ShareKey {
            mutable: false,
            index: [7; 16],
            number,
        }
    }

    fn lease(number: u8, renew: u8, renewed: i64) -> Lease {
        Lease {
            share: share(number),
            renew: [renew; 32],
            cancel: [0; 32],
            renewed,
            expires: renewed + 100,
        }
    }

    #[tokio::test]
    async fn a_lease_is_added_once_and_never_ends_earlier_than_it_did() {
        let books = SqliteCatalog::inline(SetId([1; 16])).unwrap();
        let (first, second) = (lease(3, 1, 50), lease(3, 2, 40));
        books
            .enter(vec![Entry::Keep(first), Entry::Keep(second)])
            .await
            .unwrap();
        books
            .enter(vec![Entry::Keep(lease(3, 1, 20)), Entry::Keep(lease(3, 2, 60))])
            .await
            .unwrap();
        let kept = books.leases(false, [7; 16]).await.unwrap();
        assert_eq!(kept, [first, lease(3, 2, 60)]);
        assert_eq!(books.leases(true, [7; 16]).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_share_has_ended_when_its_last_lease_has() {
        let books = SqliteCatalog::inline(SetId([1; 16])).unwrap();
        let leases = [lease(1, 1, 0), lease(1, 2, 500), lease(2, 1, 0), lease(4, 1, 10)];
        books.enter(leases.map(Entry::Keep).to_vec()).await.unwrap();
        let all = books.ended(Ended::Expired(111), None, 9).await.unwrap();
        assert_eq!(all, [share(2), share(4)]);
        assert_eq!(
            books.ended(Ended::Expired(111), Some(share(2)), 9).await.unwrap(),
            [share(4)]
        );
        assert_eq!(
            books.ended(Ended::RenewedBefore(10), None, 1).await.unwrap(),
            [share(2)]
        );
        books.enter(vec![Entry::Forget(share(2))]).await.unwrap();
        assert_eq!(books.ended(Ended::RenewedBefore(10), None, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn advisories_are_kept_once_and_the_oldest_go() {
        let books = SqliteCatalog::inline(SetId([1; 16])).unwrap();
        let advisory = |number, at| Advisory {
            share: share(number),
            reason: "bad hash".to_owned(),
            at,
        };
        for (number, at) in [(1, 1), (2, 2), (1, 9), (3, 3)] {
            books.advise(advisory(number, at), 2).await.unwrap();
        }
        assert_eq!(books.advisories().await.unwrap(), [advisory(2, 2), advisory(3, 3)]);
    }
}
