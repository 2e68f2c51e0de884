"""`dir:DIR`: a plain folder of files as a registry.

As a source it holds one object, a `Folder`, whose name and version are what the locator says
(`dir:DIR#folders/NAME/VERSION`), else the folder's own name. As a target it takes one object as
the tree of `registries.tree`, whole or not at all. It carries paths and bytes; owners, modes and
times are no part of a package.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from mlarchive import __version__, fsops
from mlarchive.closing import Closing
from mlarchive.errors import ConflictError, NotFoundError, UsageError
from mlarchive.package import extract
from mlarchive.package.documents import Documents, Meaning, Packed, encode_documents
from mlarchive.records import Address, File, Folder, Loss, Tags
from mlarchive.registries.base import (
    Action,
    Holding,
    Listing,
    PlaceTakenError,
    Receipt,
    Ref,
    Selector,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.folderfiles import open_watched, require_same, walk
from mlarchive.registries.heldfolder import Held, look, plain_documents
from mlarchive.registries.selecting import matches
from mlarchive.registries.tree import document_streams, tree
from mlarchive.snapshot import Snapshot, Stream

KIND = "folders"
_KEY = "folder"


class DirectoryRegistry(Closing):
    """A folder of files: a source of one object, a target for one object."""

    def __init__(
        self, folder: Path, *, origin: str, selector: Selector | None = None, packed_at: int = 0
    ) -> None:
        """Look at nothing yet.

        Args:
            folder: The folder; as a target it need not exist.
            origin: The registry's own name.
            selector: Gives the object its name and version, where the locator says them.
            packed_at: Stands in the evidence document of a tree that is written, ms since 1970.
        """
        self.origin = origin
        self._folder = folder
        self._packed_at = packed_at
        self._address = self._called(selector or Selector())

    def close(self) -> None:
        """Nothing is held open."""

    # --- source

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """The folder itself, with the size of its files."""
        self._require(selector)
        files, uncarried = walk(self._folder)
        facts = {"files": str(len(files))}
        if uncarried:
            facts["not carried"] = str(len(uncarried))
        yield Listing(
            address=self._address,
            title=str(self._folder),
            facts=facts,
            size=sum(file.size for file in files),
        )

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """The folder from afar: its files' paths, sizes and times make the content mark."""
        self._require(selector)
        listed = msgspec.json.encode(walk(self._folder))
        name = msgspec.json.encode(self._address)
        yield Ref(
            address=self._address,
            content_mark=hashlib.sha256(listed).hexdigest(),
            state_mark=hashlib.sha256(name).hexdigest(),
        )

    def read(self, address: Address) -> Snapshot:
        """The folder with a stream for each file; links, sockets and the like are losses."""
        if address != self._address:
            raise NotFoundError(f"{self.origin} holds no {address.kind}/{address.name}")
        files, uncarried = walk(self._folder)
        streams = tuple(
            Stream(
                owner=_KEY,
                entry=File(path=file.path, size=file.size, sha256=""),
                open=partial(open_watched, self._folder, file),
            )
            for file in files
        )
        name = f"folder {address.name}"
        return Snapshot(
            address=address,
            subject=_KEY,
            records=(Folder(key=_KEY, name=address.name, version=address.version),),
            streams=streams,
            losses=tuple(Loss(record=name, field=item.path, why=item.why) for item in uncarried),
            settled=partial(require_same, self._folder, files, uncarried),
        )

    # --- target

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:  # noqa: ARG002
        """What the folder holds; a tree of another object is not what is asked for."""
        held = look(self._folder, plain=source.kind == KIND)
        if held is None or not held.content_id or held.source not in {None, source}:
            return None
        return Holding(address=self._at(source), content_id=held.content_id, state_id=held.state_id)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Write all, write the labels, or nothing.

        Raises:
            ConflictError: The folder holds something else, and the policy is not `skip`.
        """
        losses = _labels_lost(snapshot)
        what = str(self._folder)
        held = look(self._folder, plain=_is_folder(snapshot))
        if held is None:
            action = Action(verb="create", what=what, why="there is nothing yet")
        elif held.content_id != snapshot.content_id:
            action = self._conflict(policy)
        elif _is_folder(snapshot) or (held.state_id, held.source) == (
            snapshot.state_id,
            snapshot.address,
        ):
            action = Action(verb="keep", what=what, why="it holds the same already")
        elif held.state_id == snapshot.state_id:
            action = Action(verb="update", what=what, why="it holds the same from elsewhere")
        else:
            action = Action(verb="update", what=what, why="its labels changed")
        return WritePlan(target=self._at(snapshot.address), actions=(action,), losses=losses)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make the folder hold the snapshot, whole or not at all.

        Raises:
            ConflictError: As `plan_write`.
            DamageError: The package's bytes are not what it states.
        """
        plan = self.plan_write(snapshot, policy)
        verb = plan.actions[0].verb
        sent = 0
        if verb == "create":
            sent = self._create(snapshot)
        elif verb == "update":
            self._relabel(snapshot)
        held = Held() if verb == "skip" else _arrived(snapshot)
        return Receipt(
            source=snapshot.address,
            target=plan.target,
            content_id=held.content_id,
            state_id=held.state_id,
            actions=plan.actions,
            losses=plan.losses,
            bytes=sent,
        )

    # --- parts

    def _called(self, selector: Selector) -> Address:
        # Unlike `Path.resolve`, this takes links that lead round in a circle.
        own = os.fsencode(Path(os.path.realpath(self._folder)).name).decode("utf-8", "replace")
        named = "" if selector.pattern else selector.name
        return Address(
            origin=self.origin, kind=KIND, name=named or own or "root", version=selector.version
        )

    def _require(self, selector: Selector) -> None:
        """Refuse a selector that means something a folder does not hold."""
        address = self._address
        if selector.kind not in {"", KIND}:
            raise NotFoundError(
                f"{self.origin} holds no {selector.kind}, only files",
                hint=f"leave out what stands after the #, or write #{KIND}/NAME/VERSION",
            )
        if not matches(selector, address.name) or selector.version not in {"", address.version}:
            raise NotFoundError(f"{self.origin} holds no folder {selector.name!r}")
        with fsops.explaining(self._folder, "read"):
            if not self._folder.is_dir():
                wrong = "is not a folder" if self._folder.exists() else "does not exist"
                raise NotFoundError(f"{self._folder} {wrong}", hint="check the path after dir:")

    def _at(self, source: Address) -> Address:
        return msgspec.structs.replace(source, origin=self.origin)

    def _conflict(self, policy: WritePolicy) -> Action:
        if policy.conflict == "skip":
            return Action(verb="skip", what=str(self._folder), why="it holds something else")
        raise PlaceTakenError(
            f"{self._folder} holds something else already, or the same with files changed",
            hint="name a folder that does not exist yet, or remove this one",
        )

    def _create(self, snapshot: Snapshot) -> int:
        if self._folder.is_symlink():
            raise ConflictError(
                f"{self._folder} is a symbolic link, which a folder cannot take the place of",
                hint="name the folder itself, or remove the link",
            )
        refuse_working_folder(self._folder)
        fsops.remove_stale_temporaries(self._folder.parent, deep=False)
        streams = [leaf.as_file() for leaf in tree(snapshot)]
        if not _is_folder(snapshot):
            streams.extend(document_streams(self._documents(snapshot)))
        return extract(streams, self._folder)

    def _relabel(self, snapshot: Snapshot) -> None:
        documents = self._documents(snapshot)
        # The state goes last: it decides whether the folder counts as labelled anew.
        for name, raw in (("evidence.json", documents.evidence), ("state.json", documents.state)):
            with fsops.atomic_file(self._folder / name) as file:
                file.write(raw)

    def _documents(self, snapshot: Snapshot) -> Documents:
        return encode_documents(
            Meaning(
                address=snapshot.address,
                subject=snapshot.subject,
                records=snapshot.records,
                losses=snapshot.losses,
                transformations=snapshot.transformations,
                packed=Packed(tool=f"mlarchive {__version__}", time=self._packed_at),
            )
        )


