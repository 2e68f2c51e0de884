"""A key as a policy has it."""

from msgspec import Struct

from mlarchive.trust.keys import PublicKey


class TrustedKey(Struct, frozen=True, kw_only=True):
    """A key, and when it counts.

    Attributes:
        public: The key.
        name: What a person calls it.
        not_before: When it begins to count, ms since 1970 UTC; 0 if it always did.
        not_after: When it ceases to, likewise; 0 if it never does.
        revoked: Why it does not count at all; "" if it does.
    """

    public: PublicKey
    name: str
    not_before: int = 0
    not_after: int = 0
    revoked: str = ""

    def counts_at(self, when: int) -> bool:
        """Whether a time, in ms since 1970 UTC, is within its dates."""
        return self.not_before <= when and (not self.not_after or when < self.not_after)
