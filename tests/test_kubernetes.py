"""deploy/kubernetes against the API's own schemas; the chart's values as far as that goes without the chart."""

import functools
import importlib.util
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from embedded.config import PROJECT
from include.perennial.errors import BadInput
from perennial_airflow.pods import pod_of

BASE = PROJECT / "deploy" / "kubernetes" / "base"
PODS = PROJECT / "deploy" / "kubernetes" / "pods"
HELM = PROJECT / "deploy" / "helm"
PAGE = (PROJECT / "docs" / "kubernetes.md").read_text()
# The oldest version that the page promises, and the newest that the package knows.
VERSIONS = ("1.30", "1.37")
# Keys of the chart's values that are used here, as its version 1.22.0 has them. No package ships its schema, so this
# list is kept by hand: whoever adds a key looks it up in the chart's parameters reference first.
CHART = "1.22.0"
CHART_KEYS = {
    "airflowHome", "airflowVersion", "apiSecretKeySecretName", "apiServer.extraVolumeMounts", "apiServer.extraVolumes",
    "apiServer.networkPolicy.ingress.from", "apiServer.replicas", "apiServer.resources", "config",
    "createUserJob.enabled",
    "dagProcessor.enabled", "dagProcessor.resources", "dags.gitSync.enabled", "dags.persistence.enabled",
    "data.brokerUrlSecretName", "data.metadataSecretName", "data.resultBackendSecretName", "env", "executor",
    "extraEnvFrom", "fernetKeySecretName", "gid", "images.airflow.pullPolicy", "images.airflow.repository",
    "images.airflow.tag", "jwtSecretName", "logs.persistence.enabled", "migrateDatabaseJob.applyCustomEnv",
    "migrateDatabaseJob.args", "migrateDatabaseJob.useHelmHooks",
    "networkPolicies.enabled", "pgbouncer.enabled", "postgresql.enabled",
    "rbac.create", "redis.enabled", "scheduler.replicas", "scheduler.resources", "securityContexts.containers",
    "securityContexts.pod", "statsd.enabled", "statsd.resources", "triggerer.enabled",
    "triggerer.persistence.enabled", "triggerer.replicas", "triggerer.resources", "uid", "useStandardNaming",
    "workers.celery.keda.cooldownPeriod", "workers.celery.keda.enabled", "workers.celery.keda.maxReplicaCount",
    "workers.celery.keda.minReplicaCount", "workers.celery.keda.pollingInterval",
    "workers.celery.persistence.enabled", "workers.celery.resources", "workers.celery.terminationGracePeriodSeconds",
    "workers.kubernetes.resources",
}  # fmt: skip
SECRET = re.compile(r"(password|secret|token|_key|access_key_id|ledger|store_uri)$", re.IGNORECASE)


