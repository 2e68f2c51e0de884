"""The kinds of data, how large each is, and what is measured on it."""

from msgspec import Struct

USUAL_MIB = 1024
USUAL_FILES = 100_000
"""The sizes that the bars are meant for."""

EMPTY_HANDED = 75
"""Exit status of a maker of data that is not to be had."""


class Case(Struct, frozen=True, kw_only=True):
    """A kind of data.

    Attributes:
        name: Chosen by `--only`.
        what: In words.
        size: MiB, or files for "small".
        speed: Whether speeds are measured; else sizes only.
        peers: Whether others take part.
    """

    name: str
    what: str
    size: int
    speed: bool = True
    peers: bool = True


def cases(mib: int, files: int) -> list[Case]:
    """All cases of the usual run, in order.

    Args:
        mib: Size of the bf16 model; the others have a quarter of it.
        files: How many small files.
    """
    part = max(mib // 4, 1)
    return [
        Case(name="bf16", what=f"a bf16 model, {mib} MiB", size=mib),
        Case(name="fp32", what=f"an fp32 model, {part} MiB", size=part),
        Case(name="lora", what="a bf16 parent, a child with merged LoRA", size=part, speed=False),
        Case(name="ft", what="a bf16 parent, a fine-tuned child", size=part, speed=False),
        Case(name="torch", what=f"a torch checkpoint, {part} MiB", size=part),
        Case(name="small", what=f"{files} small text files", size=files),
        Case(name="mixed", what="source, logs, images and notebooks", size=part),
        Case(name="wheels", what="real weights from public wheels", size=0),
        Case(name="codec", what="the codec alone, against zipnn, one bf16 tensor", size=part),
        Case(name="start", what="mlarchive --help", size=0),
    ]


LONG = Case(name="long", what="a bf16 model, 8 GiB", size=8192, peers=False)
