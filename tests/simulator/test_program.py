"""`python -m simulator`: the line it prints, how it ends, what it says when it cannot start; the synchronous SDK."""

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

from tests.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
READY = {"arm", "ca", "identityEndpoint", "identityHeader", "control", "scenario"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "simulator", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes a test started; what is left of them is ended."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def ready(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_listens_and_ends_on_a_signal(
    running: list[subprocess.Popen[str]], ending: signal.Signals
) -> None:
    """One JSON line, then answers; exit code 0 and nothing more on stdout or stderr after a signal."""
    process = start("--scenario", "one-vault", "--time-scale", "600")
    running.append(process)

    line = ready(process)
    tls = ssl.create_default_context(cafile=line["ca"])
    with urllib.request.urlopen(f"{line['control']}/scenario", context=tls) as answer:
        scenario = json.load(answer)
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert line.keys() == READY
    assert (scenario["scenario"], scenario["timeScale"]) == ("one-vault", 600)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert not Path(line["ca"]).exists()


def test_a_port_that_is_taken_is_said_in_a_sentence(running: list[subprocess.Popen[str]]) -> None:
    """Exit code 2."""
    first = start("--scenario", "one-vault")
    running.append(first)
    second = start("--scenario", "one-vault", "--port", ready(first)["arm"].rpartition(":")[2])
    running.append(second)

    output, errors = second.communicate(timeout=PATIENCE_SECONDS)

    assert (second.returncode, output) == (2, "")
    assert errors.startswith("The simulator cannot listen: ") and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scenario", "nothing"], "There is no scenario 'nothing'."),
        (["--scenario", "missing.toml"], "There is no scenario 'missing.toml'."),
        (["--scenario", "fleet", "--set", "vaults=x"], "'fleet:xx200' is not a fleet"),
        (["--scenario", "demo", "--set", "vaults=2"], "--set takes"),
    ],
)
def test_a_scenario_that_cannot_be_used_is_said_in_a_sentence(
    running: list[subprocess.Popen[str]], arguments: list[str], sentence: str
) -> None:
    """Exit code 2, one line on stderr, no stack trace."""
    process = start(*arguments)
    running.append(process)

    output, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, output) == (2, "")
    assert errors.startswith(sentence) and errors.count("\n") == 1


def test_a_folder_keeps_its_certificate_authority(running: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    """Started again with the same --tls-dir, a client that trusted it still does; the key is its owner's alone."""
    authorities: list[bytes] = []
    scenarios: list[str] = []
    for _ in range(2):
        process = start("--scenario", "fleet", "--set", "vaults=1", "--set", "items=2", "--tls-dir", str(tmp_path))
        running.append(process)
        line = ready(process)
        scenarios.append(line["scenario"])
        authorities.append(Path(line["ca"]).read_bytes())
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

    assert scenarios == ["fleet:1x2"] * 2
    assert authorities[0] == authorities[1]
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0


class Token:
    """A synchronous credential of no effort."""

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("test", 4_102_444_800)


def test_the_synchronous_sdk_works_as_well(running: list[subprocess.Popen[str]]) -> None:
    """The requests-based client against the program: list, change, poll to the end on a fast clock."""
    process = start("--scenario", "one-vault", "--time-scale", "36000")
    running.append(process)
    line = ready(process)
    subscription = "0ae5ab00-0000-4000-8000-000000000001"

    with RecoveryServicesBackupClient(Token(), subscription, base_url=line["arm"], connection_verify=line["ca"]) as sdk:
        item = next(iter(sdk.backup_protected_items.list("vault-one", "rg-one")))
        assert item.id is not None and item.name is not None and item.properties is not None
        enhanced = sdk.protection_policies.get("vault-one", "rg-one", "EnhancedPolicy")
        item.properties.policy_id = enhanced.id
        container = item.id.split("/")[-3]
        poller = sdk.protected_items.begin_create_or_update("vault-one", "rg-one", "Azure", container, item.name, item)
        changed = poller.result(timeout=PATIENCE_SECONDS)

    assert changed.properties is not None
    assert changed.properties.policy_name == "EnhancedPolicy"
