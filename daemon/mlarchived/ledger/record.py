"""What a holder of the lease writes into the ledger: each call one durable transaction."""

import sqlite3
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Ref
from mlarchived.ledger import moments
from mlarchived.ledger.drops import Drops
from mlarchived.ledger.lease import Lease
from mlarchived.ledger.moments import Moment
from mlarchived.ledger.taking import DOUBTED, Given, give
from mlarchived.views import VAULT, Before, Ids, Marks, Packed

_LOOKED = """
INSERT INTO object (mirror, origin, kind, name, version, seen_content_mark, seen_state_mark)
VALUES (:mirror, :origin, :kind, :name, :version, :content, :state)
ON CONFLICT DO UPDATE SET
    present = 1, gone_at = NULL, gone_for = 0,
    seen_content_mark = :content, seen_state_mark = :state
WHERE present = 0 OR seen_content_mark IS NOT :content OR seen_state_mark IS NOT :state
RETURNING id
"""
_THERE_BEFORE = """
INSERT INTO object (mirror, origin, kind, name, version, present, gone_at)
VALUES (:mirror, :origin, :kind, :name, :version, :present, :gone_at)
ON CONFLICT DO NOTHING RETURNING id
"""
_GIVEN_THEN = """
INSERT INTO delivery (object, target, given_content_id, given_state_id, content_id, state_id,
    pruned_at)
VALUES (:id, :target, :content, :state, :content, :state, :pruned_at)
"""
_DOUBTED = "INSERT INTO delivery (object, target, owed_at) VALUES (:id, :target, :at)"
_LOOKED_BEFORE = "SELECT digest FROM looked WHERE mirror = ?"
_LOOKED_LAST = """
INSERT OR REPLACE INTO looked (mirror, digest, at, boot, up, asked)
VALUES (:mirror, :digest, :at, :boot, :up, :asked)
"""
_LAST_MOMENT = "SELECT at, boot, up, asked FROM looked WHERE mirror = ?"
_ANY_GONE = "SELECT 1 FROM object WHERE mirror = ? AND present = 0 LIMIT 1"
_GONE_FOR_LONGER = """
UPDATE object SET gone_for = gone_for + :passed WHERE mirror = :mirror AND present = 0
"""
_GONE_ANEW = """
UPDATE object SET gone_for = 0, gone_at = :at WHERE mirror = :mirror AND present = 0
"""
_LOOKED_AT = """
UPDATE looked SET at = :at, boot = :boot, up = :up, asked = :asked WHERE mirror = :mirror
"""
_SHOWN_COLUMNS = ("origin", "kind", "name", "version", "content", "state")
_SHOWN_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS shown (
    origin TEXT, kind TEXT, name TEXT, version TEXT, content TEXT, state TEXT,
    PRIMARY KEY (origin, kind, name, version)
) WITHOUT ROWID
"""
_SHOWN_ANEW = """
SELECT s.origin, s.kind, s.name, s.version, s.content, s.state FROM shown s LEFT JOIN object o
    ON o.mirror = :mirror AND o.origin = s.origin AND o.kind = s.kind AND o.name = s.name
    AND o.version = s.version
WHERE o.id IS NULL OR o.present = 0
    OR o.seen_content_mark IS NOT s.content OR o.seen_state_mark IS NOT s.state
"""
_SHOWN_NO_MORE = """
UPDATE object SET present = 0, gone_at = :now, gone_for = 0, trouble = NULL, strikes = 0
WHERE mirror = :mirror AND present = 1 AND NOT EXISTS (
    SELECT 1 FROM shown s WHERE s.origin = object.origin AND s.kind = object.kind
        AND s.name = object.name AND s.version = object.version
)
"""
_TROUBLED_NO_MORE = """
UPDATE delivery INDEXED BY delivery_troubled SET trouble = NULL, strikes = 0, troubled_at = NULL
WHERE trouble IS NOT NULL AND EXISTS (
    SELECT 1 FROM object o WHERE o.id = delivery.object AND o.mirror = :mirror AND o.present = 1
        AND NOT EXISTS (
            SELECT 1 FROM shown s WHERE s.origin = o.origin AND s.kind = o.kind
                AND s.name = o.name AND s.version = o.version
        )
)
"""
_STOOD = """
INSERT INTO standing
    (mirror, target, looked_at, succeeded_at, objects, behind, trouble, left_alone, left_why,
    waiting, waiting_why)
