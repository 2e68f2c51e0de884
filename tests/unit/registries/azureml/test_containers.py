"""Blobs are listed a few hundred at a time, since the client takes kilobytes for each."""

from collections.abc import Iterator
from typing import Any, cast

from azure.storage.blob import BlobProperties

from mlarchive.registries.azureml.containers import BlobContainer


class _Pages:
    """Pages of a list as the client gives them."""

    def __init__(self, first: int, most: int) -> None:
        self._first, self._most = first, most
        self.continuation_token: str | None = None

    def __iter__(self) -> Iterator[list[BlobProperties]]:
        return self

    def __next__(self) -> list[BlobProperties]:
        last = min(self._first + self._most, 1200)
        self.continuation_token = str(last) if last < 1200 else None
        return [
            BlobProperties(name=f"model/{number}", **{"Content-Length": 1, "ETag": '"e"'})
            for number in range(self._first, last)
        ]


class _Client:
    """A container of 1200 blobs, as the client of Azure shows it."""

    url = "https://a.blob.example/c"
    asked = 0

    def list_blobs(self, *, results_per_page: int = 5000, **_: object) -> Any:  # noqa: ANN401  (the client's own)
        self.asked += 1
        self.most = results_per_page
        return self

    def by_page(self, token: str | None) -> _Pages:
        return _Pages(int(token or 0), self.most)


def test_all_blobs_are_listed_and_few_at_a_time() -> None:
    client = _Client()
    container = BlobContainer(lambda: cast("Any", client), storage="example")
    assert [one.name for one in container.blobs("model/")] == [f"model/{n}" for n in range(1200)]
    assert (client.asked, client.most) == (3, 500)
