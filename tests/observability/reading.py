"""Reads what Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    def __init__(self, text):
        self.families = list(text_string_to_metric_families(text))

    def __call__(self, name, **labels):
        """The value of this sample, None where there is none."""
        found = [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == f"circdesk_{name}" and sample.labels == labels
        ]
        assert len(found) < 2
        return found[0] if found else None

    def by(self, label, name, **labels):
        """The values of these samples, by one of their labels."""
        return {
            sample.labels[label]: sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == f"circdesk_{name}" and labels.items() <= sample.labels.items()
        }

    def names(self):
        """Of all that may have samples, as queries name them."""
        found = set()
        for family in self.families:
            match family.type:
                case "counter":
                    found |= {f"{family.name}_total"}
                case "histogram":
                    found |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
                case _:
                    found |= {family.name}
        return found
