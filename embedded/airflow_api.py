"""The REST calls that Airflow's own pages make, for the jobs that start runs and wait for them."""

import time
from collections.abc import Iterator
from typing import Any

import requests

from embedded.config import USER, Stack

# On SQLite a write can answer 503 or 500, "Database is locked", under load: asked again, it works.
_BUSY_RETRIES = 8
TERMINAL_STATES = frozenset({"success", "failed"})


class ApiError(RuntimeError):
    """Airflow refused a call; ``status`` is the HTTP status and the message is Airflow's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Airflow answered {status}: {message}")
        self.status = status


class Airflow:
    """A logged-in session with the API server of ``stack``."""

    def __init__(self, stack: Stack) -> None:
        self._base = stack.airflow_url
        self._session = requests.Session()
        reply = self._session.post(
            f"{self._base}/auth/token", json={"username": USER, "password": stack.password}, timeout=30
        )
        reply.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """One call under ``/api/v2``; returns the JSON body.

        Raises:
            ApiError: any status of 400 or more, after retries where the database was busy.
        """
        for attempt in range(_BUSY_RETRIES):
            reply = self._session.request(method, f"{self._base}/api/v2{path}", timeout=60, **kwargs)
            if not _is_busy(reply) or attempt == _BUSY_RETRIES - 1:
                break
            time.sleep(0.3 * (attempt + 1))
        if reply.status_code >= 400:
            raise ApiError(reply.status_code, reply.text[:2000])
        return reply.json() if reply.content else None

    def get(self, address: str) -> requests.Response:
        """A page outside the API, as the logged-in user."""
        return self._session.get(address, timeout=30)

    def wait_for_dag(self, dag_id: str, timeout_s: float = 60) -> None:
        """Wait until the DAG processor has published ``dag_id``.

        Raises:
            TimeoutError: it did not in time; the message carries Airflow's import errors.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                self.call("GET", f"/dags/{dag_id}")
                return
            except ApiError as error:
                if error.status != 404:
                    raise
            time.sleep(0.3)
        raise TimeoutError(
            f"DAG {dag_id} was not published in {timeout_s:.0f} s. Import errors: {self.import_errors()}"
        )

    def import_errors(self) -> list[dict[str, Any]]:
        return self.call("GET", "/importErrors")["import_errors"]

    def unpause(self, dag_id: str) -> None:
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": True})

    def create_pool(self, name: str, slots: int, description: str) -> None:
        """Create a pool; one that exists keeps the slots that somebody has given it."""
        body = {"name": name, "slots": slots, "description": description}
        try:
            self.call("POST", "/pools", json=body)
        except ApiError as error:
            if error.status != 409:
                raise

    def backfill(
        self,
        dag_id: str,
        first: str,
        last: str,
        *,
        max_active_runs: int,
        backwards: bool = False,
        again: str = "failed",
    ) -> int:
        """Backfill the partitions ``first`` to ``last`` (keys); returns the backfill's id."""
        body = {
            "dag_id": dag_id,
            # Bounds are moments and the schedule ticks during the day, or the hour: take all of the last one.
            "from_date": f"{first}:00:00Z" if "T" in first else f"{first}T00:00:00Z",
            "to_date": f"{last}:59:59Z" if "T" in last else f"{last}T23:59:59Z",
            "max_active_runs": max_active_runs,
            "run_backwards": backwards,
            "reprocess_behavior": again,
            "dag_run_conf": {},
        }
        return self.call("POST", "/backfills", json=body)["id"]

    def active_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Backfills of ``dag_id`` that have not ended; Airflow allows one at a time."""
        backfills = self.call("GET", "/backfills", params={"dag_id": dag_id})["backfills"]
        return [one for one in backfills if one["completed_at"] is None]

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, partition: str | None = None) -> str:
        """Start a manual run as the trigger form does; returns its run id."""
        body = {"logical_date": None, "conf": conf or {}, "partition_key": partition}
        return self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """All runs of ``dag_id``."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs"))

    def task_instances(self, dag_id: str, run_id: str = "~") -> list[dict[str, Any]]:
        """All task instances of a run, or of all runs."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances"))

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The log text of one task try."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        body = self.call("GET", path, params={"map_index": map_index, "full_content": True})
        return "\n".join(_text_of(line) for line in body["content"])

    def error_of(self, task: dict[str, Any]) -> str:
        """What the last error in a failed task's log says; empty if there is none."""
        path = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs"
        params = {"map_index": task["map_index"], "full_content": True}
        lines = self.call("GET", f"{path}/{task['try_number']}", params=params)["content"]
        errors = [one for line in lines if isinstance(line, dict) for one in line.get("error_detail") or ()]
        return str(errors[-1]["exc_value"]) if errors else ""

    def wait(self, dag_id: str, run_id: str, timeout_s: float = 300) -> dict[str, Any]:
        """Wait until a run has ended.

        Raises:
            TimeoutError: it did not in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            run = self.run(dag_id, run_id)
            if run["state"] in TERMINAL_STATES:
                return run
            time.sleep(0.1)
        raise TimeoutError(f"{dag_id} {run_id} did not end in {timeout_s:.0f} s")

    def _pages(self, path: str, field: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self.call("GET", path, params={"limit": 100, "offset": offset})
            yield from page[field]
            offset += 100
            if offset >= page["total_entries"]:
                return


def _is_busy(reply: requests.Response) -> bool:
    return reply.status_code == 503 or (reply.status_code == 500 and "Database error" in reply.text)


def _text_of(line: dict[str, Any] | str) -> str:
    """A structured log line as a person reads it: the event, and what an error said."""
    if isinstance(line, str):
        return line
    errors = [f"{one['exc_type']}: {one['exc_value']}" for one in line.get("error_detail") or ()]
    return "\n".join([str(line.get("event", line)), *errors])