class Strict(yaml.SafeLoader):
    """Refuses a key that stands twice, of which PyYAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{node.start_mark}: {keys}"
        return super().construct_mapping(node, deep=deep)


def documents(folder: Path) -> list[dict[str, Any]]:
    found = [yaml.load_all(path.read_text(), Strict) for path in sorted(folder.glob("*.yaml"))]
    return [one for group in found for one in group if one["kind"] != "Kustomization"]


OBJECTS = documents(BASE) + documents(PODS)
NAMED = {f"{one['kind']}/{one['metadata']['name']}": one for one in OBJECTS}


def pod_specs() -> dict[str, dict[str, Any]]:
    """Pod specification of everything that runs, by kind and name."""
    found = {name: one["spec"] if one["kind"] == "Pod" else one["spec"].get("template", {}).get("spec")
             for name, one in NAMED.items() if "spec" in one}  # fmt: skip
    return {name: spec for name, spec in found.items() if spec}


def labels_of_pods() -> list[dict[str, str]]:
    own = [one["metadata"]["labels"] for one in OBJECTS if one["kind"] == "Pod"]
    return own + [one["spec"]["template"]["metadata"]["labels"] for one in OBJECTS if "template" in one.get("spec", {})]


@pytest.mark.parametrize("name", NAMED)
def test_an_object_is_as_the_schema_of_kubernetes_has_it(name: str) -> None:
    for version in VERSIONS:
        kubernetes_validate.validate(NAMED[name], version, strict=True)


def test_the_schemas_find_a_mistake() -> None:
    broken = yaml.safe_load((PODS / "fit.yaml").read_text())
    broken["spec"]["containers"][0]["resource"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[1], strict=True)


@pytest.mark.parametrize("name", pod_specs())
def test_a_pod_is_locked_up_limited_and_pinned(name: str) -> None:
    spec = pod_specs()[name]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert re.fullmatch(r"registry\.example\.org/perennial:\d+\.\d+\.\d+", container["image"])
        if name.startswith("Deployment/"):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        # What is written goes to a volume of the pod.
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert {volume["name"] for volume in spec["volumes"]} == mounted


@pytest.mark.parametrize("name", pod_specs())
def test_secrets_are_references_to_what_the_page_lists(name: str) -> None:
    for container in pod_specs()[name]["containers"]:
        for variable in container.get("env", ()):
            assert "valueFrom" in variable or not SECRET.search(variable["name"]), variable["name"]
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            assert reference is None or f"`{reference['key']}`" in PAGE, reference
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                assert f"ConfigMap/{source['configMapRef']['name']}" in NAMED
            else:
                assert f"`{source['secretRef']['name']}`" in PAGE
    for volume in pod_specs()[name]["volumes"]:
        if "secret" in volume:
            assert f"`{volume['secret']['secretName']}`" in PAGE
            assert all(f"`{item['key']}`" in PAGE for item in volume["secret"]["items"])


def test_the_settings_hold_no_secret() -> None:
    assert [name for name in NAMED["ConfigMap/perennial-settings"]["data"] if SECRET.search(name)] == []


def test_the_kustomization_lists_every_file_and_each_service_finds_pods() -> None:
    kustomization = yaml.load((BASE / "kustomization.yaml").read_text(), Strict)

    assert sorted(kustomization["resources"]) == sorted(
        path.name for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml"
    )
    selectors = [one["spec"]["selector"] for one in OBJECTS if one["kind"] == "Service"]
    policies = [one["spec"]["podSelector"]["matchLabels"] for one in OBJECTS if one["kind"] == "NetworkPolicy"]
    for wanted in selectors + policies:
        assert any(wanted.items() <= labels.items() for labels in labels_of_pods()), wanted
    denied = NAMED["NetworkPolicy/perennial-deny"]["spec"]
    assert "ingress" not in denied
    assert "egress" not in denied
    assert all(denied["podSelector"]["matchLabels"].items() <= labels.items() for labels in labels_of_pods())


def test_ports_of_services_and_probes_are_those_of_the_containers() -> None:
    for name in ("mlflow", "model-server", "exporter"):
        [container] = pod_specs()[f"Deployment/{name}"]["containers"]
        [port] = container["ports"]
        [service] = NAMED[f"Service/{name}"]["spec"]["ports"]
        assert (service["port"], service["targetPort"]) == (port["containerPort"], port["name"])
        assert str(port["containerPort"]) in " ".join(map(str, [*container["args"], container["env"]]))


def leaves(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Paths of ``values`` as far down as the list of known keys goes."""
    for key, value in values.items():
        path = f"{above}{key}"
        if path in CHART_KEYS or not isinstance(value, dict):
            yield path
        else:
            yield from leaves(value, f"{path}.")


@pytest.mark.parametrize("path", sorted(HELM.glob("*.yaml")), ids=lambda path: path.stem)
def test_values_use_known_keys_of_the_chart_and_options_of_airflow(path: Path) -> None:
    values = yaml.load(path.read_text(), Strict)

    assert set(leaves(values)) - CHART_KEYS == set()
    for section, options in values.get("config", {}).items():
        for option, value in options.items():
            assert is_option(section, option), f"{section}.{option}"
            assert isinstance(value, str | int)
    for variable in values.get("env", ()):
        assert set(variable) == {"name", "value"}
        assert not SECRET.search(variable["name"])


