"""Scenario files: the ones that come with the simulator, strict reading, and errors that name file and key."""

import re
from collections import Counter
from pathlib import Path

import pytest

from simulator import ManualClock, ScenarioError, Simulator, events, limits, load_scenario, scenario, troubles
from simulator.scenario import SCENARIO_FOLDER
from tests.simulator.estates import START, StartAzure, a_policy, a_scenario, a_vm

NAMES = sorted(file.stem for file in SCENARIO_FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", [*NAMES, "fleet:2x3"])
async def test_every_scenario_starts_and_expects_something_of_each_vm(start_azure: StartAzure, name: str) -> None:
    """Each protected item has an expectation, and the scenario's name is the one it was asked by."""
    azure = await start_azure(name)

    described, state = await azure.control("GET", "scenario"), await azure.control("GET", "state")

    assert described["scenario"] == name
    assert described["expectations"].keys() == state["items"].keys()


async def test_the_demo_has_every_kind_of_vm(start_azure: StartAzure) -> None:
    """66 VMs in three vaults; most can be migrated, and every reason not to is there."""
    azure = await start_azure("demo")

    expectations = (await azure.control("GET", "scenario"))["expectations"].values()

    found = Counter((each["state"], each["finding"]) for each in expectations)
    assert found == {
        ("Migrated", None): 46,
        ("AlreadyEnhanced", None): 3,
        ("Failed", None): 2,
        ("Blocked", "RetentionShrinks"): 4,
        ("Blocked", "ClassicVm"): 2,
        ("Blocked", "UnmanagedDisks"): 2,
        ("Blocked", "ProtectionStopped"): 2,
        ("Blocked", "SoftDeleted"): 2,
        ("Blocked", "InitialBackupPending"): 2,
        ("Blocked", "VmNotFound"): 1,
    }


async def test_the_demo_does_what_it_expects(start_azure: StartAzure) -> None:
    """Every VM that should migrate can be moved to EnhancedPolicy within three hours, and those that should fail do."""
    azure = await start_azure("demo")
    azure.advance(minutes=45)  # the running backups are over
    expectations = (await azure.control("GET", "scenario"))["expectations"]
    for item, expectation in expectations.items():
        if expectation["state"] in ("Migrated", "Failed"):
            vault = item.partition("/backupFabrics")[0]
            target = {
                "policyId": f"{vault}/backupPolicies/EnhancedPolicy",
                "protectedItemType": "Microsoft.Compute/virtualMachines",
            }
            answer = await azure.request("PUT", item, {"properties": target})
            assert answer.status_code == 202, item

    azure.advance(hours=3)
    state = (await azure.control("GET", "state"))["items"]

    for item, expectation in expectations.items():
        if expectation["state"] in ("Migrated", "Failed", "AlreadyEnhanced"):
            enhanced = state[item]["policyType"] == "V2"
            assert enhanced == (expectation["state"] != "Failed"), item
            assert not any(job["status"] == "InProgress" for job in state[item]["jobs"]), item


async def test_a_fleet_is_as_large_as_its_name_says(start_azure: StartAzure) -> None:
    """fleet:3x4: three vaults of four VMs, listed in pages."""
    azure = await start_azure("fleet:3x4")

    described = await azure.control("GET", "scenario")

    assert (len(described["vaults"]), len(described["expectations"])) == (3, 12)


async def test_the_same_seed_makes_the_same_estate(start_azure: StartAzure) -> None:
    """Ids, times and durations come from seeded dice."""

    async def items(seed: int) -> object:
        azure = await start_azure("one-vault", seed=seed)
        vault = (await azure.control("GET", "scenario"))["vaults"][0]
        return (await azure.get(f"{vault}/backupProtectedItems"))["value"]

    assert await items(1) == await items(1)
    assert await items(1) != await items(2)


@pytest.mark.parametrize("name", ["nothing", "fleet:0x5", "fleet:101x100", "fleet:many", "/no/such/file.toml"])
def test_an_unknown_scenario_is_refused_with_what_is_known(name: str) -> None:
    """A sentence that names the scenario asked for."""
    with pytest.raises(ScenarioError, match=name.partition(":")[0]):
        load_scenario(name)


BAD = {
    "unknown key": (a_vm(colour="red"), r"unknown field `colour` - at `\$.vaults\[0\].vms\[0\]`"),
    "wrong type": (a_vm(count="many"), r"Expected `int`, got `str` - at `\$.vaults\[0\].vms\[0\].count`"),
    "unknown value": (a_vm(protection="Maybe"), r"at `\$.vaults\[0\].vms\[0\].protection`"),
    "unknown policy": (a_vm(policy="nothing"), "vms 'vm': policy 'nothing' is not in the vault"),
    "unknown error": (a_vm(migration={"ends": "Failed", "error": "X"}), "vms 'vm': migration.error 'X' is not one of"),
    "name without a number": (a_vm("same", count=2), r"vms 'same': name needs \{n\}"),
    "name with another brace": (a_vm("{x}"), r"name may hold \{n\}"),
    "no disk": (a_vm(disk_gib=[]), r"length >= 1 - at `\$.vaults\[0\].vms\[0\].disk_gib`"),
    "the same VM twice": (
        a_vm("vm-{n}", count=2) + "\n" + a_vm("VM-2"),
        "vms 'VM-2': another group has a VM of that name",
    ),
    "event of no policy": (
        a_vm() + '\n[[events]]\nevent = "PolicyChangedElsewhere"\nvm = "vm"\npolicy = "nothing"',
        "PolicyChangedElsewhere: vault 'vault-test' has no policy 'nothing'",
    ),
    "event of nobody": (
        a_vm() + '\n[[events]]\nevent = "VmDeleted"\nvm = "nobody"',
        "VmDeleted: there is no protected item of a VM 'nobody'",
    ),
    "policy the service refuses": (a_policy("p", at="16:15"), "policy 'p': the service would refuse it"),
    "not TOML": ("[[", "test is not TOML"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_in_a_file_is_named(mistake: str) -> None:
    """The sentence says where it is and what is wrong."""
    tables, sentence = BAD[mistake]

    with pytest.raises(ScenarioError, match=sentence):
        Simulator(a_scenario(tables), clock=ManualClock(START))


def test_a_scenario_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    """Any path that ends in .toml."""
    file = tmp_path / "mine.toml"
    file.write_text((SCENARIO_FOLDER / "one-vault.toml").read_text(encoding="utf-8"), encoding="utf-8")

    assert load_scenario(str(file)).name == "mine"


def test_every_key_of_a_scenario_is_documented() -> None:
    """README.md beside the simulator names each key of each table."""
    readme = (SCENARIO_FOLDER.parent / "README.md").read_text(encoding="utf-8")
    tables = (
        scenario.Scenario,
        scenario.Service,
        scenario.SubscriptionTable,
        scenario.VaultTable,
        scenario.PolicyTable,
        scenario.Retention,
        scenario.VmGroup,
        scenario.Expectation,
        events.Migration,
        limits.Limits,
        troubles.Trouble,
    )
    keys = {key for table in tables for key in table.__struct_fields__}
    documented = {name.rpartition(".")[2] for name in re.findall(r"`\[*([\w.]+)\]*`", readme)}

    assert sorted(keys - documented) == []
