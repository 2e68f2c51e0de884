"""`model_inference_config.json`: which structures a model of InnerEye finds, by which checkpoints.

Early versions of InnerEye name the structures; later ones name the configuration that knows them.
Only read, as data; what is not understood is left unsaid.
"""

import json
from collections.abc import Iterable

from mlarchive.errors import MissingChunksError
from mlarchive.records import File
from mlarchive.snapshot import Stream

_NAME = "model_inference_config.json"
_LONGEST = 1 << 20
_FACTS = {
    "model_name": "InnerEye model",
    "model_configs_namespace": "configuration",
    "structure_names": "structures",
    "checkpoint_paths": "checkpoints",
}


def inference_facts(streams: Iterable[Stream]) -> dict[str, str]:
    """What a model of InnerEye says of itself, for a person; nothing for other models.

    Args:
        streams: The files of a record; one of them is opened.
    """
    found = [s for s in streams if isinstance(s.entry, File) and _is_config(s.entry.path)]
    for stream in sorted(found, key=_depth)[:1]:
        stated = _document(stream)
        if isinstance(stated.get("checkpoint_paths"), list):
            texts = {label: _text(stated.get(name)) for name, label in _FACTS.items()}
            return {label: text for label, text in texts.items() if text}
    return {}


def _is_config(path: str) -> bool:
    return path.rpartition("/")[2] == _NAME


def _depth(stream: Stream) -> int:
    return stream.entry.path.count("/") if isinstance(stream.entry, File) else 0


def _document(stream: Stream) -> dict[str, object]:
    try:
        with stream.open() as file:
            raw = file.read(_LONGEST + 1)
        value = json.loads(raw) if len(raw) <= _LONGEST else None
    except (MissingChunksError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else ""
