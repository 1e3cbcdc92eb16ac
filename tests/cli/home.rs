//! A home of its own for each test, and the built program run in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What must never come out of the program, wherever it went in.
pub(crate) const CANARY: &str = "canary-5f1d-secret";

/// A temporary home, gone afterwards.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// How one run ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) err: String,
    line: String,
}

impl Run {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Run {
        assert_eq!(
            self.code, code,
            "{}\n--- out\n{}\n--- err\n{}",
            self.line, self.out, self.err
        );
        self
    }

    /// The lines of standard output as JSON.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

impl Home {
    /// An empty home.
    pub(crate) fn new() -> Home {
        Home {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A home after `raic init`.
    pub(crate) fn begun() -> Home {
        let home = Home::new();
        home.raic(&["init"]).ends(0);
        home
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path(".config/raic/config.yaml")
    }

    /// Where `init` puts the folder of a provider.
    pub(crate) fn disk(&self, number: usize) -> PathBuf {
        self.path(&format!(".local/share/raic/disk{number}"))
    }

    /// Writes a file below the home.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Changes the text of the configuration.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), change(text)).unwrap();
    }

    /// The program with a bare environment, in this home.
    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raic"));
        command
            .args(line)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TZ", "UTC");
        command.env("TMPDIR", self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn raic(&self, line: &[&str]) -> Run {
        run(self.command(line))
    }

    pub(crate) fn raic_with(&self, line: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command(line);
        command.envs(environment.iter().copied());
        run(command)
    }

    /// Runs with these bytes on standard input.
    pub(crate) fn raic_fed(&self, line: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(line);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        ended(&command, output)
    }

    /// Every file below the home with its bytes, in order: what may not change when something is refused.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        // A database's shared memory is not content, nor is a log without anything in it.
        files.retain(|(path, bytes)| {
            let name = path.to_string_lossy();
            let passing = name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty());
            !passing
        });
        files.sort();
        files
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            files.push((path, bytes));
        }
    }
}

fn run(mut command: Command) -> Run {
    let output = command.output().unwrap();
    ended(&command, output)
}

fn ended(command: &Command, output: Output) -> Run {
    use std::os::unix::process::ExitStatusExt;
    Run {
        code: output
            .status
            .code()
            .unwrap_or_else(|| -output.status.signal().unwrap_or(0)),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        raw: output.stdout,
        line: format!("{command:?}"),
    }
}

/// Data that tells a shifted byte from a right one: a ramp of 251.
pub(crate) fn ramp(len: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(len).collect()
}
