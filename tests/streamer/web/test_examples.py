"""The dashboard and the manifest name what the service has."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from streamer.settings import settings_of
from streamer.web.settings import AccessSettings, JobSettings, LiveSettings, WorkSettings
from tests.support.paths import ROOT
from tests.support.service import service

DASHBOARD = json.loads((ROOT / "examples" / "grafana" / "streamer.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
ADDED = {"job", "le"}
"""Labels that Prometheus adds, and that of buckets."""


def _scraped() -> tuple[dict[str, str], str]:
    """The kind of each metric by its name as it is asked for, without the ends of samples; and the text."""

    async def run() -> str:
        async with service() as running:
            return (await running.client.get("/metrics")).text

    text = asyncio.run(run())
    return {family.name: family.type for family in text_string_to_metric_families(text)}, text


@pytest.fixture(scope="module")
def scraped() -> tuple[dict[str, str], str]:
    return _scraped()


def _named(expression: str) -> set[str]:
    return set(re.findall(r"\bm2fp_\w+", expression))


ENDS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
    "gauge": ("",),
}


@pytest.mark.slow
def test_the_dashboard_asks_for_what_is_told_and_for_all_of_it(scraped: tuple[dict[str, str], str]) -> None:
    kinds, _ = scraped
    known = {f"{name}{end}": name for name, kind in kinds.items() for end in ENDS[kind]}
    asked = set().union(*map(_named, EXPRESSIONS))
    assert asked <= known.keys(), asked - known.keys()
    drawn = {known[name] for name in asked} | {"m2fp_build_info"}  # of the variable `job`
    assert drawn == {name for name in kinds if name.startswith("m2fp_")}
    assert "m2fp_build_info" in DASHBOARD["templating"]["list"][1]["query"]


@pytest.mark.slow
def test_the_dashboard_uses_labels_that_there_are() -> None:
    source = (ROOT / "streamer" / "web" / "costs.py").read_text() + (
        ROOT / "streamer" / "web" / "metrics.py"
    ).read_text()
    for panel in PANELS:
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            labels |= set(re.findall(r"(\w+)=~?\"", target["expr"]))
            for by in re.findall(r"by \(([^)]*)\)", target["expr"]):
                labels |= set(by.split(", "))
            assert all(f'"{label}"' in source for label in labels - ADDED), (panel["title"], labels)


def test_panels_have_their_places() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= own
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


MANIFEST = {
    each["kind"]: each for each in yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "streamer.yaml").read_text())
}
POD = MANIFEST["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_the_manifest_leads_to_the_port_of_the_service() -> None:
    (port,) = CONTAINER["ports"]
    (outside,) = MANIFEST["Service"]["spec"]["ports"]
    assert port["containerPort"] == outside["port"] == AccessSettings().port
    assert outside["targetPort"] == port["name"]
    labels = POD["metadata"]["labels"]
    assert MANIFEST["Service"]["spec"]["selector"] == labels
    assert MANIFEST["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    mounted = {each["name"] for each in CONTAINER["volumeMounts"]}
    assert mounted == {each["name"] for each in POD["spec"]["volumes"]}
    claims = [each["persistentVolumeClaim"]["claimName"] for each in POD["spec"]["volumes"] if len(each) == 2
              and "persistentVolumeClaim" in each]  # fmt: skip
    assert claims == [MANIFEST["PersistentVolumeClaim"]["metadata"]["name"]]


def _given(args: list[str]) -> Iterator[tuple[str, str]]:
    assert args[0] == "serve"
    yield from zip(args[1::2], args[2::2], strict=True)


def test_the_manifest_starts_the_service_with_settings_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = (AccessSettings, WorkSettings, JobSettings, LiveSettings)
    known = {each.option for group in groups for each in settings_of(group)}
    given = dict(_given(CONTAINER["args"]))
    assert given.keys() <= known
    (token,) = CONTAINER["env"]
    monkeypatch.setenv(token["name"], "0123456789abcdefghijkl")
    access = AccessSettings(host=given["--host"], allow_host=(given["--allow-host"],))
    assert access.secret == "0123456789abcdefghijkl"
    assert given["--allow-host"] == MANIFEST["Service"]["metadata"]["name"]
    assert given["--data"] in {each["mountPath"] for each in CONTAINER["volumeMounts"]}


def test_the_pod_runs_as_the_image_does_and_writes_nothing_else() -> None:
    user = re.search(r"USER (\d+)", (ROOT / "Dockerfile").read_text())
    assert user is not None
    assert POD["spec"]["securityContext"]["runAsUser"] == int(user[1])
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.slow
def test_probes_are_answered_without_a_token_by_the_pods_address() -> None:
    async def run() -> None:
        access = AccessSettings(host="0.0.0.0", token="0123456789abcdefghijkl")
        async with service(access) as running:
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked: dict[str, Any] = CONTAINER[name]["httpGet"]
                assert asked["port"] == CONTAINER["ports"][0]["name"]
                answer = await running.client.get(asked["path"], headers={"host": "10.1.2.3:7860"})
                assert answer.status_code == 200, name

    asyncio.run(run())
