"""MLflow, in three modules: the only ones that import mlflow.

``client``    connect with short timeouts; connection errors become ``Unavailable``
``registry``  model versions, aliases and downloads: exactly one version per run key
``runs``      experiment runs: parameters, metrics, plots, model files

MLflow shows what happened and serves the model files. What it says about the champion is
a projection of the ledger and is never read back as truth.
"""
