"""What each retraining policy would have done over months of partitions: no Airflow, no MLflow, minutes.

Data passes through these modules in this order::

    supply -> contenders -> walk (service, contest, watch, policies) -> outcome -> chart

``supply``      the partitions: from the data registry, the missing ones delivered and validated aside
``contenders``  what a training run of each window makes; fitted once, kept on disk, shared by all policies
``service``     predictions of whoever is champion, and how good they were
``contest``     a contender against a champion, through the gate
``watch``       measuring a champion and asking the policy, as the monitor DAG does
``policies``    which policies are compared
``walk``        one policy, one partition after the other
``outcome``     what came of it, as numbers, a table and a CSV; ``chart`` draws it

The code that decides is that of the DAGs: ``steps.plan``, ``steps.fit``, ``gate``, ``monitor``. A replay writes
below ``<home>/replay`` only; the data registry is read, ledger and MLflow are not touched.
"""
