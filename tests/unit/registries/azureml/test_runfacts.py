"""What a service says of runs by itself is known again from a tag."""

from mlarchive.records import Run
from mlarchive.registries.azureml.runfacts import facts_of, with_facts

LAB = Run(key="r", user="lab", start=1, end=2, properties={"azureml.git.commit": "abc"})
CLINIC = Run(key="r", user="clinic", start=3, end=4, properties={"other": "1"})


def test_a_run_is_as_its_source_said() -> None:
    assert with_facts(CLINIC, facts_of(LAB)) == LAB


def test_a_tag_that_is_not_understood_changes_nothing() -> None:
    assert with_facts(CLINIC, "") == with_facts(CLINIC, "[1]") == CLINIC
