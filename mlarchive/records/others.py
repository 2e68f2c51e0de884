"""Records of anything else: folders, webhooks, and what has no record of its own."""

from mlarchive.records.parts import Content, Evidence, File, Record, State, Tags


class Folder(Record, frozen=True, kw_only=True, tag="folder"):
    """A plain folder of files (locator `dir:`), with a name and version if it was given them.

    Attributes:
        name: Its name; an address.
        version: Its version; an address.
        description: Free text.
        tags: Given on the command line.
        files: Everything in it.
    """

    name: Evidence[str] = ""
    version: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    files: Content[tuple[File, ...]] = ()


class Webhook(Record, frozen=True, kw_only=True, tag="webhook"):
    """Who is told of changes in a registry. Its secret is never part of it.

    Attributes:
        name: Its name, which need not be unique; an address.
        url: Whom to tell; credentials in it are replaced by `[redacted]`.
        events: Of what, such as `model_version.created`, sorted.
        description: Free text.
        status: `ACTIVE` or `DISABLED`.
    """

    name: Evidence[str] = ""
    url: Content[str] = ""
    events: Content[tuple[str, ...]] = ()
    description: State[str] = ""
    status: State[str] = ""


UNREAD = "all of them"
"""The field of the loss of objects that their source was not asked for; a target loses no more."""


class OtherObjects(Record, frozen=True, kw_only=True, tag="other-objects"):
    """What a server has of some kind that has no record of its own: its answer, and nothing else.

    Attributes:
        name: Of what kind they are, such as `review-queues`.
    """

    name: Evidence[str] = ""
