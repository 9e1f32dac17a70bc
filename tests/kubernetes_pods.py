"""The pod of each step as the KubernetesExecutor's own code makes it, where requirements-kubernetes.txt is installed.

Reads steps and what ``pod_of`` says of each from stdin as JSON, and the default template's path as argument; writes
each step's image, limits, user and arguments as JSON.
"""

import json
import sys

from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client.models import V1Pod

found = {}
for step, config in json.load(sys.stdin).items():
    # What KubernetesExecutor.execute_async does with the executor_config of a task.
    override = PodGenerator.from_obj(config)
    base = PodGenerator.deserialize_model_file(config.get("pod_template_file", sys.argv[1]))
    pod = PodGenerator.construct_pod(
        dag_id="flight_delays.train",
        task_id=step,
        pod_id=f"flight-delays-{step}",
        try_number=1,
        kube_image="registry.example.org/perennial:0.1.0",
        date=None,
        args=["airflow", "version"],
        pod_override_object=override,
        base_worker_pod=base,
        namespace="perennial",
        scheduler_job_id="1",
        run_id="run",
        map_index=-1,
    )
    assert isinstance(pod, V1Pod)
    [container] = pod.spec.containers
    found[step] = [container.image, container.resources.limits, pod.spec.security_context.run_as_user, container.args]
print(json.dumps(found))
