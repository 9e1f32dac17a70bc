"""The loop as DAGs: one module per DAG, wired for whichever pipeline asks.

``ingest``  snapshot -> validate -> version, once per partition
``train``   plan -> fit (mapped) -> judge -> register -> promote
``score``   each new partition, with the champion of its time
``monitor`` ready -> measure -> decide -> retrain, once per scored partition
``labels``  labels -> validate -> version, where labels come from a source of their own
``champion`` roll back, freeze, unfreeze or promote by hand
``common``  default arguments, timetable and assets, the same for all
"""

from __future__ import annotations

from airflow.sdk import DAG

from include.perennial.pipeline_folder import load_pipeline
from include.perennial.settings import Settings
from perennial_dags.champion import champion_dag
from perennial_dags.ingest import ingest_dag
from perennial_dags.labels import labels_dag
from perennial_dags.monitor import monitor_dag
from perennial_dags.score import score_dag
from perennial_dags.train import train_dag


def build_dags(name: str) -> list[DAG]:
    """Every DAG of the pipeline ``name``; they register themselves with the DAG file that calls this.

    Raises:
        SpecError: the folder is broken; Airflow shows it as the import error of the calling file.
    """
    spec = load_pipeline(name, Settings.from_env().pipelines).spec
    labels = [labels_dag(spec)] if spec.data.labels else []
    return [ingest_dag(spec), *labels, train_dag(spec), score_dag(spec), monitor_dag(spec), champion_dag(spec)]
