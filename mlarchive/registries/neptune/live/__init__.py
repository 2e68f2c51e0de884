"""A running server of Neptune 2.x, or one that is compatible, through the client `neptune` 1.14.

Only what lies below the client's objects is used of it: tokens, retries, sessions, the addresses
of operations, which it learns from the server. Its objects would each start threads, keep queues
on disk and ask for every attribute by itself (`spec/adr/0013-below-the-objects-of-neptune.md`).
"""

from mlarchive.registries.grammars import without_grammars

with without_grammars():
    from mlarchive.registries.neptune.live.registry import NeptuneRegistry

__all__ = ["NeptuneRegistry"]
