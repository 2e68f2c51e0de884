"""One tree of errors: a stable code, an exit status, whether a retry can help, and a hint.

Every error a person can meet is a class here; `spec/errors.md` is generated from this tree. A
message says what happened, to what and where; the hint says what to do next. Commands print
`error: MESSAGE` and `hint: HINT`, and leave with `exit_status`. A traceback on a person's screen
is a defect.

    MlarchiveError
    ├── UsageError                2   the command line is wrong
    │   └── LocatorError          2   a locator does not follow the grammar
    ├── DamageError               4   what is stored is not what was stored
    │   └── FormatError           4   a package breaks a clause of the spec (E-code)
    │       ├── LaterFormatError 24   it needs a later version of mlarchive (E003, E004, E033, E043)
    │       └── LimitError       25   it asks for more than the operator allows (E015)
    ├── ConfigError              10   the configuration is wrong
    ├── NotFoundError            11   what a locator names is not there
    ├── UnavailableError         12   a server does not answer (retry helps)
    ├── AccessError              13   credentials missing, wrong or expired
    ├── ConflictError            14   the target holds other content under that name
    ├── StorageError             15   the disk is full or refuses (retry may help)
    ├── MissingExtraError        16   a library that an extra brings is not installed
    ├── MissingChunksError       17   a thin package without the packages it builds on
    ├── SourceChangedError       18   a file changed while it was read (retry helps)
    ├── UnsupportedError         19   the registry cannot do what was asked
    ├── BusyError                20   another process holds the lease (retry helps)
    ├── RemoteError              21   a server answered with something we cannot use
    ├── MixedFailuresError       22   several things failed, for different reasons
    ├── SetAsideError            23   something is not tried any more until a person says so
    ├── UndrainedError           32   a service was stopped before work at hand had ended
    ├── HaveListError            36   a have-list cannot be used
    ├── ShipmentError            37   a shipment or a receipt is damaged, or of another stream
    ├── RollbackError            38   a stream went back to an earlier number
    ├── UntrustedError           39   a package is signed by nobody whom the policy knows
    │   ├── UnsignedError        40   it has no signature
    │   ├── BadSignatureError    41   a signature is not what it says to be
    │   ├── KeyExpiredError      42   the key that signed it is out of its dates
    │   ├── KeyRevokedError      43   the key that signed it is revoked
    │   ├── TooFewSignaturesError 44  some signatures count, and too few
    │   ├── SignedOtherError     45   what was signed is another package
    │   └── RotationError        46   a change of keys is not signed by the keys before it
    ├── DecryptionError          47   no key or passphrase that was given opens it
    ├── MissingVolumesError      48   volumes of a set are not there
    ├── VolumeSetError           49   volumes do not belong together
    └── Interrupted             130   the person pressed Ctrl-C
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self


class MlarchiveError(Exception):
    """The root of the tree: one sentence for a person, and what a program needs to know.

    Attributes:
        code: A stable, hyphenated name for programs (`--json` prints it).
        exit_status: The process's exit status when this error ends it.
        retryable: Whether the same operation can succeed later without anybody's help.
        hint: What the person can do next; empty where there is nothing useful to say.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def about(self, what: str) -> str:
        """The sentence, with what it is about before it unless it says that already."""
        return self.message if what in self.message else f"{what}: {self.message}"


class UsageError(MlarchiveError):
    """The command line asks for something that makes no sense."""

    code = "usage"
    exit_status = 2


class LocatorError(UsageError):
    """A locator does not follow the grammar of `spec/locators.md`."""

    code = "locator"


class DamageError(MlarchiveError):
    """What is stored differs from what was stored."""

    code = "damage"
    exit_status = 4


_LONGEST = 2000
"""Characters of a sentence about a package."""


class FormatError(DamageError):
    """A package breaks a clause of `spec/mlpkg-1.md`.

    Attributes:
        refusal: The refusal code of the spec, such as `E014`.
    """

    code = "format"

    def __new__(cls, refusal: str, *_: str, **__: str) -> Self:
        """What is no damage has a class of its own, by its code."""
        chosen: Any = NO_DAMAGE.get(refusal, cls) if cls is FormatError else cls
        made: Self = super().__new__(chosen)
        return made

    def __init__(self, refusal: str, message: str, *, hint: str = "") -> None:
        otherwise = NO_PACKAGE if refusal == "E001" else ""
        if len(message) > _LONGEST:  # it quotes a name, which can be as long as a document
            message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 4 :]}"
        super().__init__(f"{refusal}: {message}", hint=hint or otherwise)
        self.refusal = refusal


class LaterFormatError(FormatError):
    """A package is sound as far as this version can tell, and needs a later one to be read."""

    code = "later-format"
    exit_status = 24


class LimitError(FormatError):
    """A package asks for more memory or disk than the operator allows."""

    code = "limit"
    exit_status = 25

    def __init__(self, refusal: str, message: str, *, hint: str = "") -> None:
        super().__init__(refusal, message, hint=hint or _RAISE_THE_LIMIT)


FORWARD_ONLY = (
    "name an .mlpkg file: of one that goes by in a pipe only `mlarchive verify` can make something"
)
"""What to do with a pipe."""

MENDING = (
    "transfer it again; if it is no better there, `mlarchive repair` says what of it is whole, and"
    " saves that"
)
"""What to do with a damaged package."""

NO_PACKAGE = (
    "see that it is the file that you mean; if it was a package once, transfer it again, or see"
    " what `mlarchive repair` finds in it"
)
"""What to do with a file that does not begin as a package does."""

