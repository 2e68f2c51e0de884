"""Base64 as age has it: without padding, and one spelling for each value."""

import base64
import binascii


def encode_base64(raw: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(raw).decode("ascii").rstrip("=")


def decode_base64(text: str) -> bytes:
    """Text as bytes.

    Raises:
        ValueError: It is none, or is spelled otherwise than it would be written.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("what should be base64 is not") from error
    if encode_base64(raw) != text:
        raise ValueError("base64 has another spelling than age's")
    return raw
