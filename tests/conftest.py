"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# Two busy cores must not turn a true property into a failure, and a checkout stays as it was.
settings.register_profile("suite", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
