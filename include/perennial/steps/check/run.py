"""The check: each step of the loop on a sample, as far as the one before allows."""

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from include.perennial.contracts import CheckStatus
from include.perennial.errors import PerennialError, SpecError
from include.perennial.partitions import UTC
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.quality.suite import Suite
from include.perennial.sources import Connections
from include.perennial.spec.reader import SPEC_FILE, spec_problems
from include.perennial.steps.check import sample as sampling
from include.perennial.steps.check import trial as trials
from include.perennial.steps.check.cost import estimate
from include.perennial.steps.check.finding import CheckReport, Cost, Done, Level, Problem, Step
from include.perennial.steps.check.problems import line_of, of_check, of_error, of_finding
from include.perennial.steps.check.sample import Sample
from include.perennial.strict_yaml import Where


def check(
    name: str,
    root: Path,
    connections: Connections,
    *,
    n_partitions: int | None = None,
    now: dt.datetime | None = None,
) -> CheckReport:
    """Dry-run the pipeline folder ``root/name``; what is wrong is in the report.

    Args:
        n_partitions: how many of the newest partitions to take; default: as many as a training run needs.
        now: the moment up to which a source that lists nothing is asked; default: the present.

    Raises:
        BadInput: ``n_partitions`` does not fit the window.
    """
    with tempfile.TemporaryDirectory(prefix="perennial-check-") as scratch:
        checking = _Checking(name, root, connections, Path(scratch), now or dt.datetime.now(UTC))
        checking.run(n_partitions)
    return CheckReport(pipeline=name, steps=tuple(checking.done), problems=tuple(checking.problems), cost=checking.cost)


class _Stop(Exception):
    """A step failed in a way that leaves nothing for the steps after it."""


class _Checking:
    """What is known so far."""

    def __init__(self, name: str, root: Path, connections: Connections, scratch: Path, now: dt.datetime) -> None:
        self._name, self._root, self._connections, self._scratch, self._now = name, root, connections, scratch, now
        self._pipeline: Pipeline | None = None
        self.done: list[Done] = []
        self.problems: list[Problem] = []
        self.cost: Cost | None = None

    def run(self, n_partitions: int | None) -> None:
        try:
            pipeline = self._pipeline = self._spec()
            self._steps(pipeline, sampling.n_partitions(pipeline, n_partitions))
        except _Stop:
            return

    def _spec(self) -> Pipeline:
        with self._step(Step.SPEC, ()) as say:
            try:
                pipeline = load_pipeline(self._name, self._root)
            except SpecError as error:
                path = self._root / self._name / SPEC_FILE
                found = spec_problems(path) if path.is_file() else []
                for one in found or [error]:
                    self._add(of_error(None, Step.SPEC, one, (), path))
                raise _Stop from error
            say(f"{len(pipeline.spec.data.columns)} columns, {len(pipeline.spec.candidates)} candidates")
        return pipeline

    def _steps(self, pipeline: Pipeline, n: int) -> None:
        sample = self._sample(pipeline, n)
        with self._step(Step.FEATURES, ("features",)) as say:
            rows = trials.rows_of(pipeline, sample)
            n_rows, n_columns = trials.fit_features(pipeline, rows)
            say(f"{n_rows:,} rows become a matrix of {n_columns:,} columns")
        with self._step(Step.FIT, ("candidates",)) as say:
            fits, failures = trials.fit_all(pipeline, rows)
            for name, error in failures:
                self._add(of_error(pipeline, Step.FIT, error, ("candidates", name), pipeline.folder / SPEC_FILE))
            if not fits:
                raise _Stop
            metric = pipeline.spec.selection_metric
            listing = [f"{fit.candidate} {metric} {fit.metrics.get(metric, float('nan')):.3f}" for fit in fits]
            say(f"on {len(rows.train):,} rows: {', '.join(listing)}")
        with self._step(Step.GATE, ("gate",)) as say:
            trial = trials.judge(pipeline, rows, fits, self._scratch / "model")
            is_whole = n == sampling.n_partitions(pipeline, None) and sample.rows_kept + sample.rows_set_aside == (
                sample.rows
            )
            for one in trial.judgement.checks:
                if one.status is CheckStatus.FAILED or one.name == "new_classes":
                    told = one.status is CheckStatus.FAILED and is_whole
                    self._add(of_check(pipeline, one, is_whole=told))
            say(f"{trial.candidate}: {trial.judgement.sentence}")
            self.cost = estimate(pipeline, sample, rows, fits, trial)

    def _sample(self, pipeline: Pipeline, n: int) -> Sample:
        with self._step(Step.SOURCE, ("source",)) as say:
            found = sampling.deliveries(pipeline, n, self._scratch, self._connections, self._now)
            keys = [one.partition.key for one in found]
            say(f"{sum(len(one.frame) for one in found):,} rows of {len(keys)} partitions, {keys[0]} to {keys[-1]}")
        with self._step(Step.EXPECTATIONS, ()) as say:
            suite = Suite.load(pipeline.load_module("expectations"))
            sample = sampling.take(pipeline, suite, found, self._scratch)
            self._tell_refusals(pipeline, sample)
            say(f"{len(suite.expectations)} expectations; {sample.rows_set_aside:,} of {sample.rows:,} rows set aside")
        self._require_partitions(pipeline, sample, len(found), n)
        return sample

    def _tell_refusals(self, pipeline: Pipeline, sample: Sample) -> None:
        seen = set()
        for key, checked in sample.refused:
            fatal = [finding for finding in checked.findings if finding.is_fatal]
            for finding in fatal:
                if finding.label not in seen:
                    self._add(of_finding(pipeline, finding, key))
                seen.add(finding.label)
            if not fatal and checked.refusal and "quota" not in seen:
                path = pipeline.folder / SPEC_FILE
                self._add(of_error(pipeline, Step.EXPECTATIONS, checked.refusal, ("data", "quarantine_quota"), path))
                seen.add("quota")

    def _require_partitions(self, pipeline: Pipeline, sample: Sample, n_found: int, n: int) -> None:
        window, path = pipeline.spec.window, pipeline.folder / SPEC_FILE
        if len(sample.refs) >= n:
            return
        text = (
            f"a training run needs {n} partitions, {window.partitions} to train and {window.holdout} as holdout; "
            f"the source has {n_found} in this window, of which {len(sample.refs)} are valid"
        )
        remedy = "Lower window.partitions, choose a shorter period, or wait until more data have come."
        where = ("window", "partitions")
        self._add(
            Problem(
                step=Step.SOURCE,
                level=Level.ERROR,
                file=str(path),
                line=line_of(path, where),
                text=text,
                remedy=remedy,
            )
        )
        if len(sample.refs) < 2 + window.holdout:
            raise _Stop

    def _add(self, problem: Problem) -> None:
        self.problems.append(problem)

    @contextmanager
    def _step(self, step: Step, where: Where) -> Iterator[Callable[[str], None]]:
        """Time a step; an error in it is its problem, and the end of the check."""
        start = time.perf_counter()
        sentences: list[str] = []
        default = self._root / self._name / (SPEC_FILE if step is not Step.EXPECTATIONS else "expectations.py")
        try:
            yield sentences.append
        except PerennialError as error:
            self._add(of_error(self._pipeline, step, error, where, default))
            raise _Stop from error
        self.done.append(Done(step=step, seconds=time.perf_counter() - start, sentence="; ".join(sentences)))