VALUES
    (:mirror, :target, :now, :succeeded, :objects, :behind, :trouble, :left_alone, :left_why,
    :waiting, :waiting_why)
ON CONFLICT DO UPDATE SET looked_at = :now, objects = :objects, behind = :behind,
    trouble = :trouble, succeeded_at = coalesce(:succeeded, succeeded_at),
    left_alone = :left_alone, left_why = :left_why,
    waiting = :waiting, waiting_why = :waiting_why
"""
_NOT_SEEN = """
INSERT INTO standing (mirror, target, looked_at, objects, behind, trouble)
VALUES (:mirror, :target, :now, 0, 0, :trouble)
ON CONFLICT DO UPDATE SET looked_at = :now, trouble = :trouble
"""
_FAILS = """
INSERT INTO standing (mirror, target, looked_at, succeeded_at, objects, behind, trouble)
SELECT :mirror, :target, :now, (
    SELECT s.succeeded_at FROM standing s WHERE s.mirror = :served AND s.target = :target
), 0, 0, :trouble
WHERE true
ON CONFLICT DO UPDATE SET looked_at = :now, trouble = excluded.trouble,
    succeeded_at = CASE WHEN trouble IS NULL THEN excluded.succeeded_at ELSE succeeded_at END
"""
_FAILING = """
SELECT 1 FROM standing WHERE mirror = :mirror AND target = :target AND trouble IS NOT NULL
"""
_FAILS_NO_MORE = "UPDATE standing SET trouble = NULL WHERE mirror = :mirror AND target = :target"
_PACKED = """
UPDATE object SET packed_content_mark = :content_mark, packed_state_mark = :state_mark,
    content_id = :content, state_id = :state, packed_at = :now, losses = :losses,
    seen_state_mark = :state_mark,
    read_at = CASE WHEN :whole THEN :now ELSE read_at END,
    trouble = NULL, strikes = 0, troubled_at = NULL
WHERE id = :id
"""
_DELIVERED = """
INSERT INTO delivery (object, target, given_content_id, given_state_id, content_id, state_id,
    address, delivered_at, losses, awaits, came_at)
VALUES (:id, :target, :given_content, :given_state, :content, :state, :address, :now, :losses,
    :awaits, :now)
ON CONFLICT DO UPDATE SET given_content_id = :given_content, given_state_id = :given_state,
    content_id = :content, state_id = :state, address = :address, delivered_at = :now,
    losses = :losses, awaits = coalesce(:awaits, awaits), came_at = coalesce(came_at, :now),
    passed_content_id = NULL, passed_state_id = NULL, pruned_at = NULL,
    owed_at = CASE WHEN :still_owed THEN owed_at END,
    trouble = NULL, strikes = 0, troubled_at = NULL
"""
_NOTHING_GIVEN = """
INSERT INTO delivery (object, target) VALUES (:id, :target) ON CONFLICT DO NOTHING
"""
_RELEASED = "INSERT OR REPLACE INTO delivery (object, target) VALUES (:id, :target)"
_OWED = """
INSERT INTO delivery (object, target, owed_at)
SELECT id, :target, :at FROM object
WHERE mirror = :mirror AND origin = :origin AND kind = :kind AND name = :name AND version = :version
ON CONFLICT DO UPDATE SET owed_at = :at
"""
_OWED_ANEW = """
INSERT INTO delivery (object, target, owed_at) VALUES (:id, :target, :now)
ON CONFLICT DO UPDATE SET owed_at = :now WHERE owed_at IS NULL OR owed_at = :doubted
"""
_PASSED_OVER = """
INSERT INTO delivery (object, target, passed_content_id, passed_state_id)
VALUES (:id, :target, :content, :state)
ON CONFLICT DO UPDATE SET passed_content_id = :content, passed_state_id = :state, owed_at = NULL,
    trouble = NULL, strikes = 0, troubled_at = NULL
