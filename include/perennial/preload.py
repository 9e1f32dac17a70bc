"""Imports every heavy library once, for Airflow's fork server (``[core] mp_forkserver_preload``).

Imports dominate a weekly job: a cold process pays about six seconds for them, a forked task nothing.
Nothing here starts a thread or opens a connection, so that forking stays safe.
"""

import include.perennial.steps.approve
import include.perennial.steps.decide
import include.perennial.steps.describe_partition
import include.perennial.steps.describe_version
import include.perennial.steps.fit
import include.perennial.steps.judge
import include.perennial.steps.labels
import include.perennial.steps.measure
import include.perennial.steps.plan
import include.perennial.steps.promote
import include.perennial.steps.readiness
import include.perennial.steps.register
import include.perennial.steps.report
import include.perennial.steps.score
import include.perennial.steps.snapshot
import include.perennial.steps.validate
import include.perennial.steps.version  # noqa: F401 - imported for its effect on the fork server
