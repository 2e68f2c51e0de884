"""What of the models and versions of a project is missing in the runs that were made of them."""

from collections import Counter

from tests.support.neptune.store import Attribute, Object, Store

_SET_BY_SERVER = ("sys/", "old_sys/", "mlarchive/")


def missing(store: Store, project: str) -> dict[str, int]:
    """How many objects have lost something, by what it is; empty if nothing is missing.

    What is there twice is counted too: two runs of one object, points that are there again.
    """
    where = store.project(project)
    lost: Counter[str] = Counter()
    runs: dict[str, list[Object]] = {}
    for run in store.objects_of(where, ["run"]):
        runs.setdefault(run.custom or run.sys_id, []).append(run)
    for one in store.objects_of(where, ["model", "modelVersion"]):
        found = runs.get(one.sys_id, [])
        if len(found) != 1:
            lost["no run" if not found else "several runs"] += 1
            continue
        for what in sorted(_lost(one, found[0])):
            lost[what] += 1
    return dict(lost)


def _lost(one: Object, run: Object) -> set[str]:
    lost = set()
    for path, attribute in one.attributes.items():
        if path.startswith(_SET_BY_SERVER):
            continue
        other = run.attributes.get(path)
        if other is None or other.type != attribute.type:
            lost.add(f"{attribute.type} not there")
        else:
            lost |= _differences(attribute, other)
    for name in ("creation_time", "owner", "id"):
        old = run.attributes.get(f"old_sys/{name}")
        if old is None or old.value != one.attributes[f"sys/{name}"].value:
            lost.add("old_sys")
    return lost


def _differences(one: Attribute, other: Attribute) -> set[str]:
    lost = set()
    if (one.value, one.ext) != (other.value, other.ext):
        lost.add(f"{one.type} of another value")
    for name in one.files:
        if name not in other.files:
            lost.add("hidden files" if "/." in f"/{name}" else "members of file sets")
    if other.files.keys() - one.files.keys():
        lost.add("members of file sets under other names")
    return lost | _point_differences(one, other)


def _point_differences(one: Attribute, other: Attribute) -> set[str]:
    lost = set()
    if len(one.points) != len(other.points):
        lost.add(f"{one.type}: number of points")
    for mine, theirs in zip(one.points, other.points, strict=False):
        if mine.value != theirs.value:
            lost.add(f"{one.type}: values or their order")
        if mine.step != theirs.step:
            lost.add(f"{one.type}: steps")
        if mine.time != theirs.time:
            lost.add(f"{one.type}: timestamps")
        if (mine.name, mine.description) != (theirs.name, theirs.description):
            lost.add(f"{one.type}: names and descriptions")
    return lost