def labelled(
    snapshot: Snapshot, *, name: str, version: str, description: str, tags: Tags
) -> Snapshot:
    """The snapshot of a folder under another name, with labels; "" leaves as it is.

    Raises:
        UsageError: It is not about a folder, so it has a name and labels of its own.
    """
    record = snapshot.record(snapshot.subject)
    if not isinstance(record, Folder):
        raise UsageError(
            f"{snapshot.address} has a name, a version and labels of its own",
            hint="--name, --version, --description and --tag are for dir: sources",
        )
    address = msgspec.structs.replace(
        snapshot.address,
        name=name or snapshot.address.name,
        version=version or snapshot.address.version,
    )
    folder = msgspec.structs.replace(
        record,
        name=address.name,
        version=address.version,
        description=description or record.description,
        tags={**record.tags, **tags},
    )
    records = tuple(folder if r.key == record.key else r for r in snapshot.records)
    return dataclasses.replace(snapshot, address=address, records=records, original=None)


def refuse_working_folder(folder: Path) -> None:
    """Refuse to replace the folder that the process stands in.

    Raises:
        UsageError: It is that folder; putting a new one in its place would leave the person in a
            folder that no longer exists.
    """
    if folder.is_dir() and folder.samefile(Path()):
        raise UsageError(
            "the current folder cannot be the target itself",
            hint="name a new folder; it is created",
        )


def _is_folder(snapshot: Snapshot) -> bool:
    return isinstance(snapshot.record(snapshot.subject), Folder)


def _arrived(snapshot: Snapshot) -> Held:
    """What a folder holds once the snapshot is in it: a plain folder without its labels."""
    record = snapshot.record(snapshot.subject)
    if not isinstance(record, Folder):
        return Held(content_id=snapshot.content_id, state_id=snapshot.state_id)
    plain = plain_documents(record.files)
    return Held(content_id=plain.content_id, state_id=plain.state_id)


def _labels_lost(snapshot: Snapshot) -> tuple[Loss, ...]:
    record = snapshot.record(snapshot.subject)
    if not isinstance(record, Folder):
        return ()
    name = f"folder {record.name}"
    why = "plain files have no place for it"
    labels = {"description": record.description, **{f"tag {k}": v for k, v in record.tags.items()}}
    return tuple(Loss(record=name, field=field, why=why) for field, text in labels.items() if text)
