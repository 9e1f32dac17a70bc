"""Celery's settings for ``[celery] celery_config_options``: Airflow's own, and the heavy libraries loaded beforehand.

A Celery worker imports them once, before it forks; each task would otherwise spend six seconds on it. The
scheduler reads the same settings to send tasks, and imports nothing.
"""

from __future__ import annotations

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

CELERY = DEFAULT_CELERY_CONFIG | {"imports": ["include.perennial.warm"]}
