"""Use case: an integrity report for an auditor, which says what arrived and how that is known."""
