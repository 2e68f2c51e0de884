"""The files of a model, with names and sizes that a careless copy loses."""

FILES = {
    "MLmodel": b"flavors:\n  python_function:\n    env: conda.yaml\n",
    ".gitignore": b"*.bin\n",
    ".amlignore": b"data\n",
    ".hidden": b"h",
    "empty": b"",
    "data/w\u00e4 1.bin": bytes(range(256)) * 300,
    "data/big.bin": bytes(range(251)) * 40_000,
}
