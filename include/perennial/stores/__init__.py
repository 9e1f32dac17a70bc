"""The outside systems, one room each; nothing else in the project talks to them.

``ledger``    SQL: every decision, append-only and hash-chained. It says who is champion.
``objects``   files or S3: snapshots, quarantine, reports, predictions
``datasets``  Git + DVC: which bytes each partition has, at which commit
``tracking``  MLflow: runs, model files, versions and aliases

A decision goes to the ledger first; MLflow's aliases follow it (``steps.reconcile``).
Every store raises ``Unavailable`` when its system does not answer and ``IntegrityError``
when what it holds is not what was recorded.
"""
