"""What bytes may come as."""

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
