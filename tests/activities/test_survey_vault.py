"""Reading a vault: what becomes of each of its VMs, at what cost, and what if it can't be read."""

from dataclasses import replace

import msgspec
import pytest

from activities.survey_vault import survey_vault
from clients import Clients
from migration.records import ItemState
from migration.steps import Survey
from simulator import Simulator
from simulator.scenario import Service
from simulator.troubles import Trouble, TroubleKind
from tests.activities.ledgers import ORDER, given, verdicts
from tests.builders import ENHANCED, STANDARD, VAULT_KEY, a_record, a_vault
from tests.clients.canned import Canned, CannedAzure
from tests.clients.simulated import (
    DISK_READ,
    ITEM_LIST,
    JOB_READ,
    POLICY_READ,
    VAULT_READ,
    VM_READ,
    a_policy_table,
    a_scenario,
    a_vm_group,
)
from tests.ledgers import write_plan

PLANNED, BLOCKED = ItemState.PLANNED, ItemState.BLOCKED

ESTATE = a_scenario(
    a_vm_group("ready"),
    a_vm_group("busy", running_backup_minutes=40),
    a_vm_group("odd", odd_casing=True),
    a_vm_group("done", policy="EnhancedPolicy"),
    a_vm_group("classic", classic=True),
    a_vm_group("blob", disks="unmanaged"),
    a_vm_group("gone", vm_exists=False),
    a_vm_group("stopped", protection="ProtectionStopped"),
    a_vm_group("deleted", protection="SoftDeleted"),
    a_vm_group("fresh", protection="IRPending"),
    a_vm_group("keeper", policy="long"),
    policies=[a_policy_table("long", retention={"daily": 90})],
)


@pytest.mark.parametrize("scenario", [ESTATE])
async def test_every_vm_of_the_vault_gets_its_verdict(clients: Clients) -> None:
    """The plan's rows are in the ledger, one a VM, and the vault's record sums them up."""
    await given(clients.ledger)

    await survey_vault(clients, ORDER)

    assert await verdicts(clients.ledger) == {
        "ready": (PLANNED, ""),
        "busy": (PLANNED, ""),
        "odd": (PLANNED, ""),
        "done": (ItemState.ALREADY_ENHANCED, "AlreadyEnhanced"),
        "classic": (BLOCKED, "ClassicVm"),
        "blob": (BLOCKED, "UnmanagedDisks"),
        "gone": (BLOCKED, "VmNotFound"),
        "stopped": (BLOCKED, "ProtectionStopped"),
        "deleted": (BLOCKED, "SoftDeleted"),
        "fresh": (BLOCKED, "InitialBackupPending"),
        "keeper": (BLOCKED, "RetentionShrinks"),
    }
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert vault.surveyed and not vault.problem
    assert vault.counts == {"AlreadyEnhanced": 1, "Blocked": 7, "Planned": 3}
    assert sum(vault.reasons.values()) == 8
    assert [target.name for target in vault.targets] == ["EnhancedPolicy"] and vault.plan_hash
    assert vault.plan.verdicts["Planned/"] == 3


async def test_a_planned_vm_carries_everything_its_migration_needs(clients: Clients) -> None:
    """Ids as the service spells them, both policies, and how jobs will name its container."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    [record] = await clients.ledger.read_items("m1", VAULT_KEY)
    assert record.cost and record.cost.high > record.cost.low > 0
    assert msgspec.structs.replace(record, etag="", cost=None, findings=()) == a_record(
        source_policy_id=STANDARD, target_policy_id=ENHANCED
    )


@pytest.mark.parametrize("scenario", [a_scenario(a_vm_group("busy", running_backup_minutes=40))])
async def test_a_running_backup_is_noted_and_does_not_block(clients: Clients) -> None:
    """It will be over when the VM's turn comes."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    [record] = await clients.ledger.read_items("m1", VAULT_KEY)
    assert record.state is PLANNED
    assert [finding.code for finding in record.findings] == ["BackupJobRunning", "CostIncrease"]


