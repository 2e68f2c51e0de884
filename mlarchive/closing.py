"""What is open until it is closed, as a context manager."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """A context manager that closes itself when it is left, whatever happened inside."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything that is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
