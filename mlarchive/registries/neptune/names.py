"""Names of files in a package for attributes' paths, which Neptune does not restrict (clause 8)."""

import hashlib
import unicodedata
from urllib.parse import quote

from mlarchive.package.paths import component_refusal, folded, whole_refusal

_LONGEST = 200
_PRINTABLE = " !#$&'()+,;=@[]^_`{}~"


class Names:
    """Gives each path a name that a package can hold, and no two the same one."""

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._taken: dict[str, tuple[str, bool]] = {}

    def name(self, path: str) -> str:
        """A file's name for a path: the path itself where that can be."""
        parts = [_component(part) for part in path.split("/")]
        if whole_refusal("/".join(parts)):
            parts = [hashlib.sha256(path.encode()).hexdigest()]
        taken = ""
        for number, part in enumerate(parts, 1):
            taken = self._claim(taken, part, is_file=number == len(parts))
        return taken

    def _claim(self, folder: str, part: str, *, is_file: bool) -> str:
        """The first spelling of a component that is free, or is that very folder."""
        stem, dot, extension = part.rpartition(".") if is_file else (part, "", "")
        if not stem:
            stem, dot, extension = part, "", ""
        number = 1
        while True:
            spelled = part if number == 1 else f"{stem}~{number}{dot}{extension}"
            path = f"{folder}/{spelled}" if folder else spelled
            found = self._taken.get(folded(path))
            if found is None:
                self._taken[folded(path)] = (path, is_file)
                return path
            if found == (path, False) and not is_file:
                return path
            number += 1


def _component(part: str) -> str:
    """A component that no package refuses."""
    part = unicodedata.normalize("NFC", part.encode("utf-8", "replace").decode())
    if not part:
        return "_"
    if component_refusal(part):
        part = quote(part, safe=_PRINTABLE)
    if len(part) > _LONGEST and component_refusal(part):
        part = f"{part[:_LONGEST]}~{hashlib.sha256(part.encode()).hexdigest()[:16]}"
    if component_refusal(part):
        # What ends in a dot or a space, and the names of devices.
        part = f"{part[:-1]}%{ord(part[-1]):02X}"
    if component_refusal(part):
        part = f"%{ord(part[0]):02X}{part[1:]}"
    return part
