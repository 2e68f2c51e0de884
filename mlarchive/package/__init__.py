"""The .mlpkg format: one module per section of `spec/mlpkg-1.md`, named as the spec names it."""
