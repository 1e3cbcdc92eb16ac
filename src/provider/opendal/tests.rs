//! The adapter on a disk, and against a server of our own that answers what real ones do on bad days.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::FixedClock;
use crate::provider::conformance::{self, Options};
use crate::provider::probe::{self, Creation, Finding};
use crate::provider::{Class, Operation, ProviderError};

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

#[test]
fn a_body_has_time_by_its_length() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts.deadline(0), Duration::from_mins(1));
    assert_eq!(timeouts.deadline(8 << 20), Duration::from_secs(188));
}

#[test]
fn a_spec_shows_no_value() {
    let options = BTreeMap::from([("password".to_owned(), "hunter2".to_owned())]);
    let shown = format!("{:?}", Spec::new("p", "webdav", options));
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_cannot_be_opened_says_what_was_meant() {
    let refused = open(&Spec::new("p", "memroy", BTreeMap::new())).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "provider p: no scheme `memroy`; did you mean `memory`?"
    );
}

#[test]
#[cfg(feature = "providers-core")]
fn what_opendal_refuses_is_told_without_secrets() {
    let options = BTreeMap::from([
        ("bucket".to_owned(), String::new()),
        ("secret_access_key".to_owned(), "hunter2hunter2".to_owned()),
    ]);
    let refused = open(&Spec::new("p", "s3", options)).unwrap_err().to_string();
    assert!(refused.contains("bucket") && !refused.contains("hunter2"), "{refused}");
}

// ── on a disk ──

fn disk(root: &Path) -> Arc<Remote> {
    let spec = Spec::new("disk", "fs", options(&[("root", root.to_str().unwrap())]));
    Arc::new(Remote::open(&spec).unwrap())
}

/// Every file below `root`, by its path from there.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_passes_the_suite_and_is_empty_afterwards() {
    let root = tempfile::tempdir().unwrap();
    let checks = conformance::run(disk(root.path()), "suite/", &Options::default()).await;
    conformance::assert_passed(&checks, &[]);
    assert_eq!(files(root.path()), Vec::<String>::new());
}

#[test]
fn a_call_is_given_up_from_outside_only_after_all_its_steps() {
    let timeouts = Timeouts::default();
    let steps = |len| timeouts.deadline(len) + 4 * timeouts.deadline(0);
    let patience = timeouts.patience();
    assert!(patience.base > steps(0) && patience.slowest < timeouts.slowest);
}

#[tokio::test]
async fn the_memory_of_opendal_passes_the_suite() {
    let memory = connect(&Spec::new("m", "memory", BTreeMap::new()), Retry::default(), 1).unwrap();
    let checks = conformance::run(memory, "suite/", &Options::default()).await;
    conformance::assert_passed(&checks, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_of_a_disk_tells_what_a_disk_does() {
    let root = tempfile::tempdir().unwrap();
    let found = probe::probe(disk(root.path()), "probe/", &FixedClock::at(7_000_000_000)).await;
    for finding in [
        &found.put,
        &found.get,
        &found.range,
        &found.list,
        &found.rename,
        &found.delete,
    ] {
        assert_eq!(*finding, Finding::Works, "{found:?}");
    }
    assert_eq!((found.scheme.as_str(), found.at, found.clock_skew_s), ("fs", 7, None));
    assert_eq!(found.create, Creation::Honoured);
    let seen = found.overwrite.unwrap();
    assert_eq!(seen.whole, seen.reads(), "{seen:?}");
    assert_eq!(files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn blobs_on_their_way_are_not_listed_and_no_keys() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    std::fs::create_dir(root.path().join("tmp")).unwrap();
    std::fs::write(root.path().join("tmp/left-over"), b"half a blob").unwrap();
    disk.put("a/b", Bytes::from_static(b"whole")).await.unwrap();
    let keys: Vec<String> = disk.list("").map(|entry| entry.unwrap().key).collect().await;
    assert_eq!(keys, ["a/b"]);
    assert_eq!(disk.get("tmp/left-over", 0..1).await.unwrap_err().class, Class::Config);
}

#[tokio::test]
async fn what_a_crash_left_is_swept_when_it_is_old() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    disk.put("a/b", Bytes::from_static(b"kept")).await.unwrap();
    let (old, young) = (root.path().join("tmp/old"), root.path().join("tmp/young"));
    std::fs::write(&young, b"half a blob").unwrap();
    std::fs::write(&old, b"half a blob").unwrap();
    let made = std::fs::metadata(&old).unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(made - Duration::from_hours(25)).unwrap();
    assert_eq!(disk.sweep(Duration::from_hours(24)).await.unwrap(), 1);
    assert_eq!(files(root.path()), ["a/b", "tmp/young"]);
}

#[tokio::test]
async fn a_put_that_fails_leaves_the_old_blob_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    disk.put("a/b", Bytes::from_static(b"old")).await.unwrap();
    // A blob where the new one needs a folder.
    let failed = disk.put("a/b/c", Bytes::from_static(b"new")).await.unwrap_err();
    assert_eq!(failed.class, Class::Config, "{failed}");
    assert_eq!(files(root.path()), ["a/b"]);
}

#[tokio::test]
async fn a_disk_that_was_taken_away_is_not_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    let disk = disk(root.path());
    disk.put("a/b", Bytes::from_static(b"x")).await.unwrap();
    drop(root);
    for class in [
        disk.get("a/b", 0..1).await.unwrap_err().class,
        disk.stat("a/b").await.unwrap_err().class,
        disk.stat("never").await.unwrap_err().class,
        disk.delete("a/b").await.unwrap_err().class,
        disk.put("a/b", Bytes::from_static(b"x")).await.unwrap_err().class,
        disk.list("").next().await.unwrap().unwrap_err().class,
    ] {
        assert_eq!(class, Class::Config);
    }
}