"""
_READ_FAILED = """
UPDATE object SET trouble = :trouble, strikes = strikes + :strike, troubled_at = :now
WHERE id = :id
"""
_DELIVERY_FAILED = """
INSERT INTO delivery (object, target, trouble, strikes, troubled_at)
VALUES (:id, :target, :trouble, :strike, :now)
ON CONFLICT DO UPDATE SET trouble = :trouble, strikes = strikes + :strike, troubled_at = :now
"""
_DELETED = "DELETE FROM delivery WHERE object = :id AND target = :target"
_MARKED = "UPDATE delivery SET marked_at = :at WHERE object = :id AND target = :target"
_PRUNED = "UPDATE delivery SET pruned_at = :at WHERE object = :id AND target = :target"
_WITHHELD = """
INSERT INTO delivery (object, target, withheld, withheld_at) VALUES (:id, :target, :why, :now)
ON CONFLICT DO UPDATE SET withheld = :why, withheld_at = :now
"""
_WELL = """
UPDATE delivery SET trouble = NULL, strikes = 0, troubled_at = NULL
WHERE object = :id AND target = :target
"""
_UNREADABLE = """
SELECT id, origin, kind, name, version FROM object INDEXED BY object_troubled
WHERE mirror = :mirror AND trouble IS NOT NULL
"""
_READABLE = "UPDATE object SET trouble = NULL, strikes = 0, troubled_at = NULL WHERE id = :id"
_PACKED_OF = """
SELECT packed_content_mark, packed_state_mark, content_id, state_id, read_at FROM object
WHERE mirror = :mirror AND origin = :origin AND kind = :kind AND name = :name AND version = :version
"""
_CONTENT_AT = """
SELECT d.given_content_id FROM object o JOIN delivery d ON d.object = o.id AND d.target = :target
WHERE o.mirror = :mirror AND o.origin = :origin AND o.kind = :kind AND o.name = :name
    AND o.version = :version
"""
_FIND = """
SELECT id FROM object WHERE mirror = :mirror AND origin = :origin AND kind = :kind
    AND name = :name AND version = :version
