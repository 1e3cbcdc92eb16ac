//! Compares the node's secrets under valgrind, for `fixtures/tahoe/constant_time.py`: it tells where secrets lie, waits until they are marked, compares, tells where
//! the answers lie, waits until those are unmarked, and only then looks at them.

#![expect(clippy::print_stdout, reason = "it talks to a script")]

use std::path::Path;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use raic::node::secret::{Hashed, Pass, Purpose};

/// Tells where a value lies, and turns round until there is a file of this number in the folder of the first argument: valgrind 3.19 can't mark memory of a program
/// that sleeps.
fn show<T>(what: &str, value: &T, number: u32) {
    println!("{what} {value:p} {}", size_of_val(value));
    let folder = std::env::args().nth(1).expect("a folder");
    let marked = Path::new(&folder).join(number.to_string());
    while !marked.exists() {
        (0..10_000).for_each(|_| std::hint::spin_loop());
    }
}

/// The headers of somebody with this swissnum.
fn headers(swissnum: &str) -> HeaderMap {
    let pass = format!("Tahoe-LAFS {}", data_encoding::BASE64.encode(swissnum.as_bytes()));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&pass).expect("base64 is a header"))])
}

fn main() {
    let (right, wrong) = (headers("opensesame"), headers("opensesamf"));
    let pass = Box::new(Pass::of("opensesame"));
    show("secret", pass.as_ref(), 0);
    let mut answers = Box::new([false; 6]);
    answers[0] = pass.check(&right).is_ok();
    answers[1] = pass.check(&wrong).is_ok();
    for (at, purpose, number) in [(2, Purpose::WriteEnabler, 1), (4, Purpose::Upload, 2)] {
        let kept = Box::new(Hashed::of(purpose, b"kept"));
        show("secret", kept.as_ref(), number);
        answers[at] = kept.is(&Hashed::of(purpose, b"kept"));
        answers[at + 1] = kept.is(&Hashed::of(purpose, b"other"));
    }
    show("answers", answers.as_ref(), 3);
    assert_eq!(*answers, [true, false, true, false, true, false]);
    println!("done");
}
