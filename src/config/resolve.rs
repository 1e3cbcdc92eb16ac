//! Values that are kept elsewhere, fetched when they are needed: one provider's missing secret stops no other.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::cloud_set::{OptionValue, Profile, Reference};

use super::environment::Environment;
use super::error::{Fault, Whose};
use super::rights::{self, Demand, Refusal};
use super::secret::is_secret;

/// The longest value, in bytes: a service account of Google's is 2.5 KiB.
const MAX_VALUE: u64 = 64 << 10;

/// How long a program may take to print a value: a person may have to unlock a key.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// How often a program that has closed its output is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// What a provider is opened with.
#[derive(Clone)]
pub struct Resolved {
    /// By the service's words for them. Whatever was kept elsewhere is a secret here too, whether or not it had to be.
    options: BTreeMap<String, (Zeroizing<String>, bool)>,
}

impl Resolved {
    /// All options: name and value.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(name, (value, _))| (name.as_str(), value.as_str()))
    }

    /// The values that must never be shown, for those who redact messages.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.options
            .values()
            .filter(|(_, secret)| *secret)
            .map(|(value, _)| value.as_str())
    }
}

/// Names only for what is secret.
impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, (value, secret)): (_, &(Zeroizing<String>, bool))| {
            let value = if *secret { "[secret]" } else { value.as_str() };
            (name, value.to_owned())
        };
        f.debug_map().entries(self.options.iter().map(shown)).finish()
    }
}

/// Fetches all options of a provider; the name of the first that fails comes with its fault.
pub(super) fn resolve(profile: &Profile, whose: &Whose, env: &Environment) -> Result<Resolved, (String, Fault)> {
    let mut options = BTreeMap::new();
    for (name, value) in &profile.options {
        let secret = is_secret(&profile.scheme, name) || matches!(value, OptionValue::Reference(_));
        let value = match value {
            OptionValue::Literal(text) => Zeroizing::new(text.clone()),
            OptionValue::Reference(reference) => {
                fetch(reference, name, whose, env, COMMAND_LIMIT).map_err(|fault| (name.clone(), fault))?
            }
        };
        options.insert(name.clone(), (value, secret));
    }
    Ok(Resolved { options })
}

/// Fetches one value. Blocks while a program runs, at most `limit`.
pub(super) fn fetch(
    reference: &Reference,
    key: &str,
    whose: &Whose,
    env: &Environment,
    limit: Duration,
) -> Result<Zeroizing<String>, Fault> {
    match reference {
        Reference::Env(variable) => match env.get(variable) {
            Some(value) => Ok(Zeroizing::new(value.to_owned())),
            None => Err(Fault::EnvUnset {
                whose: whose.clone(),
                key: key.to_owned(),
                variable: variable.clone(),
            }),
        },
        Reference::File(path) => of_file(path, whose, env),
        Reference::Command(words) => run(words, limit).map_err(|why| Fault::SecretCommand {
            whose: whose.clone(),
            program: words.first().cloned().unwrap_or_default(),
            why,
        }),
    }
}

fn of_file(path: &Path, whose: &Whose, env: &Environment) -> Result<Zeroizing<String>, Fault> {
    let shown = env.shown(path);
    let unusable = |why: String| Fault::SecretFile {
        whose: whose.clone(),
        path: shown.clone(),
        why,
    };
    let text = rights::read(path, MAX_VALUE, Demand::Secret).map_err(|refusal| match refusal {
        Refusal::Unreadable(why) => unusable(why),
        Refusal::Open { mode, written } => Fault::OpenRights {
            path: shown.clone(),
            mode,
            written,
        },
    })?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.trim().is_empty() {
        return Err(unusable("it is empty".to_owned()));
    }
    Ok(Zeroizing::new(value.to_owned()))
}

/// What a program prints, trimmed. No shell, no input; what it says on its error output is not shown: nobody knows what is in it.
fn run(words: &[String], limit: Duration) -> Result<Zeroizing<String>, String> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => rights::reason(&error),
    })?;
    let answer = wait(&mut child, limit);
    if answer.is_err() {
        // It may have ended already; there is nothing to do about a failure.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (status, output) = answer?;
    if !status.success() {
        return Err(format!("it failed ({status}); run it by hand to see why"));
    }
    let text = std::str::from_utf8(&output).map_err(|_| "what it prints is not UTF-8 text")?;
    match text.trim() {
        "" => Err("it prints nothing".to_owned()),
        value => Ok(Zeroizing::new(value.to_owned())),
    }
}

