"""Files in the format of age, version 1, written and read as streams (spec/secrecy.md)."""