"""

_AT_ONCE = 500
"""So many objects of which it is asked at a time who is to get them."""


class Delivery(Struct, frozen=True, kw_only=True):
    """What came of giving an object to a target.

    Attributes:
        given: What it was given.
        held: What it says that it holds.
        at: What it calls the object.
        losses: What it could not hold.
        awaits: Whether some of them end when other objects come; None if nothing was written.
        still_owed: Whether something newer was seen of it, which nobody has read.
    """

    given: Ids
    held: Ids
    at: str
    losses: tuple[Loss, ...] = ()
    awaits: bool | None = None
    still_owed: bool = False


class Record:
    """The pen of whoever holds the lease on a mirror.

    Attributes:
        drops: Its notes on what was dropped, where the lease is on a drop folder.
    """

    def __init__(self, lease: Lease, mirror: str) -> None:
        self._lease = lease
        self._mirror = mirror
        self.drops = Drops(lease, mirror)

    def check(self) -> None:
        """Make sure that the lease still is this process's.

        Raises:
            LeaseLostError: It is not.
        """
        self._lease.check()

    def packed_of(self, address: Address) -> Packed | None:
        """When an object was last packed, as the ledger says now: another lane may have done it."""
        row = self._lease.asking(_PACKED_OF, self._key(address))
        if row is None or row[0] is None or row[2] is None:
            return None
        return Packed(
            marks=Marks(content=row[0], state=row[1]),
            ids=Ids(content=row[2], state=row[3]),
            read_at=row[4] or 0,
        )

    def content_at(self, mirror: str, address: Address, target: str) -> str:
        """The content that a target of some mirror was given of an object last; "" for none."""
        values = self._key(address) | {"mirror": mirror, "target": target}
        row = self._lease.asking(_CONTENT_AT, values)
        return str(row[0] or "") if row else ""

    def looked(  # noqa: PLR0913  (all that a look tells)
        self,
        refs: Iterable[Ref],
        digest: str = "",
        *,
        asked: str = "",
        whole: bool = True,
        before: Callable[[], Mapping[Address, Before]] = dict,
        owing: Callable[[Sequence[Address]], Iterable[tuple[Address, str]]] = lambda _: (),
    ) -> None:
        """The source was looked at, and shows exactly these objects.

        What looks different from last time gets a new chance: its strikes are forgotten. It is owed
        from now on, since whoever looks may be killed before it plans anything.

        Args:
            refs: The objects.
            digest: Of them all: if the last one was the same, nothing is written; "" for none.
            asked: What the source was asked for: only while that stays the same, what is gone
                counts as gone for longer.
            whole: Whether what it does not show is not there.
            before: Gives what the vault has, or had before its retention removed it: asked in the
                first look alone, where the ledger may have been lost.
            owing: Which targets are to get which of some objects that are new, or look different.
        """
        moment = moments.now()
        of_now = {"mirror": self._mirror, "asked": asked} | msgspec.structs.asdict(moment)
        with self._lease.writing() as connection:
            if connection.execute(_ANY_GONE, (self._mirror,)).fetchone():
                self._age(connection, moment, of_now, whole=whole)
            last = connection.execute(_LOOKED_BEFORE, (self._mirror,)).fetchone()
            if digest and last == (digest,):
                return
            connection.execute(_LOOKED_LAST, of_now | {"digest": digest})
            connection.execute(_SHOWN_TABLE)
            connection.execute("DELETE FROM shown")
            # Set by set: a mirror of a hundred thousand versions is looked at every few minutes.
            connection.executemany(
                "INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (a.origin, a.kind, a.name, a.version, ref.content_mark, ref.state_mark)
                    for ref in refs
                    for a in (ref.address,)
                ),
            )
            of_this = {"mirror": self._mirror}
            anew = connection.execute(_SHOWN_ANEW, of_this).fetchall()
            for start in range(0, len(anew), _AT_ONCE):
                self._look(connection, anew[start : start + _AT_ONCE], owing)
            if last is None:
                self._adopt(connection, before(), whole=whole)
            if whole:
                connection.execute(_TROUBLED_NO_MORE, of_this)
                connection.execute(_SHOWN_NO_MORE, of_this | {"now": _now()})

    def _age(
        self,
        connection: sqlite3.Connection,
        moment: Moment,
        of_now: dict[str, str | int],
        *,
        whole: bool,
    ) -> None:
        """Let what is gone be gone for longer, as far as that was seen."""
        last = connection.execute(_LAST_MOMENT, (self._mirror,)).fetchone()
        if last and last[3] == of_now["asked"]:
            passed = moments.between(Moment(at=last[0], boot=last[1], up=last[2]), moment)
            connection.execute(_GONE_FOR_LONGER, of_now | {"passed": passed if whole else 0})
        else:
            connection.execute(_GONE_ANEW, of_now)
        connection.execute(_LOOKED_AT, of_now)

    def _adopt(
        self, connection: sqlite3.Connection, before: Mapping[Address, Before], *, whole: bool
    ) -> None:
        """Take in what the vault was given before this ledger began, and the source does not show.

        Where the source may show it again, it is not gone yet.
        """
        now = _now()
        for address, one in before.items():
            gone = whole or one.pruned
            values = {"present": int(not gone), "gone_at": now if gone else None}
            row = connection.execute(_THERE_BEFORE, self._key(address) | values).fetchone()
            if row:
                ids = one.ids
                content, state = (ids.content, ids.state) if ids else (None, None)
                connection.execute(
                    _GIVEN_THEN,
                    {
                        "id": row[0],
                        "target": VAULT,
                        "content": content,
                        "state": state,
                        "pruned_at": now if one.pruned else None,
                    },
                )
                owed = {"id": row[0], "at": DOUBTED}
                connection.executemany(_DOUBTED, [owed | {"target": name} for name in one.targets])

    def packed(  # noqa: PLR0913  (all that is known of it)
        self,
        address: Address,
        marks: Marks,
        ids: Ids,
        losses: tuple[Loss, ...],
        *,
        whole: bool = True,
        at: str = "",
        targets: Sequence[str] = (),
    ) -> None:
        """An object that looked like this was read, wholly or only its labels, and was this.

        Args:
            address: The object.
            marks: How it looked.
            ids: What it was.
            losses: What could not be read of it.
            whole: Whether all of it was read.
            at: Where the mirror's vault has its package; "" where there is no vault.
            targets: Who is to get it, of those that have not planned it in this round.
        """
        values = {
            "content_mark": marks.content,
            "state_mark": marks.state,
            "content": ids.content,
            "state": ids.state,
            "losses": _json(losses),
            "whole": whole,
        }
        with self._lease.writing() as connection:
            (number,) = connection.execute(_FIND, self._key(address)).fetchone()
            connection.execute(_PACKED, {"id": number, "now": _now(), **values})
            give(connection, number, Given(address=address, ids=ids, at=at), targets)

    def delivered(self, address: Address, target: str, delivery: Delivery) -> None:
        """A target was given an object, was asked, and holds it."""
        self._write(
            _DELIVERED,
            address,
            target=target,
            given_content=delivery.given.content,
            given_state=delivery.given.state,
            content=delivery.held.content,
            state=delivery.held.state,
            address=delivery.at,
            losses=_json(delivery.losses),
            awaits=delivery.awaits,
            still_owed=delivery.still_owed,
        )

    def nothing_given(self, address: Address, target: str) -> None:
        """A target was asked for an object that it was never known to be given, and has none."""
        self._write(_NOTHING_GIVEN, address, target=target)

    def owes(self, news: Sequence[tuple[Address, str, bool]], *, since: int) -> None:
        """Which targets are to get what the mirror took of objects last, and which no more.

        Args:
            news: Object, target, and whether it is to get it.
            since: When none of it was packed yet, ms since 1970 UTC.
        """
        with self._lease.writing() as connection:
            connection.executemany(
                _OWED,
                (
                    self._key(address) | {"target": target, "at": since if owed else None}
                    for address, target, owed in news
                ),
            )

    def passed_over(self, address: Address, target: str, ids: Ids) -> None:
        """A target's policy passed an object over, because the target holds other content."""
        self._write(_PASSED_OVER, address, target=target, content=ids.content, state=ids.state)

    def deleted(self, address: Address, target: str) -> None:
        """A target holds nothing of an object any more."""
        self._write(_DELETED, address, target=target)

    def released(self, address: Address, target: str) -> None:
        """What a target holds of an object is another's, which has succeeded it at the source."""
        self._write(_RELEASED, address, target=target)

    def marked(self, address: Address, target: str, *, gone: bool) -> None:
        """A target's object says that it is gone from its source, or says so no more."""
        self._write(_MARKED, address, target=target, at=_now() if gone else None)

    def pruned(self, address: Address, target: str, *, gone: bool) -> None:
        """A vault's retention removed what it was given last of an object, or it is there again."""
        self._write(_PRUNED, address, target=target, at=_now() if gone else None)

    def withheld(self, address: Address, target: str, why: str) -> None:
        """An object waits for a person though nothing failed, and why; "" if it does no more."""
        self._write(_WITHHELD, address, target=target, why=why or None)

    def well(self, address: Address, target: str) -> None:
        """What went wrong with an object at a target is of no account any more."""
        self._write(_WELL, address, target=target)

    def needed(self, addresses: Container[Address]) -> None:
        """These objects alone are to be read; that others could not be is of no account."""
        rows = self._lease.asking_all(_UNREADABLE, {"mirror": self._mirror})
        others = [
            {"id": number}
            for number, origin, kind, name, version in rows
            if Address(origin=origin, kind=kind, name=name, version=version) not in addresses
        ]
        if others:
            with self._lease.writing() as connection:
                connection.executemany(_READABLE, others)

    def read_failed(self, address: Address, error: MlarchiveError) -> None:
        """An object could not be read."""
        strike = int(not error.retryable)
        self._write(_READ_FAILED, address, trouble=error.message, strike=strike)

    def delivery_failed(self, address: Address, target: str, error: MlarchiveError) -> None:
        """An object could not be delivered to a target."""
        strike = int(not error.retryable)
        self._write(_DELIVERY_FAILED, address, target=target, trouble=error.message, strike=strike)

    def stood(  # noqa: PLR0913  (all that is known of it)
        self,
        target: str,
        *,
        objects: int,
        behind: int,
        never: int = 0,
        trouble: str = "",
        ended: bool = True,
        left: tuple[int, str] = (0, ""),
        waiting: tuple[int, str] = (0, ""),
    ) -> None:
        """How the mirror stands at a target.

        Args:
            target: The target's name.
            objects: How many objects are wanted there.
            behind: How many of them are not there as they should be.
            never: How many of these no round can bring.
            trouble: Why the target as a whole could not be served; "" if it could.
            ended: Whether that is the last word of a round; no other tells of success.
            left: How many more objects are left alone there, and why most of them are.
            waiting: How many objects come by themselves later, and why most of them wait.
        """
        now = _now()
        with self._lease.writing() as connection:
            connection.execute(
                _STOOD,
                {
                    "mirror": self._mirror,
                    "target": target,
                    "now": now,
                    "succeeded": now if ended and behind == never and not trouble else None,
                    "objects": objects,
                    "behind": behind,
                    "trouble": trouble or None,
                    "left_alone": left[0],
                    "left_why": left[1] or None,
                    "waiting": waiting[0],
                    "waiting_why": waiting[1] or None,
                },
            )

    def not_seen(self, target: str, *, trouble: str) -> None:
        """A round ended before it was known how the mirror stands at a target, and why."""
        with self._lease.writing() as connection:
            connection.execute(
                _NOT_SEEN,
                {"mirror": self._mirror, "target": target, "now": _now(), "trouble": trouble},
            )

    def fails(self, target: str, *, trouble: str) -> None:
        """What serves a target fails as a whole, from now on or still, and why."""
        served = self._mirror.removeprefix("drop:")
        of_this = {"mirror": self._mirror, "served": served, "target": target}
        with self._lease.writing() as connection:
            connection.execute(_FAILS, of_this | {"now": _now(), "trouble": trouble})

    def fails_no_more(self, target: str) -> None:
        """What serves a target works; writes nothing if it did so before."""
        of_this = {"mirror": self._mirror, "target": target}
        if self._lease.asking(_FAILING, of_this):
            with self._lease.writing() as connection:
                connection.execute(_FAILS_NO_MORE, of_this)

    def _look(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[tuple[str, ...]],
        owing: Callable[[Sequence[Address]], Iterable[tuple[Address, str]]],
    ) -> None:
        """Take in objects that are new, or look otherwise than they did."""
        numbers: dict[Address, int] = {}
        for row in rows:
            shown = dict(zip(_SHOWN_COLUMNS, row, strict=True)) | {"mirror": self._mirror}
            (number,) = connection.execute(_LOOKED, shown).fetchone()
            connection.execute("UPDATE object SET strikes = 0 WHERE id = ?", (number,))
            connection.execute("UPDATE delivery SET strikes = 0 WHERE object = ?", (number,))
            origin, kind, name, version = row[:4]
            numbers[Address(origin=origin, kind=kind, name=name, version=version)] = number
        of_now = {"now": _now(), "doubted": DOUBTED}
        connection.executemany(
            _OWED_ANEW,
            (
                of_now | {"id": numbers[address], "target": target}
                for address, target in owing(list(numbers))
            ),
        )

    def _write(self, statement: str, of: Address, /, **values: str | int | None) -> None:
        with self._lease.writing() as connection:
            (number,) = connection.execute(_FIND, self._key(of)).fetchone()
            connection.execute(statement, {"id": number, "now": _now(), **values})

    def _key(self, address: Address) -> dict[str, str]:
        return {
            "mirror": self._mirror,
            "origin": address.origin,
            "kind": address.kind,
            "name": address.name,
            "version": address.version,
        }


def _json(losses: tuple[Loss, ...]) -> str:
    return msgspec.json.encode(losses).decode()


def _now() -> int:
    return int(time.time() * 1000)
