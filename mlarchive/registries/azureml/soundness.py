"""Whether the service has made a version: one that it could not make, or makes, is none to read."""

from mlarchive.errors import RemoteError, UnavailableError
from mlarchive.registries.azureml.assets import Asset


def why_unmade(version: Asset) -> str:
    """Why a version will never be one; "" if it is or may become one."""
    if not version.is_failed:
        return ""
    return f"the service could not make it: it is {version.text('provisioningState')}"


def why_coming(version: Asset) -> str:
    """Why a version is none yet; "" if it is or never will be one."""
    if not version.is_coming:
        return ""
    return f"not made yet: it is {version.text('provisioningState')}"


def require_made(shown: str, what: str, version: Asset) -> None:
    """Refuse a version that is none, or none yet.

    Args:
        shown: Where it is.
        what: It is.
        version: As the service has it.

    Raises:
        RemoteError: The service could not make it.
        UnavailableError: It still makes it.
    """
    if why := why_unmade(version):
        raise RemoteError(
            f"{what} at {shown} cannot be read: {why}",
            hint="register it anew there, or leave it out",
        )
    if why := why_coming(version):
        raise UnavailableError(
            f"{what} at {shown} is {why}",
            hint="run the same command again when the service has made it",
        )
