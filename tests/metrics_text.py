"""What an exporter printed, as Prometheus reads it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraped:
    """Samples by name and labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, text: str | bytes) -> "Scraped":
        found = text.decode() if isinstance(text, bytes) else text
        families = text_string_to_metric_families(found)
        return cls({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def value(self, name: str, pipeline: str | None = "toy", **labels: str) -> float | None:
        """The sample's value; None if there is none."""
        labels |= {"pipeline": pipeline} if pipeline else {}
        return self.samples.get((name, frozenset(labels.items())))

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for found, labels in self.samples if found == name]

    def without(self, names: Iterable[str]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        left_out = set(names)
        return {sample: value for sample, value in self.samples.items() if sample[0] not in left_out}
