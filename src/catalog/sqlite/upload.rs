//! A node's uploads in the catalog's file: table `upload`, beside those of its other books.

use rusqlite::{Connection, params};

use crate::catalog::ledger::{ShareKey, Upload};

use super::column::{get, number};
use super::fault::Done;

/// The statements that add the table to a catalog.
pub(super) const TABLE: &str = include_str!("upload.sql");

/// See [`crate::catalog::ledger::Ledger::note_uploads`].
pub(super) fn note(conn: &Connection, ended: &[ShareKey], begun: &[Upload]) -> Done<()> {
    let mut statement = conn.prepare_cached("DELETE FROM upload WHERE bucket = ?1 AND number = ?2")?;
    for share in ended {
        statement.execute(params![share.index, share.number])?;
    }
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO upload VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for upload in begun {
        statement.execute(params![
            upload.share.index,
            upload.share.number,
            upload.size.cast_signed(),
            upload.secret,
            upload.renew,
            upload.cancel,
            upload.allocated,
            upload.touched
        ])?;
    }
    Ok(())
}

/// See [`crate::catalog::ledger::Ledger::uploads`].
pub(super) fn all(conn: &Connection) -> Done<Vec<Upload>> {
    let sql =
        "SELECT bucket, number, size, secret, renew, cancel, allocated, touched FROM upload ORDER BY bucket, number";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Upload {
            share: ShareKey {
                mutable: false,
                index: get(row, 0)?,
                number: number(row, 1, "a share number")?,
            },
            size: get::<i64>(row, 2)?.cast_unsigned(),
            secret: get(row, 3)?,
            renew: get(row, 4)?,
            cancel: get(row, 5)?,
            allocated: get(row, 6)?,
            touched: get(row, 7)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ledger::Ledger;
    use crate::catalog::sqlite::SqliteCatalog;
    use crate::fragment::id::SetId;

    fn upload(number: u8, size: u64) -> Upload {
        Upload {
            share: ShareKey {
                mutable: false,
                index: [7; 16],
                number,
            },
            size,
            secret: [1; 32],
            renew: [2; 32],
            cancel: [3; 32],
            allocated: 100,
            touched: 200,
        }
    }

    #[tokio::test]
    async fn an_upload_is_noted_once_and_forgotten_when_it_has_ended() {
        let books = SqliteCatalog::inline(SetId([1; 16])).unwrap();
        let first = vec![upload(0, 1), upload(255, u64::MAX)];
        books.note_uploads(Vec::new(), first.clone()).await.unwrap();
        assert_eq!(books.uploads().await.unwrap(), first);
        let later = Upload {
            touched: 300,
            secret: [9; 32],
            ..upload(255, 5)
        };
        let ended = vec![upload(0, 1).share, upload(9, 1).share, later.share];
        books.note_uploads(ended, vec![later]).await.unwrap();
        assert_eq!(
            books.uploads().await.unwrap(),
            [later],
            "it began again after it had ended"
        );
    }
}