type Answer = (std::process::ExitStatus, Zeroizing<Vec<u8>>);

/// Reads the output in a thread of its own, so that a program that neither prints nor ends cannot hold us.
fn wait(child: &mut Child, limit: Duration) -> Result<Answer, String> {
    let deadline = Instant::now() + limit;
    let late = || format!("no answer after {} s", limit.as_secs_f32());
    let output = child.stdout.take().expect("its output is piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        let read = output.take(MAX_VALUE + 1).read_to_end(&mut bytes);
        // Nobody waits any more if it was late.
        let _ = sender.send(read.map(|_| bytes));
    });
    let bytes = receiver.recv_timeout(limit).map_err(|_| late())?;
    let bytes = bytes.map_err(|error| rights::reason(&error))?;
    if bytes.len() as u64 > MAX_VALUE {
        return Err(format!("it prints more than {MAX_VALUE} bytes"));
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((status, bytes)),
            Ok(None) if Instant::now() >= deadline => return Err(late()),
            Ok(None) => std::thread::sleep(POLL),
            Err(error) => return Err(rights::reason(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn get(reference: &Reference) -> Result<String, Fault> {
        get_within(reference, COMMAND_LIMIT)
    }

    fn get_within(reference: &Reference, limit: Duration) -> Result<String, Fault> {
        let env = Environment::from_iter([("B2_KEY", "sesame"), ("EMPTY", "")]);
        fetch(reference, "application_key", &Whose::Set, &env, limit).map(|value| value.to_string())
    }

    fn command(words: &[&str]) -> Reference {
        Reference::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn why(fault: Fault) -> String {
        match fault {
            Fault::SecretCommand { why, .. } | Fault::SecretFile { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_variable_that_is_not_set_or_empty_is_named() {
        assert_eq!(get(&Reference::Env("B2_KEY".into())), Ok("sesame".into()));
        for name in ["NONE", "EMPTY"] {
            let fault = get(&Reference::Env(name.into())).unwrap_err();
            assert!(matches!(fault, Fault::EnvUnset { variable, .. } if variable == name));
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break_if_it_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "sesame\r\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(get(&Reference::File(path.clone())), Ok("sesame".into()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let fault = get(&Reference::File(path.clone())).unwrap_err();
        assert!(matches!(
            fault,
            Fault::OpenRights {
                mode: 0o644,
                written: false,
                ..
            }
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "\n").unwrap();
        assert_eq!(why(get(&Reference::File(path)).unwrap_err()), "it is empty");
    }

    #[test]
    fn a_program_runs_without_a_shell_and_its_output_is_trimmed() {
        assert_eq!(get(&command(&["echo", "  a; echo $HOME "])), Ok("a; echo $HOME".into()));
    }

    #[test]
    fn a_program_that_fails_hangs_prints_nothing_or_too_much_is_told_without_its_words() {
        for (words, told) in [
            (
                &["sh", "-c", "echo sesame >&2; exit 3"][..],
                "it failed (exit status: 3)",
            ),
            (&["true"], "it prints nothing"),
            (&["sleep", "1000"], "no answer after 0.1 s"),
            (&["sh", "-c", "exec >&-; exec sleep 1000"], "no answer after 0.1 s"),
            (&["yes", "sesame"], "it prints more than 65536 bytes"),
            (&["printf", "\\377"], "what it prints is not UTF-8 text"),
            (&["/no/such/program"], "there is no such program"),
        ] {
            let hangs = told.starts_with("no answer");
            let limit = if hangs {
                Duration::from_millis(100)
            } else {
                COMMAND_LIMIT
            };
            let why = why(get_within(&command(words), limit).unwrap_err());
            assert!(why.starts_with(told), "{words:?}: {why}");
            assert!(!why.contains("sesame"));
        }
    }
}
