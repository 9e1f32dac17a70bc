"""The continuous-training engine, without Airflow.

Data passes through ``steps`` in this order::

    snapshot -> validate -> version -> plan -> fit -> judge -> register -> promote

``spec``        what a pipeline folder may say, read strictly from pipeline.yaml
``sources``     where deliveries come from: files and S3, SQL, a Python ``source.py``
``stores``      one module per outside system: objects (files, S3), datasets (DVC + Git),
                tracking (MLflow), ledger (SQL)
``models``      candidates, model files (skops), metrics and plots
``gate``        the statistics and the checks that decide; pure functions
``partitions``  periods, keys, windows; ``contracts`` what crosses a step's boundary
"""