def test_the_chart_is_the_one_of_the_page_and_the_executors_are_named() -> None:
    assert f"--version {CHART}" in PAGE
    assert f"--version {CHART}" in (HELM / "values.yaml").read_text()
    chosen = {path.stem: yaml.safe_load(path.read_text()).get("executor") for path in HELM.glob("values-*.yaml")}
    assert chosen == {
        "values-kubernetes-executor": "KubernetesExecutor",
        "values-celery-keda": "CeleryExecutor",
    }
    requirements = (PROJECT / "requirements.txt").read_text()
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    assert f"apache-airflow=={values['airflowVersion']}\n" in requirements


def test_settings_of_airflow_exist() -> None:
    for name in NAMED["ConfigMap/perennial-settings"]["data"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert is_option(section, option), name


def is_option(section: str, option: str) -> bool:
    """Whether Airflow or one of its executors has the option; the Kubernetes one is not installed here."""
    if section == "kubernetes_executor":
        return f"`{option}`" in PAGE
    return option in airflow_options().get(section, {}).get("options", {}) or option in celery_options().get(
        section, ()
    )


@functools.cache
def airflow_options() -> dict[str, Any]:
    return yaml.load((airflow_folder() / "config_templates" / "config.yml").read_text(), yaml.CSafeLoader)


@functools.cache
def celery_options() -> dict[str, Any]:
    # By its file: importing the package imports Airflow.
    info = runpy.run_path(str(airflow_folder() / "providers" / "celery" / "get_provider_info.py"))
    return {section: found["options"] for section, found in info["get_provider_info"]()["config"].items()}


def airflow_folder() -> Path:
    [folder] = importlib.util.find_spec("airflow").submodule_search_locations
    return Path(folder)


def test_a_step_has_its_pod_only_where_the_setting_names_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PERENNIAL_POD_TEMPLATES", raising=False)
    assert pod_of("fit") == {}

    monkeypatch.setenv("PERENNIAL_POD_TEMPLATES", str(PODS))
    assert pod_of("fit") == {"pod_template_file": str(PODS / "fit.yaml")}
    assert pod_of("register") == {}

    monkeypatch.setenv("PERENNIAL_POD_TEMPLATES", str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match=r"PERENNIAL_POD_TEMPLATES names .*nowhere, which is no folder"):
        pod_of("fit")


@pytest.mark.heavy
def test_the_executors_own_code_makes_the_pod_of_each_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an environment of its own, with the pins that the image gets by EXTRAS."""
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, tmp_path / "venv"], check=True)
    pins = ["-r", str(PROJECT / "requirements-kubernetes.txt")]
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *pins], check=True)
    monkeypatch.setenv("PERENNIAL_POD_TEMPLATES", str(PODS))
    steps = {step: pod_of(step) for step in ("fit", "judge", "validate", "score", "measure", "register")}

    done = subprocess.run(
        [python, Path(__file__).with_name("kubernetes_pods.py"), PODS / "default.yaml"],
        input=json.dumps(steps),
        env={"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    made = json.loads(done.stdout.splitlines()[-1])
    for step, (image, limits, user, arguments) in made.items():
        file = PODS / f"{step}.yaml" if steps[step] else PODS / "default.yaml"
        [container] = yaml.safe_load(file.read_text())["spec"]["containers"]
        assert (image, limits) == (container["image"], container["resources"]["limits"])
        assert (user, arguments) == (50000, ["airflow", "version"])
    assert made["fit"][1] != made["register"][1]


def test_the_image_gets_the_executors_package_at_its_pin_and_the_page_says_how() -> None:
    package = "apache-airflow-providers-cncf-kubernetes"
    dockerfile = (PROJECT / "Dockerfile").read_text()

    pins = (PROJECT / "requirements-kubernetes.txt").read_text().splitlines()
    assert any(line.startswith(f"{package}==") for line in pins)
    airflow = next(line for line in pins if line.startswith("apache-airflow=="))
    assert f"{airflow}\n" in (PROJECT / "requirements.txt").read_text()
    assert f'--build-arg EXTRAS="{package}"' in PAGE
    assert "-c requirements-kubernetes.txt $EXTRAS" in dockerfile
