//! What an object may be called.

use super::error::StoreError;

/// The longest name, in bytes, as in `docs/format.md` 11.
pub const MAX_LEN: usize = 1024;

/// Checks a name that a person or client gave: 1 to 1024 bytes of UTF-8 without control characters. `/` is an ordinary character,
/// but a name must mean one path: no empty, `.` or `..` part, so that `get` can lay objects out as files.
pub fn check(name: &str) -> Result<(), StoreError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_LEN {
        "it is longer than 1024 bytes"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.split('/').any(str::is_empty) {
        "it begins or ends with `/` or has `//` in it"
    } else if name.split('/').any(|part| part == "." || part == "..") {
        "it has `.` or `..` as a part"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(80).collect();
    Err(StoreError::Name { name: shown, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_one_path_are_refused() {
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            "./a",
            "a\0b",
            "a\nb",
            &"x".repeat(1025),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "..a", "ä ö/ü", ".hidden", &"x".repeat(1024)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
