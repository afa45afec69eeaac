"""host.json is explained, value by value, and what it asks for is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_host.settings import HostSettings
from tests.infra.tables import table

ROOT = Path(__file__).resolve().parents[2]
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text())


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object, by its JSON pointer."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{pointer}/{key}")
    else:
        yield pointer, value


def test_every_value_is_explained() -> None:
    """The table in docs/host.md has the keys of host.json, their values, and a reason for each."""
    shown = table(ROOT / "docs" / "host.md", "host.json")
    assert [(row[0], row[1]) for row in shown] == [
        (f"`{key}`", f"`{json.dumps(value)}`") for key, value in leaves(HOST)
    ]
    assert all(row[2] for row in shown)


def test_the_host_json_for_the_scheduler_differs_in_the_storage_provider_only() -> None:
    """What is decided in one holds in the other; the values of its own are explained too."""
    with_scheduler = json.loads((ROOT / "infra" / "host.scheduler.json").read_text())
    provider = with_scheduler["extensions"]["durableTask"]["storageProvider"]
    ours = {"extensions": {"durableTask": {"storageProvider": provider}}}
    shown = table(ROOT / "docs" / "host.md", "host.json", 1)
    assert [(row[0], row[1]) for row in shown] == [
        (f"`{key}`", f"`{json.dumps(value)}`") for key, value in leaves(ours)
    ]
    assert all(row[2] for row in shown)

    with_scheduler["extensions"]["durableTask"]["storageProvider"] = HOST["extensions"]["durableTask"][
        "storageProvider"
    ]
    assert with_scheduler == HOST


def test_every_setting_it_asks_for_is_made() -> None:
    """Each %NAME% is an application setting of the deployment and of the example for one's own machine."""
    asked = set(re.findall(r"%(\w+)%", json.dumps(HOST)))
    made = {row[0].strip("`") for row in table(ROOT / "docs" / "host.md", "Settings of the host")}
    local = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert asked and asked <= made and asked <= set(local)


def test_the_local_host_reads_it() -> None:
    """Routes and hub are the same here as in Azure."""
    settings = HostSettings.from_host_json(HOST)
    assert (settings.route_prefix, settings.task_hub) == ("api", "%DURABLE_TASK_HUB%")


def test_the_numbers_in_the_text_are_the_numbers() -> None:
    """The chapter on concurrency speaks of the values that are set."""
    durable = HOST["extensions"]["durableTask"]
    text = (ROOT / "docs" / "host.md").read_text()
    http = re.search(r"perInstanceConcurrency: (\d+)", (ROOT / "infra" / "modules" / "app.bicep").read_text())
    assert http
    assert f"**Activities: {durable['maxConcurrentActivityFunctions']}.**" in text
    assert f"**Orchestrations: {durable['maxConcurrentOrchestratorFunctions']}.**" in text
    assert f"**HTTP: {http[1]}**" in text
