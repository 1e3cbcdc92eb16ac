//! The file with the set's key, and the sheet of paper that brings it back.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::cloud_set::{OptionValue, Profile};
use crate::fragment::secret::{Keys, SecretError, SetSecret};

use super::environment::Environment;
use super::error::Fault;
use super::rights::reason;
use super::show::without_query;

/// Letters of a group on the sheet: what an eye takes in at once.
const GROUP: usize = 5;

/// Groups of a line: 30 letters, so that the key is two lines.
const GROUPS_OF_A_LINE: usize = 6;

/// Columns of the sheet: a page in small print.
const SHEET_WIDTH: usize = 110;

/// What a key begins with, whatever its version.
const PREFIX: &str = "raic-key-";

/// Writes a new key file, for the owner alone, and makes sure of it. A file that is there is never touched.
pub fn create_key_file(path: &Path, secret: &SetSecret, env: &Environment) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::KeyFile {
        path: env.shown(path),
        why: match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                "it is there already, and a key that is overwritten takes all data with it".to_owned()
            }
            _ => reason(&error),
        },
    };
    let line = secret.to_text();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let written = file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(|error| {
            // A key that isn't whole must not look like one; that it stays is the lesser evil.
            let _ = std::fs::remove_file(path);
            failed(error)
        })
}

/// Makes sure that the name of a new file outlasts the power.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The recovery sheet: a page to print. `date` is written as it is; of the providers, names and what says where they are.
#[must_use]
pub fn recovery_sheet(secret: &SetSecret, date: &str, providers: &[Profile]) -> Zeroizing<String> {
    let mut sheet = Zeroizing::new(String::with_capacity(4096));
    let mut line = |text: &str| {
        sheet.push_str(text.trim_end());
        sheet.push('\n');
    };
    line("RAIC RECOVERY SHEET");
    line("");
    line("Whoever has this key and the accounts below can read everything in this cloud set; without it nobody can,");
    line("you included. Print it, keep it where neither fire nor thieves come, and not on one of these clouds.");
    line("");
    line(&format!("cloud set   {}", Keys::new(secret).set()));
    line(&format!("written     {date}"));
    line("");
    let text = secret.to_text();
    let (prefix, letters) = text.split_once(':').expect("the text of a key has a prefix");
    line(&format!("{prefix}:"));
    let groups: Vec<&[u8]> = letters.as_bytes().chunks(GROUP).collect();
    for groups in groups.chunks(GROUPS_OF_A_LINE) {
        let mut row = Zeroizing::new(String::from("   "));
        for group in groups {
            write!(row, " {}", String::from_utf8_lossy(group)).expect("a string takes everything");
        }
        line(&row);
    }
    line("");
    line(
        "To bring the set back: install RAIC, run `raic key import`, type the key (spaces, hyphens and capitals do not",
    );
    line(
        "matter), add the providers again under the same names, then run `raic recover`. A copy of config.yaml beside",
    );
    line("this sheet spares the adding; it holds no secret.");
    line("");
    line("providers   (their own secrets are not on this sheet)");
    for profile in providers {
        for row in rows_of(profile) {
            line(&row);
        }
    }
    sheet
}

/// A provider with its options that stand in the configuration; none of them is a secret.
fn rows_of(profile: &Profile) -> Vec<String> {
    let mut rows = vec![format!("    {:<16} {}", profile.name, profile.scheme)];
    for (option, value) in &profile.options {
        let OptionValue::Literal(value) = value else { continue };
        let word = format!("  {option}={}", without_query(value));
        match rows.last_mut() {
            Some(row) if row.chars().count() + word.chars().count() <= SHEET_WIDTH => row.push_str(&word),
            _ => rows.push(format!("{:21}{}", "", word.trim_start())),
        }
    }
    rows
}

