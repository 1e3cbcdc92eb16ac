#!/usr/bin/env python3
"""Writes the seeds of the corpus, `corpus/<target>/golden-*`, from the golden blobs: what each target makes of its input is told in its own file."""

import json
from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "fixtures/fragment/v1"
INDEX = json.loads((GOLDEN / "index.json").read_text())
KINDS = {"root-data": 1, "root-manifest": 2, "part": 3, "pack": 4, "tombstone": 5, "void": 6, "epoch": 9}


def seed(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"golden-{name}").write_bytes(data)


def le(size, *numbers):
    return b"".join(number.to_bytes(size, "little") for number in numbers)


def record(kind, value):
    return le(2, kind, len(value)) + value


def main():
    for extent in INDEX["extents"]:
        label, k, n = extent["label"], extent["k"], extent["n"]
        blob, payload = (GOLDEN / label / "0").read_bytes(), (GOLDEN / label / "payload").read_bytes()
        owner = record(1, extent["name"].encode()) + record(2, le(8, len(payload))) + record(16, b"slot")
        seed("header", label, blob[:480] + (owner if extent["owner"] else b""))
        generation = le(8, extent["epoch"], extent["sequence"]) + bytes.fromhex(INDEX["writer"])
        token = le(1, KINDS[extent["kind"]], 0, 0, k - 1, n - 1, extent["quorum"] - 1) + le(4, extent["fragment_len"])
        seed("key", label, bytes.fromhex(extent["group"]) + token + le(8, 1) + bytes.fromhex(extent["id"]) + generation)
        shape = le(1, k, n - k, extent["cipher"], 0, 0, 3, 0, 0) + le(2, extent["chunk_len"]) + le(4, len(payload))[:3]
        seed("frame", label, shape + le(2, 70) + le(1, 1) + payload[:600])
        if "manifest" in label:
            seed("manifest", label, payload)
    pack = (GOLDEN / "pack/payload").read_bytes()
    count, directory_len = pack[-52:-48], int.from_bytes(pack[-48:-44], "little")
    seed("pack", "pack", count[:2] + le(2, len(pack) - 64 - directory_len) + pack[:-64])
    seed("identity", "identity", bytes(4))
    membership = {key: INDEX["membership"][key] for key in ("version", "members", "keyring")}
    for path in sorted((HERE.parent / "fixtures/config/good").glob("*.yaml")):
        seed("config", path.stem, path.read_bytes())
    seed("identity", "membership", le(1, 3, 0, 0, 0) + json.dumps(membership, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
