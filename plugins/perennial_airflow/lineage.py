"""What a task has read and written, for OpenLineage: datasets and models, each with its version.

Operators say it in Perennial's words after their work. It becomes OpenLineage's only if the provider asks, which it
does where Airflow's section ``[openlineage]`` names a transport; otherwise nothing of OpenLineage is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from include.perennial.contracts import PartitionRef


@dataclass(frozen=True)
class Data:
    """``kind`` of data of a pipeline, named ``<pipeline>.<kind>`` in OpenLineage.

    ``version``     what names its content: a commit of the data registry, a digest, a version of the model registry
    ``partitions``  SHA-256, if it is known, by partition key, where only these were read or written
    """

    pipeline: str
    kind: str
    version: str | None
    partitions: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    n_bytes: int | None = None


def partitions(pipeline: str, commit: str | None, refs: Sequence[PartitionRef]) -> Data:
    """Versioned partitions as the data registry holds them at ``commit``."""
    return Data(pipeline, "partitions", commit, {ref.key: ref.sha256 for ref in refs})


class Traced:
    """An operator that tells what it has read and written once ``execute`` has called ``trace``."""

    _traced: tuple[tuple[Data, ...], tuple[Data, ...], Mapping[str, str]] = ((), (), {})

    def trace(
        self, *, read: Sequence[Data] = (), wrote: Sequence[Data] = (), decision: Mapping[str, Any] | None = None
    ):
        """Keep it until the task has ended; ``decision`` are codes and ids, None left out."""
        told = {name: str(value) for name, value in (decision or {}).items() if value is not None}
        self._traced = (tuple(read), tuple(wrote), told)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """What the provider asks after a task that succeeded."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        read, wrote, decision = self._traced
        return OperatorLineage(
            inputs=[_input(data) for data in read],
            outputs=[_output(data) for data in wrote],
            run_facets={"perennial_decision": _decision_facet(decision)} if decision else {},
        )


def _input(data: Data) -> Any:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.generated.base_subset_dataset import InputSubsetInputDatasetFacet

    subset = {"subset": InputSubsetInputDatasetFacet(_condition(data))} if data.partitions else {}
    return InputDataset(_namespace(), f"{data.pipeline}.{data.kind}", facets=_facets(data), inputFacets=subset)


def _output(data: Data) -> Any:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.generated.base_subset_dataset import OutputSubsetOutputDatasetFacet
    from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet

    facets: dict[str, Any] = {}
    if data.partitions:
        facets["subset"] = OutputSubsetOutputDatasetFacet(_condition(data))
    if data.rows is not None or data.n_bytes is not None:
        facets["outputStatistics"] = OutputStatisticsOutputDatasetFacet(rowCount=data.rows, size=data.n_bytes)
    return OutputDataset(_namespace(), f"{data.pipeline}.{data.kind}", facets=_facets(data), outputFacets=facets)


def _namespace() -> str:
    """The jobs' own namespace, so that two installations may tell one server."""
    from airflow.providers.openlineage import conf

    return f"perennial://{conf.namespace()}"


def _facets(data: Data) -> dict[str, Any]:
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

    return {"version": DatasetVersionDatasetFacet(data.version)} if data.version else {}


def _condition(data: Data) -> Any:
    from openlineage.client.generated.base_subset_dataset import Partition, PartitionSubsetCondition

    return PartitionSubsetCondition(
        [Partition({"partition": key}, identifier=sha256 or None) for key, sha256 in data.partitions.items()]
    )


def _decision_facet(decision: Mapping[str, str]) -> Any:
    from openlineage.client.generated.base import RunFacet

    return RunFacet().with_additional_properties(**decision)