#[tokio::test]
async fn a_name_too_long_for_a_disk_is_not_worth_a_retry() {
    let root = tempfile::tempdir().unwrap();
    let failed = disk(root.path())
        .put(&"x".repeat(300), Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!(failed.class, Class::Config, "{failed}");
}

#[tokio::test]
async fn a_key_that_opendal_would_change_is_refused() {
    let memory = open(&Spec::new("m", "memory", BTreeMap::new())).unwrap();
    for key in ["", "/a", "a/", "a//b", " a", "a\n", "a/../b", "./a"] {
        assert_eq!(memory.stat(key).await.unwrap_err().class, Class::Config, "{key:?}");
        assert_eq!(
            memory.put(key, Bytes::from_static(b"x")).await.unwrap_err().class,
            Class::Config,
            "{key:?}"
        );
    }
}

// ── against a server of our own ──

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG";

/// One request's first line and headers, in lower case.
type Head = String;

/// A server that answers every request by `answer`, counts them, and closes the connection after each.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<Head>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut stream = stream;
                    let head = head(&mut stream).await;
                    seen.lock().unwrap().push(head.clone());
                    let bytes = answer(&head);
                    let hangs = bytes.is_empty() || bytes.ends_with(b"<hang>");
                    let bytes = bytes.strip_suffix(b"<hang>").unwrap_or(&bytes);
                    stream.write_all(bytes).await.unwrap_or_default();
                    stream.flush().await.unwrap_or_default();
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Server { address, heads }
    }

    fn s3(&self) -> Arc<Remote> {
        let mut spec = Spec::new(
            "s3",
            "s3",
            options(&[
                ("endpoint", &self.address),
                ("region", "us-east-1"),
                ("bucket", "b"),
                ("access_key_id", "AKIDEXAMPLE"),
                ("secret_access_key", SECRET),
            ]),
        );
        spec.timeouts.idle = Duration::from_millis(400);
        Arc::new(Remote::open(&spec).unwrap())
    }

    fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

/// Reads a request with its body away, so that closing does not reset the connection.
async fn head(stream: &mut TcpStream) -> Head {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let mut want = None;
    loop {
        let n = stream.read(&mut piece).await.unwrap_or_default();
        bytes.extend_from_slice(&piece[..n]);
        if want.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            want = Some((head.clone(), end + 4 + len.map_or(0, |len| len.parse().unwrap())));
        }
        if let Some((head, want)) = &want
            && (bytes.len() >= *want || n == 0)
        {
            return head.clone();
        }
        if n == 0 {
            return String::new();
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    let date = "Date: Thu, 01 Jan 1970 00:01:40 GMT";
    format!("HTTP/1.1 {status}\r\n{date}\r\nConnection: close\r\n{headers}Content-Length: {len}\r\n\r\n{body}")
        .into_bytes()
}

fn s3_error(status: &str, code: &str) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>told</Message></Error>");
    answer(status, "x-debug: header dump\r\n", &body)
}

