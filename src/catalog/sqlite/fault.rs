//! What stops a verb inside the engine, before it is told to the caller.

use rusqlite::ErrorCode;

use crate::catalog::CatalogError;

/// What a function on a connection answers.
pub(super) type Done<T> = Result<T, Fault>;

/// Why a verb stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The answer is no: the verb leaves nothing behind, its neighbours in the transaction stay.
    Refused(CatalogError),
    /// A row contradicts itself or another. The verb leaves nothing behind, its neighbours stay.
    Damaged(String),
    /// The engine's own trouble.
    Engine(rusqlite::Error),
}

impl Fault {
    /// The caller did what this page forbids.
    pub(super) fn rule(message: impl Into<String>) -> Fault {
        Fault::Refused(CatalogError::Rule(message.into()))
    }

    /// True if nobody knows what a further write would do: the disk failed, is full or holds nonsense.
    pub(super) fn ends_writing(&self) -> bool {
        match self {
            Fault::Refused(_) | Fault::Damaged(_) => false,
            Fault::Engine(error) => {
                !is_bad_value(error) && error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation)
            }
        }
    }

    /// What the caller is told, for the database at `path`.
    pub(super) fn told(self, path: &str) -> CatalogError {
        match self {
            Fault::Refused(error) => error,
            Fault::Damaged(message) => damaged(path, &message),
            Fault::Engine(error) if is_damage(&error) => damaged(path, &error.to_string()),
            Fault::Engine(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                CatalogError::Rule(error.to_string())
            }
            Fault::Engine(error) => io(path, &error),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Engine(error)
    }
}

/// The file has to be replaced: what was found and what to do.
pub(super) fn damaged(path: &str, found: &str) -> CatalogError {
    CatalogError::Damaged {
        path: path.to_owned(),
        message: format!("{found}; move it aside and rebuild it from the clouds with `raic recover`"),
    }
}

/// The file could not be reached or written.
pub(super) fn io(path: &str, error: &impl ToString) -> CatalogError {
    CatalogError::Io {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

/// True if the file, or a row in it, is not as it was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) || is_bad_value(error)
}

/// A column of another type, length or range than it was written with.
fn is_bad_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    )
}