MENDING_OTHERWISE = "transfer it again, or take it from another copy"
"""What to do with a damaged file that is no package."""

_RAISE_THE_LIMIT = (
    "if you trust it, set MLARCHIVE_MAX_UNPACKED, MLARCHIVE_MAX_DOCUMENT or MLARCHIVE_MAX_INDEX"
)

NO_DAMAGE: Mapping[str, type[FormatError]] = {
    **dict.fromkeys(("E003", "E004", "E033", "E043"), LaterFormatError),
    "E015": LimitError,
}
"""Refusals that say nothing against the package."""


class ConfigError(MlarchiveError):
    """The configuration file is wrong; the message names file, line and key."""

    code = "config"
    exit_status = 10


class NotFoundError(MlarchiveError):
    """What a locator names does not exist in its registry."""

    code = "not-found"
    exit_status = 11


class UnavailableError(MlarchiveError):
    """A server does not answer, or answers that it cannot now."""

    code = "unavailable"
    exit_status = 12
    retryable = True


class AccessError(MlarchiveError):
    """Credentials are missing, wrong or expired, or a file may not be read or written."""

    code = "access"
    exit_status = 13


class ConflictError(MlarchiveError):
    """The target already holds other content under the same name and version."""

    code = "conflict"
    exit_status = 14


class StorageError(MlarchiveError):
    """The file system is full, read-only or failing; nothing half-written stays behind.

    Attributes:
        place: The file or folder that was worked on; "" if that is not known.
    """

    code = "storage"
    exit_status = 15
    retryable = True

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message, hint=hint)
        self.place = place


class MissingExtraError(MlarchiveError):
    """A registry or a kind of file needs a library that is not installed."""

    code = "missing-extra"
    exit_status = 16


class MissingChunksError(MlarchiveError):
    """A thin package was opened without all of the packages that hold its chunks."""

    code = "missing-chunks"
    exit_status = 17


class SourceChangedError(MlarchiveError):
    """A file changed while it was being read, so what was read is no state it ever had."""

    code = "source-changed"
    exit_status = 18
    retryable = True


class UnsupportedError(MlarchiveError):
    """The registry cannot do what was asked of it."""

    code = "unsupported"
    exit_status = 19


class BusyError(MlarchiveError):
    """Another live process holds the lease on this work."""

    code = "busy"
    exit_status = 20
    retryable = True


class RemoteError(MlarchiveError):
    """A server answered, but with an error or content that cannot be used."""

    code = "remote"
    exit_status = 21


class MixedFailuresError(MlarchiveError):
    """Several objects failed, each for its own reason; each reason was printed with its object."""

    code = "mixed-failures"
    exit_status = 22


class SetAsideError(MlarchiveError):
    """Objects are set aside after too many failures; they are not mirrored until a person asks."""

    code = "set-aside"
    exit_status = 23


class UndrainedError(MlarchiveError):
    """A service was stopped before the work at hand had ended; the next start goes on with it."""

    code = "undrained"
    exit_status = 32
    retryable = True


class HaveListError(MlarchiveError):
    """A have-list is damaged, or none at all."""

    code = "have-list"
    exit_status = 36


class ShipmentError(MlarchiveError):
    """A shipment's note or a receipt is damaged, or of another stream."""

    code = "shipment"
    exit_status = 37


class RollbackError(MlarchiveError):
    """A stream brings another shipment under a number that has arrived: its sender went back."""

    code = "rollback"
    exit_status = 38


class UntrustedError(MlarchiveError):
    """A package is signed, but by no key of the reader's policy."""

    code = "untrusted"
    exit_status = 39


class UnsignedError(UntrustedError):
    """A package has no signature, and the reader's policy wants one; it may have been removed."""

    code = "unsigned"
    exit_status = 40


class BadSignatureError(UntrustedError):
    """A signature that says to be by a key of the policy is not, or signatures cannot be read."""

    code = "bad-signature"
    exit_status = 41


class KeyExpiredError(UntrustedError):
    """A package is signed by a key of the policy that is outside its dates."""

    code = "key-expired"
    exit_status = 42


class KeyRevokedError(UntrustedError):
    """A package is signed by a key that the policy calls revoked."""

    code = "key-revoked"
    exit_status = 43


class TooFewSignaturesError(UntrustedError):
    """Signatures of a package count, but by fewer keys than the policy's threshold."""

    code = "too-few-signatures"
    exit_status = 44


class SignedOtherError(UntrustedError):
    """What a key of the policy signed is another package, or another state of it."""

    code = "signed-other"
    exit_status = 45


class RotationError(UntrustedError):
    """A change of a policy's keys is not signed by the keys before it, or out of its order."""

    code = "rotation"
    exit_status = 46


class DecryptionError(MlarchiveError):
    """A file is encrypted, and no identity or passphrase was given that opens it."""

    code = "cannot-decrypt"
    exit_status = 47


class MissingVolumesError(MlarchiveError):
    """Some of the volumes that a stream was cut into are not there; the message names them."""

    code = "missing-volumes"
    exit_status = 48


class VolumeSetError(MlarchiveError):
    """Volumes do not belong together: of several sets, or one of them twice, or another's."""

    code = "volume-set"
    exit_status = 49


class Interrupted(MlarchiveError):  # noqa: N818  (a person's wish, not an error)
    """The person pressed Ctrl-C, or the process was asked to stop."""

    code = "interrupted"
    exit_status = 130
