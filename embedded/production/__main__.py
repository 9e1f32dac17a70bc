"""`make production`: the whole loop of flight_delays through the production stack, with tables of what came of it."""

import sys
import time

import psycopg2
from rich.console import Console
from rich.table import Table

from embedded import job, processes
from embedded.airflow_api import ApiError
from embedded.plan import fixed
from embedded.production import monitoring
from embedded.production.stack import WORKERS, Production
from embedded.production.start import environment_of, production, tasks_done
from embedded.report import Timings, show
from include.perennial.errors import PerennialError
from include.perennial.partitions import Period

# Nine weeks for the first model, two models, and two weeks that are watched.
WEEKS = fixed("flight_delays", Period.WEEK, "2013-01-07", "2013-03-04", "2013-03-18", "2013-03-25")


def main() -> int:
    """Run the loop; 0 if it closed."""
    processes.stop_on_terminate()
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)

    try:
        with production(tell) as stack, environment_of(stack):
            tell(f"ready: two workers{' with networks and files of their own' if stack.isolated else ''}")
            outcome, steps = job.do(stack, WEEKS, tell)
            workers = _workers_table(stack)
            scraped = _scraped(stack)
            tell("stopping everything")
    except (processes.StackError, ApiError, PerennialError, psycopg2.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130
    console = Console(width=None if sys.stdout.isatty() else 140)
    show(outcome, Timings(wall_s=time.monotonic() - started, steps=steps), console)
    console.print(workers)
    console.print(scraped)
    return 0 if outcome.closed else 1


def _scraped(stack: Production) -> str:
    """What Prometheus knows of the loop at its end."""
    if not monitoring.is_installed():
        return "Prometheus is not installed here (Debian: prometheus): nothing was scraped."
    time.sleep(2 * monitoring.SCRAPED_EVERY_S)
    champions = ", ".join(f"v{one['version']}" for one in monitoring.query(stack, "perennial_champion_info"))
    series = len(monitoring.query(stack, '{job="perennial"}'))
    return f"Prometheus scraped {series} series of the loop; champion by them: {champions or 'none'}."


def _workers_table(stack: Production) -> Table:
    machine = "network, files and code of its own" if stack.isolated else "files and code of its own"
    table = Table("worker", "tasks", "machine", title="Workers", title_justify="left")
    for name in WORKERS:
        table.add_row(name, str(tasks_done(stack, name)), machine)
    return table


if __name__ == "__main__":
    sys.exit(main())
