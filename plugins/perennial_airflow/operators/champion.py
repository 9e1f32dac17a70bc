"""Operators that change the champion outside of training: what a person asks for, and the trial of a new one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from include.perennial.errors import BadInput
from include.perennial.partitions import UTC
from perennial_airflow import runtime
from perennial_airflow.lineage import Data, Traced

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.perennial.pipeline_folder import Pipeline
    from include.perennial.settings import Settings
    from include.perennial.spec.monitor import Rollback
    from include.perennial.steps.champion import ChampionChange


class ChampionOperator(Traced, BaseOperator):
    """Do what the form asks, or say what would be done. A refusal fails at once and the champion stays."""

    ui_color = "#fce8e6"

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def execute(self, context: Context) -> dict[str, Any]:
        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            change = _change(pipeline, settings, context["params"], runtime.actor(context))
        crowned = [Data(self.pipeline, "champion", change.champion_version)] if change.crowned else []
        self.trace(wrote=crowned, decision={"verdict": change.action})
        self.log.info("%s", change.sentence)
        context["ti"].xcom_push("summary", change.sentence)
        return change.model_dump(mode="json")


class TrialOperator(Traced, BaseOperator):
    """Hold the new champion against the one before, and roll it back if it is surely worse.

    Skipped if the champion stays. Whoever wants to be told of a roll-back is.
    """

    template_fields = ("ready",)
    ui_color = "#fce8e6"

    def __init__(self, *, pipeline: str, rule: Rollback, ready: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.rule = rule
        self.ready = ready

    def execute(self, context: Context) -> dict[str, Any]:
        from include.perennial.alerts import alert_of_rollback
        from include.perennial.steps.champion import ChampionStores, TrialOutcome, try_champion
        from perennial_airflow.notifiers import send

        key = self.ready["key"]
        with runtime.work(context):
            pipeline, settings = runtime.load(self.pipeline)
            trial = try_champion(
                *(pipeline, key, self.rule, ChampionStores.open(settings)),
                actor=runtime.actor(context),
                now_utc=dt.datetime.now(UTC),
            )
        self.log.info("%s: %s", trial.outcome, trial.sentence)
        context["ti"].xcom_push("summary", trial.sentence)
        if trial.outcome is not TrialOutcome.ROLLED_BACK:
            raise AirflowSkipException(trial.sentence)
        self.trace(wrote=[Data(self.pipeline, "champion", trial.previous)], decision={"verdict": trial.outcome})
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"version": trial.previous}
        alert = alert_of_rollback(self.pipeline, key, trial.sentence)
        if pipeline.spec.alerts.wants(alert.kind):
            send(alert, pipeline.spec.alerts)
        return trial.model_dump(mode="json")


class AnnounceOperator(BaseOperator):
    """Update the outlets with the new champion; skipped if there is none."""

    template_fields = ("change",)
    ui_color = "#fce8e6"

    def __init__(self, *, change: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.change = change

    def execute(self, context: Context) -> None:
        if not self.change["crowned"]:
            raise AirflowSkipException("The champion did not change.")
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"version": self.change["champion_version"]}


def _change(pipeline: Pipeline, settings: Settings, params: dict[str, Any], actor: str) -> ChampionChange:
    from include.perennial.steps.champion import Action, ChampionStores, freeze, promote, rollback, unfreeze
    from include.perennial.stores.ledger import Ledger

    action, version = Action(params["action"]), params["version"]
    how = {"reason": params["reason"], "actor": actor, "dry_run": params["dry_run"]}
    if action in (Action.FREEZE, Action.UNFREEZE):
        act = freeze if action is Action.FREEZE else unfreeze
        return act(pipeline.spec.name, Ledger.open(settings.ledger_url), **how)
    stores = ChampionStores.open(settings)
    if action is Action.ROLLBACK:
        return rollback(pipeline, stores, version=version, **how)
    if version is None:
        raise BadInput("version: which registered version to promote? MLflow's number, such as 7.")
    return promote(pipeline, stores, version=version, **how)
