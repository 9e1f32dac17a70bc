"""Airflow's side of Perennial: thin operators that read the context, call ``include`` and return small JSON.

``runtime``    one run's context -> partition key, trigger, settings, errors
``operators``  one module per DAG: ``ingest``, ``train``, ``score`` and ``monitor``
``triggers``   what the triggerer awaits for deferred tasks
``notifiers``  alerts through Airflow's SMTP and HTTP connections
``links``      buttons in the task view
``documents``  serves data docs behind Airflow's login
"""
