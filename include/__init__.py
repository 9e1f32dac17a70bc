"""Everything that is not Airflow.

``perennial``   the continuous-training engine: importable with Airflow uninstalled
``pipelines``   one folder per model: spec, features, expectations, optional source
"""
