//! The messages held against ciborium, a second implementation of CBOR, and against hostile bytes.

use ciborium::Value;
use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn map(fields: &[(&str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(key, value)| (text(key), value.clone())).collect())
}

fn of_set(numbers: &[u64]) -> Value {
    Value::Tag(
        258,
        Box::new(Value::Array(numbers.iter().map(|n| Value::from(*n)).collect())),
    )
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn value(bytes: &[u8]) -> Value {
    ciborium::from_reader(bytes).unwrap()
}

#[test]
fn an_allocation_is_read_as_the_specification_has_it() {
    let body = bytes(&map(&[
        ("share-numbers", of_set(&[3, 0, 255, 3])),
        ("allocated-size", Value::from(77)),
    ]));
    let read = allocation(&body).unwrap();
    assert_eq!((read.numbers, read.size), ([0, 3, 255].into(), 77));
    let many: Vec<u64> = (0..257).map(|n| n % 256).collect();
    let size = ("allocated-size", Value::from(1));
    for bad in [
        map(&[("share-numbers", of_set(&[256])), size.clone()]),
        map(&[("share-numbers", of_set(&many)), size.clone()]),
        map(&[("share-numbers", Value::Array(vec![])), size.clone()]),
        map(&[("share-numbers", of_set(&[])), ("allocated-size", Value::from(-1))]),
        map(&[("share-numbers", of_set(&[]))]),
        map(&[("share-numbers", of_set(&[])), size.clone(), ("more", Value::Null)]),
        map(&[("share-numbers", of_set(&[])), size.clone(), size]),
        Value::Null,
    ] {
        assert!(allocation(&bytes(&bad)).is_err(), "{bad:?}");
    }
    let mut trailing = body;
    trailing.push(0);
    assert!(allocation(&trailing).is_err());
}

#[test]
fn a_reason_is_text_of_bounded_length() {
    let of = |reason: Value| advisory(&bytes(&map(&[("reason", reason)])));
    assert_eq!(of(text("bad \u{e4}")), Ok("bad \u{e4}".to_owned()));
    assert!(of(Value::Bytes(b"x".to_vec())).is_err());
    assert!(of(text("")).is_err());
    assert!(of(text(&"x".repeat(32_765))).is_ok());
    assert!(of(text(&"x".repeat(32_766))).is_err());
}

fn request(tests: usize, reads: usize, number: Value) -> Vec<u8> {
    let test = map(&[
        ("offset", Value::from(1)),
        ("size", Value::from(2)),
        ("specimen", Value::Bytes(b"ab".to_vec())),
    ]);
    let write = map(&[("offset", Value::from(9)), ("data", Value::Bytes(b"data".to_vec()))]);
    let read = map(&[("offset", Value::from(4)), ("size", Value::from(5))]);
    let share = map(&[
        ("test", Value::Array(vec![test; tests])),
        ("write", Value::Array(vec![write])),
        ("new-length", Value::Null),
    ]);
    bytes(&map(&[
        ("test-write-vectors", Value::Map(vec![(number, share)])),
        ("read-vector", Value::Array(vec![read; reads])),
    ]))
}

#[test]
fn a_read_test_write_is_read_with_its_bounds() {
    let read = read_test_write(&request(30, 30, Value::from(5)).into()).unwrap();
    let share = &read.shares[&5];
    assert_eq!((share.tests.len(), read.reads.len(), read.reads[0]), (30, 30, (4, 5)));
    assert_eq!(
        share.tests[0],
        Test {
            offset: 1,
            size: 2,
            specimen: Bytes::from_static(b"ab")
        }
    );
    assert_eq!(share.writes, [(9, Bytes::from_static(b"data"))]);
    assert!(read_test_write(&request(31, 0, Value::from(5)).into()).is_err());
    assert!(read_test_write(&request(0, 31, Value::from(5)).into()).is_err());
    for number in [Value::from(-1), Value::from(256), text("5"), Value::Null] {
        assert!(
            read_test_write(&request(0, 0, number.clone()).into()).is_err(),
            "{number:?}"
        );
    }
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    let nested = [vec![0x81; 100_000], vec![0xf6]].concat();
    let huge_array = [&b"\xa2\x72test-write-vectors\xa0\x6bread-vector\x9b"[..], &[0xff; 8]].concat();
    let huge_bytes = [&b"\xa1\x66reason\x7b"[..], &[0x7f; 8]].concat();
    let endless = b"\xbf\x66reason\x61x\xff".to_vec();
    for bomb in [nested, huge_array, huge_bytes, endless, Vec::new()] {
        assert!(allocation(&bomb).is_err() && advisory(&bomb).is_err());
        assert!(read_test_write(&bomb.into()).is_err());
    }
}

#[test]
fn the_version_message_has_byte_keys_and_no_more() {
    let told = version(&Version {
        longest_immutable: 5,
        longest_mutable: u64::MAX,
        space: 7,
    });
    let key = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let limits = Value::Map(vec![
        (key("maximum-immutable-share-size"), Value::from(5)),
        (key("maximum-mutable-share-size"), Value::from(u64::MAX)),
        (key("available-space"), Value::from(7)),
    ]);
    let wanted = Value::Map(vec![
        (key("http://allmydata.org/tahoe/protocols/storage/v1"), limits),
        (key("application-version"), key(APPLICATION)),
    ]);
    assert_eq!(value(&told), wanted);
}

#[test]
fn answers_are_what_the_specification_says() {
    let told = allocated(&Allocated {
        already_have: [1].into(),
        allocated: [2, 3].into(),
    });
    assert_eq!(
        value(&told),
        map(&[("already-have", of_set(&[1])), ("allocated", of_set(&[2, 3]))])
    );
    assert_eq!(value(&numbers(&[0, 255].into())), of_set(&[0, 255]));
    let told = written(&Written {
        required: vec![0..4, 7..u64::MAX],
    });
    let gap = |begin: u64, end: u64| map(&[("begin", Value::from(begin)), ("end", Value::from(end))]);
    assert_eq!(
        value(&told),
        map(&[("required", Value::Array(vec![gap(0, 4), gap(7, u64::MAX)]))])
    );
    let data = BTreeMap::from([(3, vec![Bytes::from_static(b"x"), Bytes::new()]), (4, Vec::new())]);
    let told = read_test_written(&ReadTestWritten { success: true, data });
    let entries = vec![
        (
            Value::from(3),
            Value::Array(vec![Value::Bytes(b"x".to_vec()), Value::Bytes(Vec::new())]),
        ),
        (Value::from(4), Value::Array(Vec::new())),
    ];
    assert_eq!(
        value(&told),
        map(&[("success", Value::Bool(true)), ("data", Value::Map(entries))])
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut body in prop::collection::vec(any::<u8>(), 0..200), at in 0..400_usize, byte: u8) {
        let _ = allocation(&body);
        let _ = advisory(&body);
        let mut valid = request(2, 2, Value::from(1));
        let at = at % valid.len();
        valid[at] = byte;
        let _ = read_test_write(&valid.into());
        body.insert(0, 0xa2);
        let _ = read_test_write(&body.into());
    }
}
