"""The plain-text record at the front of every package: what this is, for who finds it in 2060."""

README = b"""\
This is an .mlpkg package, version 1: an archive of a machine-learning model or a run, with the
files, parameters, metrics and labels that belong to it. It was written by mlarchive
(Apache-2.0). `mlarchive show`, `verify` and `extract` read it.

To read it without that program (all numbers little-endian, all digests SHA-256):

1.  The last 192 bytes are the trailer. Its first u64 is the offset of the index record, its
    second the length of the index. Skip the index record's 96 bytes of header.
2.  The index begins with 8 bytes of magic and three u32: numbers of rows, objects and extents; in
    all 64 bytes. Then come the tables.
    A row has 96 bytes: u64 offset of a record, u64 stored length, u64 raw length, u8 type (1 this
    text, 2 chunk, 3 content, 4 state, 5 evidence), u8 codec, u8 elem, u8 0, u32 unused, 32 bytes
    digest of the raw bytes, 32 bytes digest of the stored bytes.
    An object has 48 bytes: 32 bytes digest, u64 size, u32 first extent, u32 number of extents.
    An extent has 12 bytes: u32 row, u32 offset within the raw chunk, u32 length.
3.  A record is 96 bytes of header, then the stored bytes. Codecs: 0 as it is; 1 one zstd frame
    (RFC 8878); 2 and 3 byte planes of elements of `elem` bytes: `elem` u32 lengths, then that many
    planes, each as it is if its length equals the number of elements, else a zstd frame; byte k of
    element i is byte i of plane k; for codec 2 rotate each element right by one bit afterwards;
    bytes that do not fill an element follow. 255: the chunk is in another package.
4.  The content, state and evidence documents are JSON. Content lists the files with path, size
    and SHA-256; the object with that digest, made of its extents one after another, is the file.
    Metric series are objects too: int64 steps, int64 timestamps (ms), float64 values, three
    columns of the same length one after another.

The full specification is spec/mlpkg-1.md in the source of mlarchive.
"""
