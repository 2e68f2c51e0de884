"""How long `mlarchive --help` takes, from the start of the process to its end."""

from bench.cases import Case
from bench.process import measured, mlarchive
from bench.results import Results, Row

TIMES = 5


def measure(case: Case, rounds: int, results: Results) -> None:
    """Measure, several times a round."""
    print(f"\n{case.name}: {case.what}", flush=True)
    row = Row(case=case.name, measure="--help", side="mlarchive", raw=0)
    results.rows.append(row)
    # The first start compiles the modules.
    measured(mlarchive("--help"))
    for _ in range(TIMES * rounds):
        row.take(measured(mlarchive("--help")))
