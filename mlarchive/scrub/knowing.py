"""What a damaged package of a vault is: its own bytes say it (`spec/vault.md`, Scrubbing)."""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import FormatError, MlarchiveError
from mlarchive.package import Package
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.repairing.rebuilding import UNPROVEN_DOCUMENTS
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.package.repairing.signing import Signatures
from mlarchive.records import Address
from mlarchive.vault import Kept
from mlarchive.vault.needing import chunks_of


class Known(Struct, frozen=True, kw_only=True):
    """What is certain of a damaged package.

    Attributes:
        content_id: "" if nothing says it.
        state_id: The same.
        package_id: The same.
        address: None if nothing says it.
        absent: Chunks that it leaves to others, by their hashes.
        chunks: All of which it may be made, as far as anything says.
        signatures: What is left of these.
        goes_on: Whether the file goes on behind it, with more than zeros and a trailer.
        ending: What stands where its trailer was, if that is lost and its place is known.
    """

    content_id: str = ""
    state_id: str = ""
    package_id: str = ""
    address: Address | None = None
    absent: frozenset[str] = frozenset()
    chunks: frozenset[bytes] = frozenset()
    signatures: Signatures = Signatures()
    goes_on: bool = False
    ending: bytes = b""

    @property
    def is_something(self) -> bool:
        """Whether it is known what it is."""
        return bool(self.content_id and self.state_id)

    @property
    def is_signed(self) -> bool:
        """Whether its signatures are whole."""
        return bool(self.signatures.text)

    def is_it(self, package: Package) -> bool:
        """Whether a package is the same object in the same state, as far as is known."""
        ids = (package.content_id, package.state_id)
        same = ids == (self.content_id or ids[0], self.state_id or ids[1])
        return same and self.address in {None, package.meaning.address}

    def is_very(self, package_id: str, dropped: Collection[str]) -> bool:
        """Whether a package is the very one, but for what was dropped."""
        if self.package_id:
            return package_id == self.package_id
        return UNPROVEN_DOCUMENTS not in dropped


def known_of(lost: Kept, *, rotted: bool) -> Known:
    """What is certain of a damaged package.

    Args:
        lost: As the vault remembers what lay under that path.
        rotted: Whether nobody wrote to the file since.
    """
    remembered = Known(
        content_id=lost.content_id,
        state_id=lost.state_id,
        package_id=lost.package_id,
        address=lost.address if lost.address.kind else None,
    )
    try:
        with ByteSource(lost.path) as source, Salvage(source) as salvage:
            own, is_blank = _own(salvage), salvage.survey.is_blank
    except MlarchiveError:  # A bad sector, or a later version.
        return remembered if rotted else Known()
    if is_blank or (rotted and own.content_id in {"", lost.content_id}):
        return _either(own, remembered)
    return own


def _either(own: Known, remembered: Known) -> Known:
    return replace(
        own,
        content_id=own.content_id or remembered.content_id,
        state_id=own.state_id or remembered.state_id,
        package_id=own.package_id or remembered.package_id,
        address=own.address or remembered.address,
    )


def _own(salvage: Salvage) -> Known:
    content_id, state_id = salvage.named
    address = None
    try:
        meaning = salvage.meaning()
    except FormatError:
        meaning = None
    if meaning is not None:
        address = meaning.address
    return Known(
        content_id=content_id,
        state_id=state_id,
        package_id=salvage.survey.package_id.hex(),
        address=address,
        absent=frozenset(chunk.hex() for chunk in salvage.absent),
        chunks=chunks_of(salvage),
        signatures=salvage.survey.signatures,
        goes_on=salvage.survey.goes_on,
        ending=salvage.survey.ending,
    )
