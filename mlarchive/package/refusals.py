"""The registry of refusals: why a reader may refuse a package, each reason with its own code.

`spec/mlpkg-1.md` repeats this table, and a test keeps the two equal. A code is never reused; the
sentence of a `FormatError` adds where and what to the general sentence here.
"""

from collections.abc import Mapping
from types import MappingProxyType

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "E001": "the file does not begin with the magic bytes of a package",
        "E002": "the magic bytes were changed by a transfer in text mode",
        "E003": "the major version is not known",
        "E004": "an incompatible feature is not known",
        "E005": "the preamble is damaged, or a reserved byte of it is not zero",
        "E006": "the file does not end with a trailer: it is cut off, or bytes follow its end",
        "E007": "the trailer is damaged, or a reserved byte of it is not zero",
        "E008": "the length of the file is not the one its trailer states",
        "E009": "the trailer's offsets and lengths do not fit together",
        "E010": "package_id is not the digest of what it covers",
        "E011": "the signature area is neither zero nor a frame of signatures",
        "E012": "the index record's header does not fit the trailer",
        "E013": "the index does not have the digest that the trailer states",
        "E014": "the index's counts do not fit its length",
        "E015": "a number exceeds what the format or the operator allows",
        "E016": "the records do not cover the file exactly once, in order",
        "E017": "a record's type is not known and may not be skipped",
        "E018": "a row's codec, element size, flags, lengths or base do not fit together",
        "E019": "there is not exactly one of each document, or one is not what the trailer names",
        "E020": "the objects do not use the table of extents exactly once",
        "E021": "an extent lies outside its chunk, or names a record that is no chunk",
        "E022": "a chunk, or a part of one, belongs to no object and is no base",
        "E023": "a record's header does not equal its row in the index",
        "E024": "the padding after a record is not zero",
        "E025": "a record's stored bytes do not have the hash that the index states",
        "E026": "a zstd frame is not of the kind that the format allows",
        "E027": "a record's stored bytes cannot be decoded to the stated length",
        "E028": "a record's decoded bytes do not have the hash that index or header states",
        "E029": "an object's bytes do not have the digest that names it",
        "E030": "a document cannot be read",
        "E031": "a document is not in canonical form",
        "E032": "a reference, or the subject, names no record",
        "E033": "a document's format or a record's kind is not known",
        "E034": "the documents name more objects, or fewer, than the index has",
        "E035": "the documents state another size for an object than the index",
        "E036": "a file's path is not allowed",
        "E037": "two files' paths collide",
        "E038": "a record's entries are not sorted, or not unique",
        "E039": "a digest is not 64 lower-case hexadecimal digits, or a size is negative",
        "E040": "a base package holds an absent chunk with another length",
        "E041": "a metric series does not have its points in canonical order",
        "E042": "a checkpoint is not canonical, or says what index and documents do not",
        "E043": "the file is a volume, a part of a package",
    }
)
"""General sentence by code."""