/// Reads a key: alone, or out of its sheet, where it ends at the first blank line.
pub fn key_of_sheet(text: &str) -> Result<SetSecret, SecretError> {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let Some(start) = lower.find(PREFIX) else {
        return SetSecret::parse(text);
    };
    let mut key = Zeroizing::new(String::with_capacity(256));
    let lines = text[start..].lines().enumerate();
    for (_, line) in lines.take_while(|(number, line)| *number == 0 || !line.trim().is_empty()) {
        key.push_str(line);
        key.push('\n');
    }
    SetSecret::parse(&key)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret() -> SetSecret {
        SetSecret::new(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()))
    }

    fn sheet() -> Zeroizing<String> {
        let text = "version: 1
key: { file: ~/key }
providers:
  b2-eu: { scheme: b2, options: { bucket: photos, bucket_id: { env: SESAME }, root: a/quite/long/folder/so/that/the/row/breaks/before/it/reaches/the/edge } }
  s3-eu: { scheme: s3, options: { bucket: b, region: r, endpoint: 'https://s3.example/?sig=TULIP' } }
  nas: { scheme: fs, options: { root: /srv/raic } }
policies: { default: { k: 1, m: 1 } }
";
        let config = super::super::tests::read("config.yaml", text).unwrap();
        recovery_sheet(&secret(), "2026-11-22", &config.set.providers)
    }

    #[test]
    fn a_key_file_is_the_owners_alone_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let env = Environment::default();
        create_key_file(&path, &secret(), &env).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&path).unwrap();
        let other = SetSecret::new([9; 32]);
        assert!(matches!(
            create_key_file(&path, &other, &env),
            Err(Fault::KeyFile { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(key_of_sheet(std::str::from_utf8(&before).unwrap()).unwrap() == secret());
    }

    #[test]
    fn a_key_comes_back_from_its_sheet_however_it_was_typed() {
        let sheet = sheet();
        for typed in [
            sheet.to_string(),
            sheet.to_uppercase(),
            sheet.replace(' ', "  "),
            sheet.replace('\n', "\r\n"),
            secret().to_text().to_string(),
            format!("\n\n {}\n", *secret().to_text()),
            secret().to_text().replace('-', ""),
            secret().to_text().replace('-', " ").to_uppercase(),
        ] {
            assert!(key_of_sheet(&typed).is_ok_and(|key| key == secret()), "{typed}");
        }
    }

    #[test]
    fn one_wrong_letter_anywhere_on_the_sheet_is_noticed() {
        let sheet = sheet();
        let begin = sheet.find("raic-key-1:").unwrap() + "raic-key-1:".len();
        let end = begin + sheet[begin..].find("\n\n").unwrap();
        let mut letters = 0;
        for at in begin..end {
            if sheet.as_bytes()[at].is_ascii_whitespace() {
                continue;
            }
            letters += 1;
            let mut typed = sheet.to_string();
            let wrong = if &typed[at..=at] == "a" { "b" } else { "a" };
            typed.replace_range(at..=at, wrong);
            assert!(key_of_sheet(&typed).is_err(), "letter {letters}");
        }
        assert_eq!(letters, 58);
        assert!(key_of_sheet("no key here").is_err());
    }

    #[test]
    fn the_sheet_fits_a_page_and_a_terminal() {
        let sheet = sheet();
        assert!(sheet.lines().count() < 40);
        assert!(sheet.lines().all(|line| line.chars().count() <= 110), "{}", *sheet);
        let groups = sheet.lines().skip_while(|line| *line != "raic-key-1:").skip(1).take(2);
        let groups: Vec<&str> = groups.flat_map(str::split_whitespace).collect();
        assert!(
            sheet.contains("    nas              fs  root=/srv/raic\n"),
            "{}",
            *sheet
        );
        assert!(
            sheet.contains("bucket=photos") && !sheet.contains("SESAME"),
            "{}",
            *sheet
        );
        assert!(
            sheet.contains("endpoint=https://s3.example/?...") && !sheet.contains("TULIP"),
            "{}",
            *sheet
        );
        assert_eq!(groups.len(), 12);
        assert!(groups.iter().all(|group| group.len() <= GROUP));
    }
}
