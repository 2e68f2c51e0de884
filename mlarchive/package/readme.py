"""The plain-text record at the front of every package: what this is, for who finds it in 2060."""

README = b"""\
This is an .mlpkg package, version 1: an archive of a machine-learning model or a run, with the
files, parameters, metrics and labels that belong to it. It was written by mlarchive
(Apache-2.0). `mlarchive show`, `verify`, `extract` and `repair` read it.

To read it without that program (all numbers are little-endian; hashes are BLAKE3, digests
SHA-256):

1.  The last 192 bytes are the trailer. Its first u64 is the offset of the index record, its
    second the stored length of it. A record is 96 bytes of header (byte 8 is its type, byte 9
    its codec, byte 10 elem, u64 at 16 the stored length, u64 at 24 the raw length, 32 bytes at
    32 the hash of the raw bytes), then the stored bytes, then zeros to a multiple of 64.
2.  Codecs: 0 as it is; 1 one zstd frame (RFC 8878); 2, 3 and 4 byte planes of elements of
    `elem` bytes: `elem` u32 lengths, then that many planes, each as it is if its length equals
    the number of elements, else a zstd frame; byte k of element i is byte i of plane k; bytes
    that do not fill an element follow. For codec 2 rotate each element right by one bit
    afterwards. (Elements are unsigned and little-endian.) For codec 4 turn each element z into
    z/2 if it is even and -(z+1)/2 if it is odd, and add the same element of the base chunk,
    modulo the element's size. 255: in another package.
3.  The decoded index begins with 8 bytes of magic and three u32: numbers r, m and e of rows,
    objects and extents; in all 64 bytes. Then come columns: of the rows, r each of u64 stored
    length, u64 raw length, u32 row of the base, u8 type (1 this text, 2 chunk, 3 content, 4
    state, 5 evidence, 128 and up: may be passed over), u8 codec, u8 elem, u8 0, 32 bytes hash
    of the raw bytes, 32 bytes hash of the stored bytes; of the objects, m of u32 number of
    extents; of the extents, e each of u32 row, u32 offset within the raw chunk, u32 length.
    Rows are records in the order of the file, the first at byte 64; after them those of codec
    255, which have no record. Objects take their extents one after another from the table.
4.  The content, state and evidence documents are JSON. Content is {"records":{KEY:{"files":
    [{"path":P,"sha256":D,"size":N},...],"metrics":[{"key":K,"points":N,"sha256":D},...]}}} and
    more. The objects are the distinct digests D: records by the bytes of their keys, of each
    the files and then the metrics, as listed; an object is its extents, one after another.
    Metric series are int64 steps, int64 timestamps (ms), float64 values, three columns of the
    same length one after another.

The full specification is spec/mlpkg-1.md in the source of mlarchive; spec/reader.py beside it
is a program of one file that reads packages.
"""
