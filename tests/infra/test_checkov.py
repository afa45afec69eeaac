"""checkov over infra/: it reads every file, and finds nothing but what is meant to be as it is."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.infra.bicep import INFRA, ROOT, bicep_files, read

CHECKOV = ROOT / ".local" / "checkov" / "bin" / "checkov"

_NO_PRIVATE_NETWORK = "private networking is left to those who have one; keys are off and roles decide who gets in"
_NOT_THE_WEB_CONFIG = "takes the child for the site's `web` configuration; app.bicep has that in siteConfig"

ACCEPTED = {
    ("CKV_AZURE_35", "Microsoft.Storage/storageAccounts"): _NO_PRIVATE_NETWORK,
    ("CKV_AZURE_59", "Microsoft.Storage/storageAccounts"): _NO_PRIVATE_NETWORK,
    ("CKV_AZURE_43", "Microsoft.Storage/storageAccounts"): "can't compute the name: st and 13 lower-case characters",
    (
        "CKV_AZURE_206",
        "Microsoft.Storage/storageAccounts",
    ): "wants a second region; the app runs in one, over its zones",
    ("CKV_AZURE_193", "Microsoft.EventGrid/topics"): _NO_PRIVATE_NETWORK,
    ("CKV_AZURE_191", "Microsoft.EventGrid/topics"): "the topic itself reaches nothing that asks for an identity",
    (
        "CKV_AZURE_225",
        "Microsoft.Web/serverfarms",
    ): "would keep two instances ready and paid for; the app keeps none, and its work waits in the storage account",
    ("CKV_AZURE_222", "Microsoft.Web/sites"): _NO_PRIVATE_NETWORK,
    ("CKV_AZURE_17", "Microsoft.Web/sites"): "callers show a token or a function key, not certificates",
    ("CKV_AZURE_212", "Microsoft.Web/sites"): "Flex Consumption runs no instance while there is nothing to do",
    ("CKV_AZURE_213", "Microsoft.Web/sites"): "Flex Consumption has no health check of the platform's",
    (
        "CKV_AZURE_78",
        "Microsoft.Web/sites",
    ): "Flex Consumption has no FTP, and refuses an app whose ftpsState says so; passwords for it are off too",
    ("CKV_AZURE_56", "Microsoft.Web/sites/config"): "on with entraClientId; without it callers need a function key",
    ("CKV_AZURE_13", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_63", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_65", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_66", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_80", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_88", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
    ("CKV_AZURE_222", "Microsoft.Web/sites/config"): _NOT_THE_WEB_CONFIG,
}
"""The checks that fail, by check and resource type, and why that is right."""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What checkov says of infra/, without asking anybody."""
    assert CHECKOV.exists(), "checkov is not installed: run `make .local/checkov/.ready`"
    command = [CHECKOV, "-d", INFRA, "--framework", "bicep", "--compact", "--skip-download", "-o", "json"]
    environment = {**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.timeout(900)  # the first to ask for the report: 6 seconds of work, on a busy machine many more
def test_checkov_reads_every_file(report: dict[str, Any]) -> None:
    """No file is left out for its syntax, which checkov tells in its summary only, and no resource of a file."""
    assert report["summary"]["parsing_errors"] == 0
    resources = sum(len(read(path).resources) for path in bicep_files())
    assert report["summary"]["resource_count"] >= resources > 0


def test_checkov_finds_nothing_but_what_is_meant(report: dict[str, Any]) -> None:
    """Every failed check is accepted with a reason, and every accepted one still fails."""
    failed = {(it["check_id"], it["resource"].rpartition(".")[0]) for it in report["results"]["failed_checks"]}
    assert failed == ACCEPTED.keys()
