"""What grows and changes later under a number is no other content, dropped raw as well."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mlarchive.errors import ConflictError
from mlarchive.pack import content_id_of
from mlarchive.records import Run, Traces
from mlarchive.snapshot import Snapshot
from mlarchive.traces import Trace
from mlarchive.vault import Vault
from mlarchived.drop.taken import grown_of, require_free
from tests.support.snapshots import MODEL_FILES, model_version, pages_of


def with_traces(snapshot: Snapshot, *ids: str) -> Snapshot:
    """A version whose run has made traces."""
    run = next(record.key for record in snapshot.records if isinstance(record, Run))
    traces = [Trace(id=one) for one in ids]
    return replace(
        snapshot,
        records=(*snapshot.records, Traces(key="traces-1", run=run, count=len(ids))),
        streams=(*snapshot.streams, *pages_of("traces-1", traces)),
    )


def test_a_version_that_is_dropped_raw_with_more_traces_is_no_other_content(tmp_path: Path) -> None:
    version = model_version()
    with Vault.open(tmp_path) as vault:
        kept = vault.add(with_traces(version, "tr-1"), packed_at=0)
        again = with_traces(version, "tr-1", "tr-2")
        content_id = content_id_of(again)
        assert content_id != kept.content_id
        require_free(vault, kept.address, content_id, kept.content_id, partial(grown_of, again, 1))
        others = with_traces(version, "tr-2", "tr-3")
        content_id = content_id_of(others)
        with pytest.raises(ConflictError, match="it lacks some of them though"):
            require_free(
                vault, kept.address, content_id, kept.content_id, partial(grown_of, others, 1)
            )
        fewer = content_id_of(version)
        with pytest.raises(ConflictError, match="with 1 traces and 0 notebooks, and this has 0"):
            require_free(vault, kept.address, fewer, kept.content_id, partial(grown_of, version, 1))
        # What was packed before does not count in its place.
        vault.add(with_traces(version, "tr-1", "tr-2"), packed_at=3)
        require_free(vault, kept.address, fewer, kept.content_id, partial(grown_of, version, 2))
        # Nor does it come in silence, where it has what counts nowhere else.
        content_id = content_id_of(others)
        with pytest.raises(ConflictError, match="has others, and would not count"):
            require_free(
                vault, kept.address, content_id, kept.content_id, partial(grown_of, others, 2)
            )
        other = model_version(files={**MODEL_FILES, "more.txt": b"more"})
        with pytest.raises(ConflictError, match="with other content"):
            require_free(
                vault,
                kept.address,
                content_id_of(other),
                kept.content_id,
                partial(grown_of, other, 1),
            )
        vault.delete(kept.address, now=0)
        more = with_traces(version, "tr-1", "tr-2")
        with pytest.raises(ConflictError, match="no longer there to be compared"):
            require_free(
                vault,
                kept.address,
                content_id_of(more),
                kept.content_id,
                partial(grown_of, more, 1),
            )


def test_an_old_export_that_is_packed_again_does_not_count_in_place_of_more(tmp_path: Path) -> None:
    """Though the vault has its very content, from before."""
    version = model_version()
    with Vault.open(tmp_path) as vault:
        old = vault.add(version, packed_at=0)
        new = vault.add(with_traces(version, "tr-1"), packed_at=1)
        assert vault.find(address=old.address)[0].content_id == new.content_id
        for before in (old.content_id, new.content_id, ""):
            with pytest.raises(ConflictError, match="and this has 0"):
                require_free(
                    vault, old.address, old.content_id, before, partial(grown_of, version, 2)
                )
            # The same package again counts no more than it did.
            require_free(vault, old.address, old.content_id, before, partial(grown_of, version, 0))
