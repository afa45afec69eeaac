"""Scenarios: what exists at the start, as a TOML file, read strictly. README.md documents every key.

`load_scenario` takes the name of a file beside this module, a path, or `fleet:VAULTSxITEMS`, and gives a Scenario;
populate.py makes the state from it. A mistake in a file is a ScenarioError whose message names the file and the key.
"""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from simulator.events import Event, Migration
from simulator.limits import Limits
from simulator.resources import Expectation, Frequency
from simulator.troubles import Trouble

SCENARIO_FOLDER = Path(__file__).parent / "scenarios"


class ScenarioError(ValueError):
    """One sentence for whoever wrote the file."""


class PolicyVisible(StrEnum):
    """When an item shows its new policy. The service's habit during a migration is not recorded."""

    AT_END = "at-end"
    AT_START = "at-start"


class PrecautionaryBackup(StrEnum):
    """Where the backup that a migration takes shows up: as tasks of its job, as a Backup job of its own, or nowhere."""

    INSIDE = "inside"
    SEPARATE = "separate"
    NONE = "none"


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulated service behaves, where the real one is not recorded or varies."""

    page_size: Annotated[int, msgspec.Meta(ge=0)] = 0
    policy_visible: PolicyVisible = PolicyVisible.AT_END
    precautionary_backup: PrecautionaryBackup = PrecautionaryBackup.INSIDE
    operation_label: str = "ConfigureBackup"
    early_job_id: bool = False
    policy_change_seconds: float = 30
    policy_put_takes_time: bool = False
    migration_cancellable: bool = False
    migration_base_minutes: float = 30
    migration_gib_per_hour: Annotated[float, msgspec.Meta(gt=0)] = 300
    backup_minutes: float = 40
    scheduled_backups: bool = False


class SubscriptionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    name: str


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    type: Literal["Standard", "Enhanced"]
    schedule: Frequency
    retention: Retention
    at: str = "16:30"
    days: tuple[str, ...] = ()
    interval_hours: int = 4
    window_hours: int = 12
    instant_days: int | None = None
    time_zone: str = "UTC"


Protection = Literal[
    "Protected",
    "IRPending",
    "ProtectionStopped",
    "ProtectionError",
    "ProtectionPaused",
    "BackupsSuspended",
    "SoftDeleted",
]
"""A protection state of the service, or SoftDeleted, which the service shows as ProtectionStopped with more members."""


class VmGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """VMs that differ in nothing but their name, and their protected items."""

    name: str
    count: Annotated[int, msgspec.Meta(ge=0)] = 1
    resource_group: str
    policy: str = "DefaultPolicy"
    protection: Protection = "Protected"
    disks: Literal["managed", "unmanaged"] = "managed"
    classic: bool = False
    disk_gib: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)] = (128,)
    size: str = "Standard_D2s_v5"
    trusted_launch: bool = False
    shared_disk: bool = False
    excluded_luns: tuple[int, ...] = ()
    vm_exists: bool = True
    running_backup_minutes: float | None = None
    odd_casing: bool = False
    migration: Migration = Migration()
    expect: Expectation | None = None


class VaultTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    subscription: str
    resource_group: str
    location: str = "westeurope"
    tags: dict[str, str] = {}
    resource_guard: bool = False
    immutable: bool = False
    policies: list[PolicyTable] = []
    vms: list[VmGroup] = []


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    name: str = ""
    service: Service = Service()
    limits: Limits = Limits()
    troubles: tuple[Trouble, ...] = ()
    events: tuple[Event, ...] = ()
    subscriptions: list[SubscriptionTable]
    vaults: list[VaultTable]


def load_scenario(name: str) -> Scenario:
    """A scenario by name or path. Raises ScenarioError."""
    if name.startswith("fleet"):
        return fleet(name)
    path = Path(name) if name.endswith(".toml") else SCENARIO_FOLDER / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as unreadable:
        known = ", ".join(sorted([*(file.stem for file in SCENARIO_FOLDER.glob("*.toml")), "fleet:VAULTSxITEMS"]))
        raise ScenarioError(
            f"There is no scenario '{name}'. Known: {known}, or the path of a .toml file."
        ) from unreadable
    return read_scenario(text, source=str(path), name=path.stem)


def read_scenario(text: str, *, source: str, name: str = "") -> Scenario:
    """A scenario from TOML text; `source` is what an error names. Raises ScenarioError."""
    try:
        scenario = msgspec.convert({"name": name, **tomllib.loads(text)}, Scenario)
    except tomllib.TOMLDecodeError as malformed:
        raise ScenarioError(f"{source} is not TOML: {malformed}.") from malformed
    except msgspec.ValidationError as wrong:
        raise ScenarioError(f"{source}: {wrong}.") from wrong
    _check(scenario, source)
    return scenario


def _check(scenario: Scenario, source: str) -> None:
    """What types cannot say: references and names."""
    known = {subscription.id for subscription in scenario.subscriptions}
    protected: set[tuple[str, str, str]] = set()
    for vault in scenario.vaults:
        where = f"{source}: vault '{vault.name}'"
        if vault.subscription not in known:
            raise ScenarioError(f"{where}: subscription '{vault.subscription}' is not among [[subscriptions]].")
        policies = {"DefaultPolicy", "EnhancedPolicy", *(policy.name for policy in vault.policies)}
        for group in vault.vms:
            names = _check_group(group, policies, f"{where}, vms '{group.name}'")
            vms = {(vault.subscription, group.resource_group.lower(), name.lower()) for name in names}
            if protected & vms:
                raise ScenarioError(f"{where}, vms '{group.name}': another group has a VM of that name in its group.")
            protected |= vms


def _check_group(group: VmGroup, policies: set[str], where: str) -> set[str]:
    """The names of the VMs."""
    if group.policy not in policies:
        raise ScenarioError(f"{where}: policy '{group.policy}' is not in the vault.")
    try:
        group.migration.ending()
    except ValueError as unknown:
        raise ScenarioError(f"{where}: migration.{unknown}.") from unknown
    try:
        names = {group.name.format(n=n) for n in range(1, group.count + 1)}
    except (KeyError, IndexError, ValueError) as malformed:
        raise ScenarioError(f"{where}: name may hold {{n}} or {{n:02}} and no other braces.") from malformed
    if len(names) < group.count:
        raise ScenarioError(f"{where}: name needs {{n}} for a count of {group.count}.")
    return names


def fleet(name: str) -> Scenario:
    """`fleet:5x200`: so many vaults of so many ready VMs each, all on DefaultPolicy. `fleet` alone is 5x200."""
    kind, _, size = name.partition(":")
    vaults, _, items = (size or "5x200").partition("x")
    if kind != "fleet" or not (vaults.isdecimal() and items.isdecimal()) or not 1 <= int(vaults) * int(items) <= 10_000:
        raise ScenarioError(f"'{name}' is not a fleet: write fleet:VAULTSxITEMS, at most 10,000 items in all.")
    subscription = "f1ee7000-0000-4000-8000-000000000001"
    return Scenario(
        title=f"{vaults} vaults of {items} ready VMs",
        name=f"fleet:{vaults}x{items}",
        service=Service(page_size=200),
        subscriptions=[SubscriptionTable(id=subscription, name="Fleet")],
        vaults=[
            VaultTable(
                name=f"vault-{number:03}",
                subscription=subscription,
                resource_group=f"rg-fleet-{number:03}",
                vms=[
                    VmGroup(
                        name=f"vm-{number:03}-{{n:04}}",
                        count=int(items),
                        resource_group=f"rg-fleet-{number:03}",
                        expect=Expectation(state="Migrated"),
                    )
                ],
            )
            for number in range(1, int(vaults) + 1)
        ],
    )
