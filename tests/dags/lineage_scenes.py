"""Real runs of ``toy.ingest`` and ``toy.train`` in this process; their OpenLineage events go to a file.

Run with the arguments: folder of DAG files, partition to ingest, partition to train as of.
"""

import sys

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.utils.db import initdb

folder, ingested, as_of = sys.argv[1:]
initdb()
DagBundlesManager().sync_bundles_to_db()
bag = DagBag(folder)
assert bag.import_errors == {}, bag.import_errors
sync_bag_to_db(bag, "dags-folder", None)
for dag_id, key in (("toy.ingest", ingested), ("toy.train", as_of)):
    run = bag.dags[dag_id].test(run_conf={"partition": key})
    assert run.state == "success", (dag_id, run.state)
