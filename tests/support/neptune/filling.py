"""A registry of some size put into an emulator at once, the same one every time."""

import random
from typing import Final

from tests.support.neptune.pictures import picture
from tests.support.neptune.store import Attribute, Object, Point, Store, moment

POINTS: Final = 300
IMAGES: Final = 12
_START: Final = 1_700_000_000_123
_SIDE: Final = 48


def fill(store: Store, project: str, *, models: int, versions: int, size: int) -> None:
    """Make models and versions.

    Args:
        store: Of the emulator.
        project: `WORKSPACE/PROJECT`, which is there.
        models: How many.
        versions: Of each.
        size: Bytes of the weights of all objects together.
    """
    rng = random.Random(f"{project} {models} {versions}")  # noqa: S311
    where = store.project(project)
    each = size // max(1, models * (1 + versions))
    image = [picture(number, side=_SIDE) for number in range(IMAGES)]
    for number in range(models):
        model = store.create({"projectIdentifier": where.id, "type": "model", "key": f"M{number}"})
        asked = {"projectIdentifier": where.id, "type": "modelVersion", "parentId": model.id}
        for one in [model, *(store.create(asked) for _ in range(versions))]:
            _log(one, rng, each, image)


def _log(one: Object, rng: random.Random, size: int, image: list[bytes]) -> None:
    times = [_START + 1000 * step + rng.randrange(1000) for step in range(POINTS)]
    name = f"{one.type} {one.sys_id}"
    one.attributes |= {
        "sys/name": Attribute("string", name),
        "params/lr": Attribute("float", rng.random()),
        "params/depth": Attribute("int", rng.randrange(100)),
        "params/trained": Attribute("datetime", moment(times[-1])),
        "metrics/loss": Attribute(
            "floatSeries",
            points=[Point(float(step), time, rng.random()) for step, time in enumerate(times)],
        ),
        "samples": Attribute(
            "imageSeries",
            points=[
                Point(10.0 * step, times[step], data, f"sample {step}", "as seen")
                for step, data in enumerate(image)
            ],
        ),
        "cfg/files": Attribute(
            "fileSet",
            files={"a.yml": b"a: 1\n", "sub/b.yml": b"b: 2\n", ".hidden": b"of nobody\n"},
        ),
        "model/weights": Attribute("file", rng.randbytes(size), ext="bin"),
        "model/LICENSE": Attribute("file", b"no extension\n"),
    }
    if one.type == "modelVersion":
        one.attributes["sys/stage"].value = "production"