@pytest.mark.parametrize(
    ("scenario", "pages"),
    [
        (a_scenario(a_vm_group("vm-{n:03}", count=1)), 1),
        (a_scenario(a_vm_group("vm-{n:03}", count=60)), 1),
        (a_scenario(a_vm_group("vm-{n:03}", count=60), service=Service(page_size=30)), 2),
    ],
    ids=["one VM", "sixty", "sixty in two pages"],
)
async def test_a_survey_costs_lists_only_whatever_the_number_of_vms(
    pages: int, simulator: Simulator, clients: Clients
) -> None:
    """The vault, its lists, the subscription's VMs and disks, the target's members; no VM is asked for by itself."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    assert simulator.log.counts() == {
        VAULT_READ: 1,
        ITEM_LIST: pages,
        POLICY_READ: 2,
        JOB_READ: 1,
        VM_READ: pages,
        DISK_READ: pages,
    }


async def test_a_second_survey_changes_nothing(simulator: Simulator, clients: Clients) -> None:
    """Delivered again after its end, it neither reads nor writes."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    rows, asked = await clients.ledger.read_items("m1", VAULT_KEY), len(simulator.log.requests)

    await survey_vault(clients, ORDER)

    assert await clients.ledger.read_items("m1", VAULT_KEY) == rows
    assert len(simulator.log.requests) == asked


async def test_a_survey_that_was_cut_short_is_done_again(clients: Clients) -> None:
    """Rows without a surveyed vault are of an interrupted try: the next one writes the same plan again."""
    await given(clients.ledger)
    await survey_vault(clients, ORDER)
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    await write_plan(clients.ledger, "m1", VAULT_KEY, [a_record(), a_record("no-longer-there")])
    cut_short = await clients.ledger.read_vault("m1", VAULT_KEY)
    await clients.ledger.write_vault(msgspec.structs.replace(a_vault(), etag=cut_short.etag))

    await survey_vault(clients, ORDER)

    again = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert again.plan_hash == vault.plan_hash
    assert await verdicts(clients.ledger) == {"web-01": (PLANNED, "")}


@pytest.mark.parametrize("action", [VAULT_READ, ITEM_LIST, POLICY_READ, JOB_READ, VM_READ, DISK_READ])
async def test_a_vault_that_may_not_be_read_is_recorded_with_the_problem(
    action: str, simulator: Simulator, clients: Clients
) -> None:
    """Whichever list is forbidden, the survey ends with the reason and plans nothing."""
    simulator.troubles.add(Trouble(kind=TroubleKind.NOT_AUTHORIZED, action=action))
    await given(clients.ledger)

    await survey_vault(clients, ORDER)

    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert vault.surveyed
    assert "AuthorizationFailed" in vault.problem
    assert await clients.ledger.read_items("m1", VAULT_KEY) == []


async def test_a_vault_that_is_not_there_is_recorded_with_the_problem(clients: Clients) -> None:
    """A mistyped vault is a problem of the migration, not an empty plan."""
    await given(clients.ledger, vault_id=a_vault().vault_id + "-typo")
    await survey_vault(clients, ORDER)
    assert "ResourceNotFound" in (await clients.ledger.read_vault("m1", VAULT_KEY)).problem


async def test_a_throttled_survey_is_asked_for_again(simulator: Simulator, clients: Clients) -> None:
    """The seconds to stay away are the answer; the vault stays unsurveyed until a later try succeeds."""
    simulator.troubles.add(Trouble(kind=TroubleKind.TOO_MANY_REQUESTS, action=JOB_READ, seconds=324, times=1))
    await given(clients.ledger)
    assert await survey_vault(clients, ORDER) == Survey(done=False, stay_away_seconds=324)
    assert not (await clients.ledger.read_vault("m1", VAULT_KEY)).surveyed

    assert await survey_vault(clients, ORDER) == Survey(done=True)
    assert (await clients.ledger.read_vault("m1", VAULT_KEY)).surveyed


async def test_an_outage_is_told_and_does_not_end_the_survey(clients: Clients) -> None:
    """A vault that can't be read now is asked for again a little later, and says why until it is."""
    await given(clients.ledger)
    async with CannedAzure(Canned(status=503, headers={"Retry-After": "1"})) as down:
        survey = await survey_vault(replace(clients, backup=down.backup), ORDER)
    assert not survey.done and survey.stay_away_seconds > 0
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert (vault.surveyed, vault.problem[:3]) == (False, "503")

    await survey_vault(clients, ORDER)
    vault = await clients.ledger.read_vault("m1", VAULT_KEY)
    assert (vault.surveyed, vault.problem) == (True, "")
