"""A model with a version, and a run, logged by the real client."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import neptune
from neptune.types import File

from tests.support.neptune.pictures import picture
from tests.support.neptune.running import QUIET_RUN

START = 1_700_000_000.123
STEPS = 30
IMAGES = 3


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was logged, to compare with.

    Attributes:
        model: Its id.
        version: Its id.
        run: Its id.
        weights: Bytes of the version's file `model/weights`, of more than one part.
        members: The version's file set `config`, hidden files too.
        images: The items of its file series `samples`, by step.
    """

    model: str
    version: str
    run: str
    weights: bytes
    members: dict[str, bytes]
    images: dict[float, bytes]


def seed(folder: Path, *, key: str = "CHURN", weights: int = 6 << 20) -> Seeded:
    """Log one of everything.

    Args:
        folder: For the files that are logged.
        key: Of the model.
        weights: Bytes of the largest file.
    """
    data = random.Random(key).randbytes(weights)  # noqa: S311
    members = {"a.yml": b"a: 1\n", "sub/b.yml": b"b: 2\n", ".hidden": b"secret of nobody\n"}
    source = folder / key
    for name, content in {**members, "../weights.bin": data}.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with neptune.init_model(key=key, name=f"the {key} model") as model:
        model["signature"].upload(File.from_content("in: a, out: b"))
        model["sys/tags"].add(["cellar", "wine"])
        model_id = model["sys/id"].fetch()
    with neptune.init_model_version(model=model_id) as version:
        version["params"] = {"lr": 0.1, "n": 3, "name": "gbm", "flag": True, "none": 1.5e-300}
        version["trained_at"] = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
        for step in range(STEPS):
            version["metrics/loss"].append(1 / (step + 1), step=step * 0.5, timestamp=START + step)
            version["log"].append(f"line {step}", step=step, timestamp=START + step)
        images = {step * 10.0: picture(step) for step in range(IMAGES)}
        for at, image in images.items():
            version["samples"].append(
                File.from_content(image, extension="png"),
                step=at,
                timestamp=START + at,
                name=f"image {at}",
                description="as seen",
            )
        version["sys/tags"].add(["prod"])
        version["classes"].add(["red", "white"])
        version["model/weights"].upload(str(folder / key / "../weights.bin"))
        (source.parent / "README").write_bytes(b"no extension")
        version["README"].upload(str(source.parent / "README"))
        version["config"].upload_files(f"{source}/")
        version["data"].track_files(str(source))
        version.change_stage("staging")
        version_id = version["sys/id"].fetch()
    with neptune.init_run(custom_run_id=f"run-{key}", tags=["nightly"], **QUIET_RUN) as run:
        run["params/depth"] = 7
        run["sys/group_tags"].add([model_id])
        run["train/acc"].append(0.5)
        run["train/acc"].append(0.75)
        run_id = run["sys/id"].fetch()
    return Seeded(model_id, version_id, run_id, data, members, images)
