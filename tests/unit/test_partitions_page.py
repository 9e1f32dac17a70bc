"""docs/concepts/partitions.md: its whole pipeline is one that loads, and its table of keys and schedules is true."""

import re
from pathlib import Path

from include.perennial.cron import firing_offset
from include.perennial.partitions import Partition, Period
from include.perennial.settings import PROJECT_ROOT
from include.perennial.spec.reader import read_spec

PAGE = (PROJECT_ROOT / "docs" / "concepts" / "partitions.md").read_text(encoding="utf-8")


def test_the_pipeline_of_the_page_is_valid(tmp_path: Path) -> None:
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("name:")]
    (tmp_path / "returns").mkdir()
    (tmp_path / "returns" / "pipeline.yaml").write_text(text)

    spec = read_spec(tmp_path / "returns" / "pipeline.yaml")

    assert spec.data.labels is not None
    assert (spec.data.label_key, spec.data.zone) == (("order_id",), "Europe/Berlin")


def test_the_table_names_every_period_with_a_key_and_a_schedule_of_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)

    assert [period for period, _, _ in rows] == list(Period)
    for period, key, cron in rows:
        assert Partition.of_key(key, Period(period)).key == key
        assert firing_offset(cron, Period(period))