async fn get_error(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> ProviderError {
    Server::start(answer).await.s3().get("a/b", 0..1000).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_is_classed_by_what_came_over_the_wire() {
    for (status, code, class) in [
        ("404 Not Found", "NoSuchKey", Class::Gone),
        ("404 Not Found", "NoSuchBucket", Class::Config),
        ("403 Forbidden", "RequestTimeTooSkewed", Class::Clock),
        ("403 Forbidden", "AccessDenied", Class::Denied),
        ("401 Unauthorized", "", Class::Denied),
        ("503 Service Unavailable", "SlowDown", Class::Throttled),
        ("429 Too Many Requests", "", Class::Throttled),
        ("500 Internal Server Error", "InternalError", Class::Transient),
        ("502 Bad Gateway", "", Class::Transient),
        ("507 Insufficient Storage", "", Class::Full),
        ("501 Not Implemented", "NotImplemented", Class::Unsupported),
        ("400 Bad Request", "InvalidArgument", Class::Config),
        ("416 Range Not Satisfiable", "InvalidRange", Class::Corrupt),
    ] {
        let error = get_error(move |head| {
            // The bucket is there, if anybody asks.
            if head.starts_with("get /b?") {
                answer("200 OK", "", LISTING)
            } else {
                s3_error(status, code)
            }
        })
        .await;
        assert_eq!(error.class, class, "{status} {code}: {error}");
    }
}

const LISTING: &str = "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";

#[tokio::test]
async fn a_message_has_no_secret_no_query_and_no_headers() {
    let error = get_error(|_| {
        let body = format!("<Error><Code>AccessDenied</Code><Message>{SECRET} at http://h/p?X-Amz-Signature=12ab is wrong</Message></Error>");
        answer("403 Forbidden", "x-debug: header dump\r\n", &body)
    })
    .await;
    assert_eq!(error.message, "403 Forbidden: AccessDenied: *** at http://h/p is wrong");
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_blob_even_without_words() {
    // HEAD has no body; only the listing tells.
    for (bucket, class) in [(true, Class::Gone), (false, Class::Config)] {
        let server = Server::start(move |head| {
            if head.starts_with("head ") || head.starts_with("delete ") {
                answer("404 Not Found", "", "")
            } else if bucket {
                answer("200 OK", "", LISTING)
            } else {
                s3_error("404 Not Found", "NoSuchBucket")
            }
        })
        .await;
        assert_eq!(server.s3().stat("a/b").await.unwrap_err().class, class);
        assert_eq!(
            server.s3().delete("a/b").await.map_err(|error| error.class),
            if bucket { Ok(()) } else { Err(class) }
        );
    }
}

#[tokio::test]
async fn a_bucket_that_was_seen_is_not_asked_for_again_at_once() {
    let server = Server::start(|head| {
        if head.starts_with("head ") {
            answer("404 Not Found", "", "")
        } else {
            answer("200 OK", "", LISTING)
        }
    })
    .await;
    let remote = server.s3();
    for _ in 0..5 {
        assert_eq!(remote.stat("a/b").await.unwrap_err().class, Class::Gone);
    }
    assert_eq!(server.requests(), 6);
}

#[tokio::test]
async fn bodies_of_another_length_are_corrupt_or_broken_off() {
    let kilo = "x".repeat(1000);
    let half = kilo[..500].to_owned();
    let partial = "Content-Range: bytes 0-999/5000\r\n";
    let cut = String::from_utf8(answer("206 Partial Content", partial, &kilo)).unwrap();
    let cut = cut[..cut.len() - 400].to_owned();
    let long = "x".repeat(100_000);
    for (what, bytes, classes) in [
        (
            "half with its own length",
            answer("206 Partial Content", partial, &half),
            vec![Class::Corrupt],
        ),
        ("cut off", cut.into_bytes(), vec![Class::Corrupt, Class::Transient]),
        (
            "range ignored",
            answer("200 OK", "", &kilo.repeat(5)),
            vec![Class::Corrupt],
        ),
        ("far too long", answer("200 OK", "", &long), vec![Class::Corrupt]),
    ] {
        let error = get_error(move |_| bytes.clone()).await;
        assert!(classes.contains(&error.class), "{what}: {:?} {error}", error.class);
    }
}

#[tokio::test]
async fn silence_ends_in_a_timeout_before_and_within_an_answer() {
    let begun =
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-999/5000\r\nContent-Length: 1000\r\n\r\nxxx<hang>";
    for bytes in [Vec::new(), begun.to_vec()] {
        let error = get_error(move |_| bytes.clone()).await;
        assert_eq!(error.class, Class::Timeout, "{error}");
    }
    let put = Server::start(|_| Vec::new())
        .await
        .s3()
        .put("a/b", Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!((put.class, put.operation), (Class::Timeout, Operation::Put));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let other = Server::start(|_| answer("200 OK", "", "trap")).await;
    // Same machine by another name: another host.
    let place = other.address.replace("127.0.0.1", "localhost");
    let error = get_error(move |_| answer("307 Temporary Redirect", &format!("Location: {place}/b/a\r\n"), "")).await;
    assert_eq!(error.class, Class::Config, "{error}");
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn nobody_there_is_transient_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server {
        address,
        heads: Arc::default(),
    };
    let error = server.s3().get("a/b", 0..1).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn the_services_clock_is_read_from_its_answers() {
    use crate::provider::probe::Behaviour;
    let server = Server::start(|_| s3_error("403 Forbidden", "AccessDenied")).await;
    let remote = server.s3();
    assert_eq!(remote.date(), None);
    remote.get("a/b", 0..1).await.unwrap_err();
    assert_eq!(remote.date(), Some(100));
}

#[tokio::test]
async fn one_put_is_one_request() {
    let server = Server::start(|_| answer("200 OK", "ETag: \"e\"\r\n", "")).await;
    let body = Bytes::from(vec![1; 6 << 20]);
    let stored = server.s3().put("a/b", body).await.unwrap();
    assert_eq!(stored.etag.as_deref(), Some("\"e\""));
    assert_eq!(server.requests(), 1);
    assert!(
        server.heads.lock().unwrap()[0].starts_with("put /b/a/b "),
        "{:?}",
        server.heads
    );
}
