"""Commands for people and scripts, without Airflow: ``./perennial <command> --help``, one module per kind of command.

``main``      the parser, exit status and errors
``reading``   status, history, explain
``records``   verify, reproduce
``champion``  rollback, freeze, unfreeze
``ledger``    ledger upgrade
``backup``    backup, restore
``retention`` retain
``check``     dry-run a pipeline folder
``new``       a pipeline folder from a file of data
``replay``    compare retraining policies over months
``serve``     the model server
``metrics``   the metrics of the loop for Prometheus
``output``    how results are printed, as text or as JSON
"""

from include.perennial.cli.main import main

__all__ = ["main"]
