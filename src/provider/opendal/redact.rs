//! What may be said of an error: one sentence, no secret, no query of an address, no dump of headers.

use std::fmt;

use zeroize::Zeroizing;

/// The longest message in bytes: it stands in one line of a terminal or log, behind provider, call and key.
const LONGEST: usize = 300;

/// The shortest secret that is looked for; anything shorter would blot out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// The secrets of one provider, to keep them out of its messages.
#[derive(Clone, Default)]
pub(super) struct Redact(Vec<Zeroizing<String>>);

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redact({} secrets)", self.0.len())
    }
}

impl Redact {
    pub(super) fn new(secrets: impl IntoIterator<Item = Zeroizing<String>>) -> Redact {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .collect();
        // The longest first: a secret that contains another must not be left in pieces.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Redact(secrets)
    }

    /// `text` as one clean line of at most 300 bytes.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words: Vec<&str> = line.split_whitespace().map(without_query).collect();
        shorten(words.join(" "))
    }
}

/// A word up to the query of the address in it.
fn without_query(word: &str) -> &str {
    let Some(scheme) = word.find("://") else {
        return word;
    };
    match word[scheme..].find(['?', '#']) {
        Some(query) => &word[..scheme + query],
        None => word,
    }
}

fn shorten(mut text: String) -> String {
    if text.len() > LONGEST {
        let cut = (0..=LONGEST - 3)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        text.truncate(cut);
        text.push_str("...");
    }
    text
}

/// The sentence in a service's answer: the code and message that OpenDAL read out of it, or its text; nothing of a web page.
pub(super) fn sentence(answer: &str) -> String {
    let field = |name: &str| {
        let (_, rest) = answer.split_once(&format!("{name}: \""))?;
        let (value, _) = rest.split_once('"')?;
        (!value.is_empty()).then(|| value.trim_end_matches('.').to_owned())
    };
    match (field("code"), field("message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) if answer.trim_start().starts_with('<') => String::new(),
        (None, None) => answer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redact(secrets: &[&str]) -> Redact {
        Redact::new(secrets.iter().map(|secret| Zeroizing::new((*secret).to_owned())))
    }

    #[test]
    fn secrets_and_queries_are_cut_out() {
        let redact = redact(&["hunter2!", "hunter2!longer", "ab"]);
        for (text, clean) in [
            ("the key hunter2!longer is wrong", "the key *** is wrong"),
            ("at https://x.test/a?sig=abc&b=c failed", "at https://x.test/a failed"),
            ("two\nlines\tand  spaces", "two lines and spaces"),
            ("really? yes", "really? yes"),
            ("ab is too short to be one", "ab is too short to be one"),
        ] {
            assert_eq!(redact.clean(text), clean);
        }
    }

    #[test]
    fn an_answer_is_told_by_its_code_and_message() {
        for (answer, told) in [
            (
                r#"S3Error { code: "AccessDenied", message: "Access Denied.", resource: "/b/k", request_id: "" }"#,
                "AccessDenied: Access Denied",
            ),
            (r#"S3Error { code: "SlowDown", message: "", resource: "" }"#, "SlowDown"),
            ("<html><head><title>502</title></head></html>", ""),
            ("plain words", "plain words"),
        ] {
            assert_eq!(sentence(answer), told);
        }
    }

    proptest! {
        #[test]
        fn a_message_is_short_one_line_and_without_secret(text in ".{0,700}", at in 0_usize..700) {
            let mut text = text;
            let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            text.insert_str(at, "s3cr3t-value");
            let clean = redact(&["s3cr3t-value"]).clean(&text);
            prop_assert!(clean.len() <= LONGEST);
            prop_assert!(!clean.contains("s3cr3t-value"));
            prop_assert!(!clean.chars().any(char::is_control));
        }
    }
}
