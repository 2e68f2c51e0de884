"""The bars that the project holds itself to, judged on what a run measured.

A bar whose measures are not in the results is not judged; the report says which ones were.
"""

from bench.peers import TAR
from bench.results import Bar, Results

MIB = 1 << 20


def judge(results: Results) -> list[Bar]:
    """All bars that the results can tell of."""
    return [
        *_shares(results),
        *_children(results),
        *_speeds(results),
        *_against_tar(results),
        *_many(results),
        *_memory(results),
        *_waiting(results),
    ]


def _shares(results: Results) -> list[Bar]:
    bars = []
    for case, limit in (("bf16", 0.675), ("fp32", 0.845)):
        if row := results.row(case, "write"):
            bars.append(_most(f"{case}: share of raw size", row.size / row.raw, limit, "%"))
    return bars


def _children(results: Results) -> list[Bar]:
    bars = []
    for case, limit in (("lora", 0.06), ("ft", 0.26)):
        alone, both = results.row(f"{case} parent", "write"), results.row(f"{case} both", "write")
        if alone and both:
            added = (both.size - alone.size) / (both.raw - alone.raw)
            bars.append(_most(f"{case}: share of its size that a child adds", added, limit, "%"))
    return bars


def _speeds(results: Results) -> list[Bar]:
    bars = []
    for measure, limit in (("write", 1.7), ("extract", 1.1)):
        if ratio := _ratio(results, "bf16", measure):
            bars.append(_least(f"bf16: {measure}, times the speed of {TAR.name}", ratio, limit))
    verify, sha256 = results.row("bf16", "verify"), results.limit("sha256")
    if verify and sha256:
        rate = verify.raw / verify.median / sha256
        bars.append(_least("bf16: full verify, of the two-thread SHA-256 rate", rate, 0.35))
    return bars


def _against_tar(results: Results) -> list[Bar]:
    bars = []
    for case in ("mixed", "small"):
        ours, theirs = results.row(case, "write"), results.row(case, "write", TAR.name)
        if ours and theirs:
            share = ours.size / theirs.size
            bars.append(_most(f"{case}: size, of that of {TAR.name}", share, 1.0, "%"))
    bars += [
        _least(f"mixed: {measure}, times the speed of {TAR.name}", ratio, 1.0)
        for measure in ("write", "extract")
        if (ratio := _ratio(results, "mixed", measure))
    ]
    return bars


def _many(results: Results) -> list[Bar]:
    return [
        _most(f"small: {measure}", row.median, 60, " s")
        for measure in ("write", "extract")
        if (row := results.row("small", measure))
    ]


def _memory(results: Results) -> list[Bar]:
    return [
        _most(f"8 GiB: peak memory of {measure}", row.peak / MIB, 400, " MiB")
        for measure in ("write", "verify", "extract")
        if (row := results.row("long", measure))
    ]


def _waiting(results: Results) -> list[Bar]:
    bars = [
        _most(f"{case}: open and read 1 MiB", 1000 * row.median, 50, " ms")
        for case in ("bf16", "long")
        if (row := results.row(case, "read 1 MiB"))
    ]
    if row := results.row("start", "--help"):
        bars.append(_most("mlarchive --help", 1000 * row.median, 150, " ms"))
    return bars


def _ratio(results: Results, case: str, measure: str) -> float:
    ours, theirs = results.row(case, measure), results.row(case, measure, TAR.name)
    return theirs.median / ours.median if ours and theirs else 0.0


def _most(what: str, found: float, limit: float, unit: str) -> Bar:
    return Bar(
        what=f"{what} <= {_shown(limit, unit)}", found=_shown(found, unit), met=found <= limit
    )


def _least(what: str, found: float, limit: float) -> Bar:
    return Bar(what=f"{what} >= {limit}", found=f"{found:.2f}", met=found >= limit)


def _shown(value: float, unit: str) -> str:
    return f"{100 * value:.2f} %" if unit == "%" else f"{value:.4g}{unit}"
