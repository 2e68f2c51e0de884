"""What a mirror has taken is owed to the mirror's targets from then on.

Written in the transaction that tells of it, since by the time a target that is slow, paused or
down plans anything, the source may show it no more and the vault may have been pruned.
"""

import sqlite3
import time
from collections.abc import Sequence

from msgspec import Struct

from mlarchive.records import Address
from mlarchived.views import VAULT, Ids

_IN_VAULT = """
INSERT INTO delivery (object, target, given_content_id, given_state_id, content_id, state_id,
    address, delivered_at)
VALUES (:id, :vault, :content, :state, :content, :state, :at, :now)
ON CONFLICT DO UPDATE SET given_content_id = :content, given_state_id = :state,
    content_id = :content, state_id = :state, address = :at, delivered_at = :now, pruned_at = NULL,
    owed_at = NULL
"""
_OWED = """
INSERT INTO delivery (object, target, owed_at) VALUES (:id, :target, :now)
ON CONFLICT DO UPDATE SET owed_at = :now
WHERE (given_content_id IS NOT :content OR given_state_id IS NOT :state)
    AND (passed_content_id IS NOT :content OR passed_state_id IS NOT :state)
"""
_HAS_IT = """
UPDATE delivery SET owed_at = NULL WHERE object = :id AND target = :target
    AND given_content_id = :content AND given_state_id = :state
"""
_THERE_AGAIN = """
INSERT INTO object (mirror, origin, kind, name, version)
VALUES (:mirror, :origin, :kind, :name, :version)
ON CONFLICT DO UPDATE SET present = 1, gone_at = NULL, gone_for = 0,
    seen_content_mark = NULL, seen_state_mark = NULL
WHERE present = 0
"""
_FIND = """
SELECT id FROM object WHERE mirror = :mirror AND origin = :origin AND kind = :kind
    AND name = :name AND version = :version
"""
_LOOK_ANEW = "UPDATE looked SET digest = '' WHERE mirror = ?"


DOUBTED = 0
"""Since when a target lacks what the vault had before the ledger began: nobody knows."""


class Given(Struct, frozen=True, kw_only=True):
    """What a mirror has taken.

    Attributes:
        address: The object.
        ids: What it is.
        at: Where its package lies in the mirror's vault; "" where it has none.
    """

    address: Address
    ids: Ids
    at: str


def give(connection: sqlite3.Connection, number: int, given: Given, targets: Sequence[str]) -> None:
    """Note in a transaction that the mirror has an object that targets are to get.

    Args:
        connection: In a transaction.
        number: The object's in the ledger.
        given: What it has.
        targets: Who is to get it; those that were given just that, or passed it over, do not.
    """
    values = {
        "id": number,
        "vault": VAULT,
        "content": given.ids.content,
        "state": given.ids.state,
        "at": given.at,
        "now": int(time.time() * 1000),
    }
    if given.at:
        connection.execute(_IN_VAULT, values)
    each = [values | {"target": target} for target in targets]
    connection.executemany(_OWED, each)
    # What was about to be packed was owed, and may be what a target was given before.
    connection.executemany(_HAS_IT, each)


def take_in(
    connection: sqlite3.Connection, mirror: str, taken: Sequence[Given], targets: Sequence[str]
) -> None:
    """Likewise of what no round of a mirror may have seen yet: the next one looks at all anew."""
    for given in taken:
        one = given.address
        key = {
            "mirror": mirror,
            "origin": one.origin,
            "kind": one.kind,
            "name": one.name,
            "version": one.version,
        }
        connection.execute(_THERE_AGAIN, key)
        (number,) = connection.execute(_FIND, key).fetchone()
        give(connection, number, given, targets)
    if taken:
        connection.execute(_LOOK_ANEW, (mirror,))
