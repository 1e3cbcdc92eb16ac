//! Making a change: the verb, and its line in the journal, in one transaction.

use rusqlite::Connection;

use crate::catalog::change::Change;
use crate::catalog::record::Committed;

use super::fault::Done;
use super::{adopt, commit, fragment, generation, journal, ledger, write};

/// What a change answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It was made.
    Done,
    /// There was nothing to change.
    Nothing,
    /// A commit, made or not.
    Committed(Committed),
    /// A move that ended too late; its copy is doomed.
    Retired,
}

impl Made {
    /// True if the catalog is another one now.
    fn changed(self) -> bool {
        match self {
            Made::Done | Made::Retired => true,
            Made::Nothing => false,
            Made::Committed(committed) => matches!(committed, Committed::Now(_) | Committed::Overtaken(_)),
        }
    }

    /// The answer of a commit.
    pub(super) fn committed(self) -> Committed {
        match self {
            Made::Committed(committed) => committed,
            Made::Done | Made::Nothing | Made::Retired => unreachable!("only a commit is asked for its answer"),
        }
    }
}

/// Makes a change and notes it.
pub(super) fn make(conn: &Connection, change: &Change) -> Done<Made> {
    let made = carry_out(conn, change)?;
    if made.changed() {
        journal::note(conn, change)?;
    }
    Ok(made)
}

fn carry_out(conn: &Connection, change: &Change) -> Done<Made> {
    match change {
        Change::ClaimEpoch { epoch, writer } => generation::claim_epoch(conn, *epoch, *writer)?,
        Change::Intend { intent } => write::intend(conn, intent)?,
        Change::Commit { commit } => return commit::commit(conn, commit).map(Made::Committed),
        Change::Close { generation, doom_at } => write::close(conn, *generation, *doom_at)?,
        Change::SettleVoid {
            generation,
            void,
            fragments,
        } => write::settle_void(conn, *generation, *void, fragments)?,
        Change::Mark { fragments } => {
            let changed = fragment::mark(conn, fragments)?;
            return Ok(if changed { Made::Done } else { Made::Nothing });
        }
        Change::BeginMove { fragment } => write::begin_move(conn, fragment)?,
        Change::FinishMove { fragment, doom_at } => {
            return Ok(match write::finish_move(conn, fragment, *doom_at)? {
                write::Moved::Done => Made::Done,
                write::Moved::Retired => Made::Retired,
            });
        }
        Change::Deleted { fragments } => write::deleted(conn, fragments)?,
        Change::Postpone { fragments, again_at } => {
            let changed = fragment::postpone(conn, fragments, *again_at)?;
            return Ok(if changed { Made::Done } else { Made::Nothing });
        }
        Change::SetMembers { version, members } => write::set_members(conn, *version, members)?,
        Change::Adopt { found, now } => adopt::adopt(conn, found, *now)?,
        Change::AwaitProviders { waiting } => adopt::await_providers(conn, waiting)?,
        Change::LearnEpochs { epochs } => adopt::learn_epochs(conn, epochs)?,
        Change::Enter { entries } if entries.is_empty() => return Ok(Made::Nothing),
        Change::Enter { entries } => entries.iter().try_for_each(|entry| ledger::enter(conn, entry))?,
        Change::Advise { advisory, most } => ledger::advise(conn, advisory, *most)?,
    }
    Ok(Made::Done)
}
