"""The blobs of the emulated clouds: containers in Azurite, and the SAS tokens that open them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from tests.support.azureml.authority import Authority
from tests.support.azureml.azurite import Azurite
from tests.support.azureml.clouds import Cloud
from tests.support.azureml.wire import Secret, Wire

READ = "rl"
WRITE = "racwdl"


class Storage:
    """Storage accounts in Azurite, reached from behind: not through the gateway, not logged."""

    def __init__(self, azurite: Azurite, authority: Authority, wire: Wire) -> None:
        """Use a running server; the secrets that are given out are watched for on the wire."""
        self.port = azurite.port
        self._azurite = azurite
        self._authority = authority
        self._wire = wire
        self._clients: dict[str, BlobServiceClient] = {}

    def account_key(self, account: str) -> str:
        """The key of an account."""
        key = self._azurite.accounts[account]
        self._wire.know(Secret(kind="account-key", value=key, hosts=()))
        return key

    def sas(self, cloud: Cloud, account: str, container: str, rights: str, seconds: int) -> str:
        """A token for a container, good for so many seconds from now."""
        now = dt.datetime.now(dt.UTC)
        token: str = generate_container_sas(
            account,
            container,
            account_key=self._azurite.accounts[account],
            permission=ContainerSasPermissions.from_string(rights),
            start=now - dt.timedelta(days=1),
            expiry=now + dt.timedelta(seconds=seconds),
        )
        signature = parse_qs(token)["sig"][0]
        self._wire.know(Secret(kind="sas", value=signature, hosts=(cloud.blob_host(account),)))
        return token

    def make(self, account: str, container: str) -> ContainerClient:
        """A container, created if it is not there."""
        client = self.container(account, container)
        if not client.exists():
            client.create_container()
        return client

    def container(self, account: str, container: str) -> ContainerClient:
        """A container, whether it is there or not."""
        if account not in self._clients:
            self._clients[account] = BlobServiceClient(
                f"https://127.0.0.1:{self.port}/{account}",
                credential={
                    "account_name": account,
                    "account_key": self._azurite.accounts[account],
                },
                connection_verify=str(self._authority.bundle),
                proxies={"https": ""},
            )
        return self._clients[account].get_container_client(container)

    def put(self, account: str, container: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Upload files below a folder."""
        client = self.make(account, container)
        for path, raw in files.items():
            client.upload_blob(f"{folder}/{path}" if folder else path, raw, overwrite=True)

    def files(self, account: str, container: str, prefix: str) -> dict[str, bytes]:
        """The blobs whose names begin with a prefix, by the rest of their names."""
        return dict(self._files(self.container(account, container), prefix))

    def _files(self, client: ContainerClient, prefix: str) -> Iterator[tuple[str, bytes]]:
        for blob in client.list_blobs(name_starts_with=prefix):
            yield blob.name[len(prefix) :], client.download_blob(blob.name).readall()

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            client.close()
