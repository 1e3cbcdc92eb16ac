//! Compares the node's secrets under valgrind, for `fixtures/tahoe/constant_time.py`: it tells where secrets lie, waits until they are marked, compares, tells where
//! the answers lie, waits until those are unmarked, and only then looks at them.

#![expect(clippy::print_stdout, reason = "it talks to a script")]

use std::io::BufRead;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use raic::node::secret::{Hashed, Pass, Purpose};

/// Tells where a value lies, and waits for a line.
fn show<T>(what: &str, value: &T) {
    println!("{what} {value:p} {}", size_of_val(value));
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .expect("the script answers");
}

/// The headers of somebody with this swissnum.
fn headers(swissnum: &str) -> HeaderMap {
    let pass = format!("Tahoe-LAFS {}", data_encoding::BASE64.encode(swissnum.as_bytes()));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&pass).expect("base64 is a header"))])
}

fn main() {
    let (right, wrong) = (headers("opensesame"), headers("opensesamf"));
    let pass = Box::new(Pass::of("opensesame"));
    show("secret", pass.as_ref());
    let mut answers = Box::new([false; 6]);
    answers[0] = pass.check(&right).is_ok();
    answers[1] = pass.check(&wrong).is_ok();
    for (at, purpose) in [(2, Purpose::WriteEnabler), (4, Purpose::Upload)] {
        let kept = Box::new(Hashed::of(purpose, b"kept"));
        show("secret", kept.as_ref());
        answers[at] = kept.is(&Hashed::of(purpose, b"kept"));
        answers[at + 1] = kept.is(&Hashed::of(purpose, b"other"));
    }
    show("answers", answers.as_ref());
    assert_eq!(*answers, [true, false, true, false, true, false]);
    println!("done");
}
