"""A policy is the reader's word; its keys change by the word of the keys before."""

import json
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError, RotationError
from mlarchive.trust.keys import PrivateKey, key_id, public_pem
from mlarchive.trust.policy import Policy, moment, read_policy
from mlarchive.trust.rotation import Added, Change, countersigned, encode_rotation, read_rotation
from tests.support.signing import LAB, SECOND, STRANGER, key_table, keys_written, policy_text


def read(folder: Path, text: str) -> Policy:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


def change(number: int, *add: PrivateKey, revoke: PrivateKey | None = None) -> Change:
    return Change(
        add=tuple(
            Added(name="new", not_after=0, not_before=0, public=public_pem(key.public_key()))
            for key in add
        ),
        number=number,
        revoke=(key_id(revoke.public_key()),) if revoke else (),
    )


def test_keys_are_files_beside_the_policy(tmp_path: Path) -> None:
    keys_written(tmp_path, [("lab", LAB)])
    policy = read(tmp_path, '[[key]]\npublic = "lab.pub"\n')
    assert policy.require == {"package"}
    assert policy.threshold == 1
    (key,) = policy.keys.values()
    assert key.name == "lab.pub"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "key"),
        ("key = []", "key"),
        (policy_text(key_table(LAB, "a"), key_table(LAB, "b")), "same key"),
        (policy_text(key_table(LAB, "a"), threshold=2), "threshold"),
        (
            policy_text(key_table(LAB, "a"), key_table(SECOND, "b", revoked="true"), threshold=2),
            "2",
        ),
        (policy_text(key_table(LAB, "a"), threshold=0), "threshold"),
        (policy_text(key_table(LAB, "a"), require="[]"), "require"),
        (policy_text(key_table(LAB, "a"), require='["files"]'), "require"),
        (policy_text(key_table(LAB, "a"), unsigned="true"), "unsigned"),
        (policy_text(key_table(LAB, "a", not_after="'soon'")), "not_after"),
        (policy_text(key_table(LAB, "a", not_after="1970-01-01T00:00:00Z")), "before 1970-01-02"),
        (policy_text(key_table(LAB, "a", not_before="1969-07-20T00:00:00Z")), "before 1970-01-02"),
        ("[[key]]\npublic = '''-----BEGIN PUBLIC KEY-----'''", "PEM"),
        ("\xff[[", "wrong"),
    ],
)
def test_a_policy_that_says_something_else_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read(tmp_path, text)


def with_rotations(folder: Path, *rotations: bytes, **settings: object) -> Policy:
    text = policy_text(key_table(LAB, "lab"), key_table(SECOND, "second"), **settings)
    for number, rotation in enumerate(rotations, start=1):
        (folder / f"rotation-{number}.json").write_bytes(rotation + b"\n")
        text += f'[[rotation]]\nfile = "rotation-{number}.json"\n'
    return read(folder, text)


def test_the_keys_before_it_sign_a_rotation(tmp_path: Path) -> None:
    first = encode_rotation(change(1, STRANGER, revoke=LAB), [LAB])
    policy = with_rotations(tmp_path, first)
    assert policy.keys[key_id(LAB.public_key())].revoked
    assert policy.keys[key_id(STRANGER.public_key())].name == "new"
    # And the new key signs the next one.
    second = encode_rotation(change(2, revoke=SECOND), [STRANGER])
    assert with_rotations(tmp_path, first, second).keys[key_id(SECOND.public_key())].revoked


def test_a_rotation_that_strangers_or_too_few_or_revoked_keys_signed_is_refused(
    tmp_path: Path,
) -> None:
    by_itself = encode_rotation(change(1, STRANGER), [STRANGER])
    with pytest.raises(RotationError, match="0 of the keys"):
        with_rotations(tmp_path, by_itself)
    one = encode_rotation(change(1, STRANGER), [LAB])
    with pytest.raises(RotationError, match="1 of the keys"):
        with_rotations(tmp_path, one, threshold=2)
    both = countersigned(read_rotation(one, "r"), [SECOND])
    assert len(with_rotations(tmp_path, both, threshold=2).keys) == 3
    revoking = encode_rotation(change(1, revoke=LAB), [SECOND])
    after = encode_rotation(change(2, STRANGER), [LAB])
    with pytest.raises(RotationError, match="0 of the keys"):
        with_rotations(tmp_path, revoking, after)


def test_a_rotation_out_of_its_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RotationError, match="rotation 2"):
        with_rotations(tmp_path, encode_rotation(change(2, STRANGER), [LAB]))


def test_a_rotation_that_was_changed_is_refused(tmp_path: Path) -> None:
    rotation = json.loads(encode_rotation(change(1, STRANGER), [LAB]))
    other = json.loads(encode_rotation(change(1, revoke=SECOND), [STRANGER]))
    rotation["payload"] = other["payload"]
    text = json.dumps(rotation, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(RotationError, match="0 of the keys"):
        with_rotations(tmp_path, text)
    with pytest.raises(ConfigError, match="no rotation"):
        with_rotations(tmp_path, text.replace(b",", b", "))


def test_a_time_is_utc_where_it_names_no_zone() -> None:
    assert moment("2027-01-15") == moment("2027-01-15T00:00:00Z") == 1_799_971_200_000
    assert moment("2027-01-15T01:00:00+01:00") == 1_799_971_200_000
    with pytest.raises(ConfigError, match="no time"):
        moment("tomorrow")
