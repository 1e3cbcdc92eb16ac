//! The tables of `docs/format.md` against each other and against the golden blobs.

use super::super::header::Header;
use super::{Facts, Golden, hex};

/// The rows `| offset | bytes | field |` of the table in a section of the page.
fn table(section: &str) -> Vec<(usize, usize, String)> {
    let page = include_str!("../../../docs/format.md");
    let start = page.find(section).unwrap() + section.len();
    let rows = page[start..].lines().take_while(|line| !line.starts_with("## "));
    let cells = rows.filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (offset, bytes) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
        Some((offset, bytes, cells.next()?.trim_end_matches(" |").to_owned()))
    });
    cells.collect()
}

#[test]
fn the_pages_offsets_are_each_the_last_plus_its_length() {
    let whole = [("## 3.", 512), ("## 4.", 66), ("## 6.", 56), ("## 8.", 88)];
    for (section, len) in whole {
        let mut at = 0;
        for (offset, bytes, field) in table(section) {
            assert_eq!(offset, at, "{section} {field}");
            at += bytes;
        }
        assert_eq!(at, len, "{section}");
    }
}

#[test]
fn a_golden_header_has_each_field_where_the_pages_table_says() {
    let golden = Golden::read();
    for (facts, header, blob) in golden.fragments() {
        for (offset, bytes, field) in table("## 3.") {
            let name = field
                .trim_start_matches('`')
                .split(['`', ':', ',', ' '])
                .next()
                .unwrap();
            let value = match name {
                "zero" => vec![0; bytes],
                name => core_field(&golden, facts, &header, name, &blob)
                    .unwrap_or_else(|| panic!("the page has a field {field} that this test doesn't know")),
            };
            assert_eq!(blob[offset..offset + bytes], value[..], "{} {field}", facts.label);
        }
    }
}

/// What the field of this name holds, by the facts alone.
fn core_field(golden: &Golden, facts: &Facts, header: &Header, name: &str, blob: &[u8]) -> Option<Vec<u8>> {
    let tag_key = golden.keys.tag_key(facts.key_id).unwrap();
    Some(match name {
        "magic" => b"RAICFRG1".to_vec(),
        "format" => vec![1, 0],
        "header_len" => facts.header_len.to_le_bytes().to_vec(),
        "kind" => vec![header.kind as u8],
        "cipher" => vec![facts.cipher],
        "code" => vec![1],
        "k" => facts.k.to_le_bytes().to_vec(),
        "n" => facts.n.to_le_bytes().to_vec(),
        "quorum" => facts.quorum.to_le_bytes().to_vec(),
        "index" => header.index.to_le_bytes().to_vec(),
        "key" => facts.key_id.to_le_bytes().to_vec(),
        "chunk_len" => facts.chunk_len.to_le_bytes().to_vec(),
        "payload_len" => facts.payload_len.to_le_bytes().to_vec(),
        "extent" => hex::<16>(&facts.id).to_vec(),
        "set" => hex::<16>(&golden.index.set).to_vec(),
        "generation" => golden.generation(facts.epoch, facts.sequence).to_bytes().to_vec(),
        "copy" => header.copy.to_le_bytes().to_vec(),
        "group" => hex::<16>(&facts.group).to_vec(),
        "salt" => hex::<32>(&facts.salt).to_vec(),
        "commitment" => hex::<32>(&facts.commitment).to_vec(),
        "fragment_len" => facts.fragment_len.to_le_bytes().to_vec(),
        "core" => tag_key.hash(&[&blob[..480]]).as_bytes().to_vec(),
        _ => return None,
    })
}
