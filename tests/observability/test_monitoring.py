"""What Prometheus and Grafana are given: it asks for what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "circdesk.json").read_text(encoding="utf-8"))
ALERTS = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {
    **{f"panel {panel['title']}, {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]},
    **{f"alert {rule['alert']}": rule["expr"] for rule in ALERTS},
}


def metrics_of(query):
    return set(re.findall(r"\bcircdesk_\w+", query))


@pytest.fixture
def told(scrape):
    return scrape()


@pytest.mark.django_db(transaction=True)
def test_every_query_asks_for_metrics_that_there_are(told):
    there = told.names()

    assert {name: metrics_of(query) - there for name, query in QUERIES.items() if metrics_of(query) - there} == {}
    assert all(metrics_of(query) or "up{" in query for query in QUERIES.values())


@pytest.mark.django_db(transaction=True)
def test_every_metric_is_explained_and_none_else(told):
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## Metrics")[2].partition("\n## ")[0]
    explained = set(re.findall(r"^\| `(circdesk_\w+)", table, re.MULTILINE))
    of_the_process = {name for name in told.names() if name.startswith("circdesk_process_")}

    assert explained == {re.sub(r"_(bucket|sum|count)$", "", name) for name in told.names() - of_the_process}


@pytest.mark.django_db(transaction=True)
def test_what_alerts_say_of_parts_and_queues_is_what_they_are_called(told, http):
    queues = set(told.by("queue", "oldest_due_seconds"))
    parts = set(told.by("part", "up")) | {"replica", "other service"}

    named = {
        label: {
            name
            for query in QUERIES.values()
            for value in re.findall(rf'{label}!?=~?"([^"]+)"', query)
            for name in value.split("|")
        }
        for label in ("part", "queue")
    }
    assert named["part"] <= parts
    assert named["queue"] <= queues


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_the_matter_and_what_to_do(rule):
    assert rule["labels"]["severity"] in ("page", "warn")
    assert rule["annotations"].keys() == {"summary", "runbook"}
    assert all(text.endswith(".") for text in rule["annotations"].values())


def test_panels_have_titles_of_their_own_and_do_not_overlap():
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(places)) == len(places)
    assert {x for x, _ in places} == set(range(24))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_prometheus_takes_its_configuration_and_the_alerts():
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=MONITORING, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in checked.stdout


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_alerts_fire_when_they_should_and_not_before():
    tested = subprocess.run(
        ["promtool", "test", "rules", "alerts_at_work.yml"], cwd=Path(__file__).parent, capture_output=True, text=True
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
