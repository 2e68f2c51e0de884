"""The places models live in: one module or folder per kind of registry, imported when used."""
