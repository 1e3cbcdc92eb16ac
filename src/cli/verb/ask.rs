//! A question before something that can't be taken back.

use std::io::{BufRead, IsTerminal};

use super::super::Context;
use super::super::error::Failure;
use super::super::exit::Exit;

/// Asks on a terminal; elsewhere nobody is there to answer, and what was typed counts.
pub(crate) fn agreed(question: &str, context: &Context) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() || context.out.is_json() {
        return Ok(true);
    }
    context.out.aside(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(Exit::Failed, "E0206", format!("no answer could be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
