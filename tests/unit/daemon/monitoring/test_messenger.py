"""Others are told of failures and recoveries once each, and of life only while all is well."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchived.addresses import secret_url
from mlarchived.configfile import read_config
from mlarchived.monitoring import Board, Messenger
from mlarchived.resolving import resolve
from mlarchived.service.happenings import Beat, RoundEnded
from tests.support.mirroring import Workbench

PATIENCE = 60.0


class Mailbox:
    """A real web server that notes what it is sent, and refuses the first so many."""

    def __init__(self, refuse: int = 0) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.refused = 0
        self._refuse = refuse
        mailbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mailbox.note(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def do_GET(self) -> None:
                mailbox.note(self, b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/secret"

    def note(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.refused < self._refuse:
            self.refused += 1
            handler.send_error(503)
            return
        self.taken.append((handler.command, handler.path, body))
        handler.send_response(204)
        handler.end_headers()

    def wait(self, count: int) -> None:
        until = time.monotonic() + PATIENCE
        while len(self.taken) < count:
            assert time.monotonic() < until, self.taken
            time.sleep(0.02)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(refuse=1)
    yield mailbox
    mailbox.server.shutdown()
    mailbox.server.server_close()


def messenger(folder: Path, text: str) -> Messenger:
    bench = Workbench(folder)
    bench.configure(mirror=f"[monitoring]\n{text}\n")
    made = Messenger(Board(), {})
    made.configured(resolve(read_config(folder / "mirror.toml")))
    return made


def ended(error: str = "") -> RoundEnded:
    return RoundEnded(worker="mirror:m", mirror="m", error=error, hint="do this" if error else "")


def test_a_failure_and_a_recovery_are_told_once_each_even_if_nobody_listens_at_first(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    (tmp_path / "hook").write_text(f"{mailbox.url}\n")
    told = messenger(tmp_path, f'webhooks = ["file:{tmp_path / "hook"}"]')
    for happening in (ended(), ended("down"), ended("down"), ended(), ended()):
        told.take(happening)
    mailbox.wait(2)
    told.close()
    assert mailbox.refused == 1
    assert [(command, path) for command, path, _ in mailbox.taken] == [("POST", "/secret")] * 2
    failing, recovered = (json.loads(body) for _, _, body in mailbox.taken)
    assert (failing["event"], failing["error"], failing["hint"]) == ("failing", "down", "do this")
    assert (recovered["event"], recovered["worker"]) == ("recovered", "mirror:m")


def test_a_sign_of_life_is_given_only_while_all_is_well(tmp_path: Path) -> None:
    mailbox = Mailbox()
    told = messenger(tmp_path, f'heartbeat = "{mailbox.url}"\nheartbeat_every = "1s"')
    told.take(Beat(dead=("clock",)))
    told.take(ended("down"))
    told.take(Beat())
    told.take(ended())
    told.take(Beat())
    mailbox.wait(1)
    told.take(Beat())
    told.close()
    assert [command for command, _, _ in mailbox.taken] == ["GET"]


def test_what_nobody_takes_is_counted_and_delays_nobody(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror='[monitoring]\nwebhooks = ["http://127.0.0.1:9/x"]\n')
    board = Board()
    told = Messenger(board, {})
    told.configured(resolve(read_config(tmp_path / "mirror.toml")))
    told.take(ended("down"))
    told.close()
    assert board.undelivered["webhook"] == 1


def test_secrets_come_from_files_and_credentials_and_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("https://chat.example/T0K3N\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert secret_url("credential:hook", environment) == "https://chat.example/T0K3N"
    (tmp_path / "hook").write_text("T0K3N")
    with pytest.raises(ConfigError) as refused:
        secret_url(f"file:{tmp_path / 'hook'}", {})
    assert "T0K3N" not in refused.value.message + refused.value.hint
    with pytest.raises(ConfigError, match="given none"):
        secret_url("credential:hook", {})
    with pytest.raises(ConfigError, match="no absolute path"):
        secret_url("file:hook", {})
    with pytest.raises(ConfigError):
        secret_url("ftp://chat.example/", {})
    for nowhere in ("https://me:T0K3N@chat.example/", "https://chat.example/é"):
        with pytest.raises(ConfigError, match="that messages can be sent to") as refused:
            secret_url(nowhere, {})
        assert "T0K3N" not in refused.value.message + refused.value.hint


def test_an_address_that_is_not_there_takes_no_other_with_it_and_is_asked_for_again(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    hook = tmp_path / "hook"
    told = messenger(tmp_path, f'webhooks = ["file:{hook}", "{mailbox.url}"]')
    trouble = told.failures()["monitoring.webhooks[1]"]
    assert (trouble.exit_status, "report it" in trouble.hint) == (10, False)
    told.take(ended("down"))
    mailbox.wait(1)
    hook.write_text(mailbox.url)
    told.configured(resolve(read_config(tmp_path / "mirror.toml")))
    assert told.failures() == {}
    told.take(ended())
    mailbox.wait(3)
    told.close()


def test_who_takes_no_messages_is_named_until_he_does_and_his_address_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlarchived.monitoring.messenger._FIRST_PAUSE", 0.01)
    mailbox = Mailbox(refuse=5)
    told = messenger(tmp_path, f'webhooks = ["{mailbox.url}"]')
    told.take(ended("down"))
    until = time.monotonic() + PATIENCE
    while not told.failures():
        assert time.monotonic() < until
        time.sleep(0.02)
    (trouble,) = told.failures().items()
    assert trouble[0] == "messages to monitoring.webhooks[1]"
    assert trouble[1].message == "nobody takes them: it answers 503"
    told.take(ended())
    mailbox.wait(1)
    told.close()
    assert told.failures() == {}
