"""Dry-run a pipeline folder on a sample, without Airflow and without writing to any store.

``run``      the steps of the loop, one after another, each with its problems
``sample``   brings the newest few partitions into a scratch folder, as ingest would
``trial``    fits every candidate once, puts the best before the gate
``cost``     what a week will cost, from what was measured
``problems`` an error as file, line and remedy
``finding``  what is found, as contracts
"""

from include.perennial.steps.check.finding import CheckReport, Level, Problem
from include.perennial.steps.check.run import check

__all__ = ["CheckReport", "Level", "Problem", "check"]
