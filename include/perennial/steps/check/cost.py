"""What a week of a pipeline costs, in seconds of one core, from what the check has measured."""

import datetime as dt

from include.perennial.contracts import CandidateFit
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.check.finding import Cost
from include.perennial.steps.check.sample import Sample
from include.perennial.steps.check.trial import Rows, Trial


def estimate(pipeline: Pipeline, sample: Sample, rows: Rows, fits: list[CandidateFit], trial: Trial) -> Cost:
    """Fits grow with the rows of the window: in proportion, which is kind to forests and hard on nothing else here."""
    n_partitions = len(sample.refs)
    rows_per_partition = sample.rows / (n_partitions + len(sample.refused))
    growth = rows_per_partition * pipeline.spec.window.partitions / max(1, len(rows.everything))
    refits = 2 if pipeline.spec.refit else 1
    train_s = growth * (sum(fit.fit_seconds for fit in fits) + refits * trial.fit_seconds)
    ingest_s = sample.seconds / n_partitions
    score_s = trial.ms_per_1000_rows * rows_per_partition / 1e6
    partition = Partition.of_key(sample.refs[-1].key, pipeline.spec.period)
    runs = dt.timedelta(days=7) / partition.length
    week_s = runs * (ingest_s + train_s + score_s)
    return Cost(ingest_s=ingest_s, train_s=train_s, score_s=score_s, runs_per_week=runs, week_s=week_s)
