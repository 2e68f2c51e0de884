"""The conformance corpus `spec/vectors`: how it is made.

python -m tests.compat.corpus            # rewrites spec/vectors
python -m tests.compat.corpus --check    # exits 1 where it is stale

Packages are made by `tests.compat.plainwriter` from the specification, and what is expected of a
reader is worked out from what went in, so that neither comes from a reader. Nothing depends on a
version of libzstd: frames are made by hand, or stand here as bytes.
"""
