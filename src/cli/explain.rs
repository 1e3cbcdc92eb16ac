//! What is behind each error code: for `raic help E####`. A test holds it complete.

/// Code, what it is, and what to do.
const CODES: &[(&str, &str, &str)] = &[
    (
        "E0001",
        "the command line is not understood",
        "raic VERB --help tells what a verb takes. Nothing was touched.",
    ),
    (
        "E0101",
        "a key of the configuration that nothing reads",
        "It is misspelt or stands in the wrong place; the error lists the keys that are valid there.",
    ),
    (
        "E0102",
        "the configuration is not readable as YAML",
        "Mend the line that the error shows. Values with `: ` or `#` need quotes.",
    ),
    (
        "E0103",
        "a value of the wrong kind",
        "The error says what is needed at that place.",
    ),
    (
        "E0104",
        "a value that cannot be",
        "It has the right kind, but is out of its bounds or not of the right form.",
    ),
    ("E0105", "a key that comes twice", "Keep one of the two."),
    (
        "E0106",
        "a key that is missing",
        "Add it; `raic config schema` prints all keys.",
    ),
    (
        "E0107",
        "a secret inside the configuration",
        "Secrets are kept in a file, a variable or a program: { file: PATH }, { env: NAME }, { command: [..] }.",
    ),
    (
        "E0108",
        "an unknown service",
        "`raic provider schemes` lists those of this build.",
    ),
    (
        "E0109",
        "a name that is not there",
        "No provider or policy of the configuration has it.",
    ),
    (
        "E0110",
        "an environment variable that is not set",
        "Set it, or keep the value in a file. The other providers work without it.",
    ),
    (
        "E0111",
        "a file with a value cannot be read",
        "It must be there, be yours and not be empty.",
    ),
    (
        "E0112",
        "a program that should print a value failed",
        "Run it by hand to see why.",
    ),
    ("E0113", "a file that others can read or change", "chmod go-rwx FILE."),
    (
        "E0114",
        "there is no configuration",
        "`raic init` writes one that works at once.",
    ),
    (
        "E0115",
        "a file or folder cannot be had",
        "The path is wrong, the rights are missing, or HOME is not set.",
    ),
    (
        "E0116",
        "a policy that cannot hold",
        "The error has the numbers: more providers, a smaller k or m, or a wider spread.",
    ),
    (
        "E0117",
        "an environment variable RAIC__... that sets nothing",
        "Unset it, or correct its name.",
    ),
    (
        "E0118",
        "a configuration of another version",
        "Use the RAIC that it was written for.",
    ),
    (
        "E0119",
        "a key file that cannot be written",
        "It is there already, or its folder cannot be written. A key is never replaced: it would take all its data with it.",
    ),
    (
        "E0120",
        "the configuration could not be changed",
        "The file is as it was.",
    ),
    (
        "E0121",
        "a password inside an address",
        "Give it as an option of its own, kept elsewhere.",
    ),
    (
        "E0122",
        "the set's key is not one",
        "What `key:` names gives something else. `raic key import` brings the key back from its recovery sheet; nothing can be read \
         without it.",
    ),
    (
        "E0201",
        "a name that no object can have",
        "1 to 1024 bytes of UTF-8 without control characters; parts divided by single `/`, none of them `.` or `..`.",
    ),
    (
        "E0202",
        "a range outside the object",
        "FROM-TO, both ends count, the first byte is 0.",
    ),
    ("E0203", "no such object", "`raic ls -r` lists all."),
    (
        "E0204",
        "the condition did not hold",
        "With --if-absent: an object of this name is there already, and is as it was.",
    ),
    (
        "E0205",
        "no place for all fragments",
        "Each of the k + m fragments needs a provider of its own that takes writes.",
    ),
    (
        "E0206",
        "a file cannot be read",
        "It is gone, not yours, or broke off while it was read. The object is as it was before.",
    ),
    (
        "E0207",
        "a folder without -r",
        "`raic put -r FOLDER` takes it with all that is in it.",
    ),
    (
        "E0208",
        "a file cannot be written",
        "It is there already (see --force), the folder is not yours, or the disk is full. No part of it is left.",
    ),
    (
        "E0209",
        "standard output cannot be written",
        "The disk behind it is full, or it was closed.",
    ),
    (
        "E0301",
        "a provider does not answer",
        "It was tried several times. Others go on without it; `raic status` contacts it again.",
    ),
    (
        "E0302",
        "a provider refuses the credentials",
        "They are unknown, expired, or may not do this.",
    ),
    (
        "E0303",
        "a provider's entry is wrong",
        "The bucket, host, path or an option: the server answers, but not for this.",
    ),
    (
        "E0304",
        "a provider is full",
        "Its account, disk or quota has no room; fragments go elsewhere.",
    ),
    (
        "E0305",
        "a provider asks to slow down",
        "RAIC waits by itself; `limits:` in the configuration keeps it from happening.",
    ),
    (
        "E0306",
        "the clocks differ",
        "This machine's clock and the provider's differ too much for a signature.",
    ),
    (
        "E0307",
        "a provider gave something else than was asked for",
        "What it gave is not used; fragments are read from others.",
    ),
    (
        "E0308",
        "the service cannot do this",
        "RAIC needs to put, get, list and delete blobs there.",
    ),
    (
        "E0309",
        "the data of another cloud set",
        "The bucket or folder belongs to another key. Nothing was written there.",
    ),
    (
        "E0310",
        "a provider of this set that the catalog does not know",
        "The catalog was lost or is older than the data. Nothing was written there.",
    ),
    (
        "E0311",
        "no member of this name",
        "It is in the configuration, but was never attached, or was declared lost already.",
    ),
    (
        "E0312",
        "a provider that still holds fragments",
        "Only one that is gone for good is taken out so: raic provider remove NAME --lost, then raic repair.",
    ),
    (
        "E0313",
        "no provider of this cloud set answers",
        "A rebuild needs one provider that holds this set's data. Nothing was changed.",
    ),
    (
        "E0314",
        "a provider that was not added",
        "It was tested first, and something that RAIC needs does not work. --no-test adds it all the same.",
    ),
    (
        "E0401",
        "not stored",
        "Too few providers confirmed their fragment; the object is as it was before.",
    ),
    (
        "E0402",
        "outcome unknown",
        "The old or the new version is the object, never a mix. The next put or rm decides it, once the providers answer.",
    ),
    (
        "E0403",
        "out of reach",
        "Too few providers answer to read it; nothing says that it is lost.",
    ),
    (
        "E0404",
        "lost",
        "Fewer than k sound fragments exist. Bring back a provider's data, or a copy of the file.",
    ),
    (
        "E0405",
        "too few members answer",
        "To write, more than half of the providers have to answer.",
    ),
    (
        "E0406",
        "an old catalog",
        "The providers know more than the catalog does: it was restored from a copy (raic recover), or another machine writes.",
    ),
    (
        "E0407",
        "something does not fit together",
        "Authentic data that makes no sense: please report it.",
    ),
    (
        "E0408",
        "this machine computed wrongly",
        "What was coded did not verify, so nothing was sent. Test the memory.",
    ),
    (
        "E0409",
        "not decided since the rebuild",
        "Too few of the object's providers answered to raic recover. Run it again when they do.",
    ),
    (
        "E0410",
        "too few providers to rebuild from",
        "A newer version or a removal could lie on those that are silent. --accept-risk goes on without them.",
    ),
    (
        "E0501",
        "the catalog cannot be read or written",
        "A full disk or missing rights in the state folder (raic config path).",
    ),
    (
        "E0502",
        "the catalog is damaged",
        "Move it away and bring back a copy. The data on the providers is not touched.",
    ),
    ("E0503", "a catalog of a newer RAIC", "Use that one."),
    (
        "E0504",
        "the key does not fit the catalog",
        "Each cloud set has its own key and its own state folder.",
    ),
    ("E0505", "another RAIC wrote meanwhile", "Run it again."),
    (
        "E0506",
        "a rule of the catalog was broken",
        "A fault of ours; nothing was changed. Please report it.",
    ),
    (
        "E0507",
        "another RAIC is writing",
        "One process writes at a time; run it again when that one has ended.",
    ),
    (
        "E0508",
        "the state folder cannot be used",
        "It must be yours and writable.",
    ),
    (
        "E0509",
        "a copy of the catalog does not fit",
        "A checkpoint or a piece of the journal is damaged, of another set, or the catalog was used apart from it. Nothing was changed.",
    ),
    (
        "E0601",
        "this is not a key",
        "A slip of the pen, most likely: the error says where.",
    ),
    (
        "E0602",
        "a file that is not replaced",
        "A key that is overwritten takes all its data with it: move the file away first.",
    ),
    (
        "E0603",
        "a cloud set without its key",
        "Its folders or its catalog are here, the key is not: bring the key back, or move them out of the way.",
    ),
    (
        "E0701",
        "the demonstration went wrong",
        "One of its steps did not do what it should: please report it with the output of raic -vv demo.",
    ),
    (
        "E0801",
        "the price catalog cannot be used",
        "The error tells file, line and column; docs/prices.md tells how a file of your own is written.",
    ),
    (
        "E0802",
        "no mix of services fits the wishes",
        "Ask for less, allow more services or a larger budget, or add prices that aren't known to prices.yaml.",
    ),
    (
        "E0803",
        "it could cost more than --max-cost allows",
        "Measure fewer sizes or fewer bytes, or allow more. Nothing was sent.",
    ),
    (
        "E0804",
        "a provider can't be measured",
        "It answers no call; raic provider test NAME tells more.",
    ),
    (
        "E0805",
        "a run of raic bench cannot be used",
        "It is no file that raic bench --out wrote, or of another version: measure again. Two runs are compared by the sizes and lanes that both have.",
    ),
    (
        "E0806",
        "it could cost more than --max-cost",
        "Allow more, do less of it, or tell what a provider bills with `cost:`. Nothing was asked of any provider.",
    ),
    (
        "E0851",
        "the node's folder cannot be used",
        "It must be yours and writable, and its key readable by you alone.",
    ),
    (
        "E0852",
        "the node cannot be started",
        "Another program listens there, most likely, or the address is not this machine's.",
    ),
    (
        "E0901",
        "a fault of ours",
        "Please report it. What was stored before is not touched.",
    ),
    (
        "E0902",
        "the system refuses threads or signals",
        "A limit of the machine or container is reached.",
    ),
];

/// All codes with their titles.
pub(crate) fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    CODES.iter().map(|(code, title, _)| (*code, *title))
}

/// The page of one code.
pub(crate) fn of(code: &str) -> Option<String> {
    let (code, title, text) = CODES.iter().find(|(known, _, _)| *known == code)?;
    Some(format!("{code}: {title}\n\n{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_once_and_in_order() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn every_code_that_the_source_names_is_explained() {
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for (at, _) in text.match_indices("\"E0") {
                    let code = &text[at + 1..at + 6];
                    if code[1..].bytes().all(|b| b.is_ascii_digit()) {
                        assert!(of(code).is_some(), "{code} in {}", path.display());
                    }
                }
            }
        }
    }
}
