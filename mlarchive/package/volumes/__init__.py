"""A stream in several files, each of which says what it is (spec/volumes.md)."""
