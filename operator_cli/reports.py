"""The documents of the API for people: counts and reasons in groups, what to do about each, what comes next."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

from rich.console import RenderableType
from rich.text import Text

from operator_cli.documents import Document
from operator_cli.outcomes import LEFT_BEHIND, has_ended
from operator_cli.screen import line, safe, table

Report = Iterator[RenderableType]

STYLES: Mapping[str, str] = {
    "Migrated": "green",
    "AlreadyEnhanced": "green",
    "Completed": "green",
    "Starting": "cyan",
    "Migrating": "cyan",
    "Running": "cyan",
    "Blocked": "yellow",
    "Drifted": "yellow",
    "Paused": "yellow",
    "AwaitingApproval": "yellow",
    "Refused": "red",
    "Failed": "red",
    "TimedOut": "red",
    "Halted": "red",
}

NEXT: Mapping[str, str] = {
    "Planning": "The plan is being made: backup-migrate watch {id}",
    "AwaitingApproval": "Read the plan and decide: backup-migrate approve {id}, or reject {id}",
    "Running": "Follow it: backup-migrate watch {id}",
    "Paused": "Go on with it: backup-migrate resume {id}",
}
"""What an operator would do in a state, where the server does not say."""

RETRY = "See what to do about each VM: backup-migrate items {id}; then try them again: backup-migrate retry {id}"


def state(text: str) -> Text:
    """A state in its colour."""
    return Text(safe(text), style=STYLES.get(text, ""))


def states(counts: Mapping[str, int]) -> Text:
    """VMs by state, in one line."""
    parts = [Text(f"{count} {safe(name)}", style=STYLES.get(name, "")) for name, count in counts.items()]
    return Text("  ").join(parts)


def vault_name(vault: Document) -> str:
    """How the API names a vault in a migration; its own name where the server gives no key."""
    return vault.text("key") or vault.text("vaultId").rpartition("/")[2]


# --- a migration


def status_report(migration: Document) -> Report:
    """A migration as it stands."""
    yield from headline(migration)
    vaults = migration.parts("vaults")
    if vaults:
        yield table(
            "Vaults",
            ("Vault", "VMs", "Note"),
            ((vault_name(one), states(one.counts("items")), _note(one)) for one in vaults),
        )
    reasons = migration.counts("reasons")
    if reasons:
        yield table("Reasons", ("Reason", "#VMs"), ((reason, str(vms)) for reason, vms in reasons.items()))
    yield from next_action(migration)


def headline(migration: Document) -> Report:
    """Its state in a line, and what is special about it in a few more."""
    who = migration.text("requester")
    asked = f"asked for {migration.text('requestedAt')}" + (f" by {who}" if who else "")
    rest = safe(f" ({migration.text('mode')}, {asked})")
    yield Text.assemble(safe(migration.text("id")), " is ", state(migration.text("state")), rest)
    if migration.counts("items"):
        yield states(migration.counts("items"))
    if migration.text("problem"):
        yield line(migration.text("problem"), "red")
    if migration.text("state") == "AwaitingApproval":
        yield line(f"The plan is {migration.text('planHash')}, to be approved by {migration.text('approvalDeadline')}")
    if migration.part("cancellation") and not has_ended(migration):
        yield line("It is being cancelled: nothing more starts, jobs in flight are followed to their end.", "yellow")
    yield from _progress(migration.part("progress"))


def next_action(migration: Document) -> Report:
    """What the operator would do now."""
    said = migration.text("nextAction") or _advice(migration).format(id=migration.text("id"))
    if said:
        yield line(said, "bold")


def _advice(migration: Document) -> str:
    left_behind = LEFT_BEHIND & {name for name, count in migration.counts("items").items() if count}
    if has_ended(migration) and migration.text("mode") == "migrate" and left_behind:
        return RETRY
    return NEXT.get(migration.text("state"), "")


def _note(vault: Document) -> str:
    return vault.text("problem") or vault.text("halted") or ("finished" if vault.flag("finished") else "")


def _progress(progress: Document | None) -> Report:
    if progress is None:
        return
    names = ("planned", "done", "inFlight", "waiting", "percent", "vmsPerHour")
    numbers = {name: progress.number(name) or 0 for name in names}
    end = progress.text("estimatedEnd")
    parts = [
        f"{numbers['done']:.0f} of {numbers['planned']:.0f} VMs done ({numbers['percent']:.0f} %)",
        f"{numbers['inFlight']:.0f} in flight",
        f"{numbers['waiting']:.0f} waiting",
        f"{numbers['vmsPerHour']:.1f} VMs an hour" if numbers["vmsPerHour"] else "",
        f"over about {end}" if end else "",
    ]
    yield line(", ".join(part for part in parts if part))


def list_report(migrations: Document) -> Report:
    """Migrations, newest first as the server gives them."""
    rows = [
        (
            one.text("id"),
            state(one.text("state")),
            one.text("mode"),
            one.text("requestedAt"),
            one.text("requester"),
            _count(one.number("vaults")),
            states(one.counts("items")),
        )
        for one in migrations.parts("migrations")
    ]
    yield table("Migrations", ("Id", "State", "Mode", "Asked for", "By", "#Vaults", "VMs"), rows)
    yield from more(migrations)


def limits_report(migration: Document) -> Report:
    """The limits in force."""
    limits = migration.part("limits") or Document({})
    yield table(
        "Limits in force", ("Limit", "#Value"), ((name, _plain(value)) for name, value in limits.fields.items())
    )


# --- a plan


def plan_report(plan: Document) -> Report:
    """What would happen, why, and what it would cost."""
    verdicts = plan.parts("verdicts")
    yield table(
        f"The plan of {plan.text('id')}",
        ("Verdict", "Reason", "#VMs"),
        ((state(one.text("verdict")), one.text("reason"), _count(one.number("vms"))) for one in verdicts),
    )
    findings = plan.parts("findings")
    if findings:
        columns = ("Finding", "Severity", "#VMs", "What to do")
        yield table("Findings", columns, (_finding(one) for one in findings))
    targets = [(vault_name(vault), _targets(vault)) for vault in plan.parts("vaults")]
    if targets:
        yield table("Targets", ("Vault", "Enhanced policies"), targets)
    yield from _cost(plan)
    yield from _differences(plan)
    yield line(f"Plan hash: {plan.text('planHash')}")


def planned(plan: Document) -> int:
    """How many VMs the plan moves."""
    moving = (one.number("vms") or 0 for one in plan.parts("verdicts") if one.text("verdict") == "Planned")
    return int(sum(moving))


def _finding(one: Document) -> tuple[str, ...]:
    return one.text("code"), one.text("severity"), _count(one.number("vms")), one.text("remedy")


def _targets(vault: Document) -> str:
    made = {one.text("name"): one.text("madeFrom") for one in vault.parts("targets")}
    return ", ".join(f"{name} (to be made from {source})" if source else name for name, source in made.items())


def _cost(plan: Document) -> Report:
    change = plan.part("monthlyChange")
    if change:
        yield line(f"Snapshots will cost {money(change)}.")
    for basis in plan.texts("costBasis"):
        yield line(f"  {basis}", "dim")
    if plan.text("overBudget"):
        yield line(plan.text("overBudget"), "red")


def money(change: Document) -> str:
    """A range of money a month, with its sign."""
    low, high = change.number("low") or 0.0, change.number("high") or 0.0
    return f"{low:+,.2f} to {high:+,.2f} {change.text('currency')} a month"


def _differences(plan: Document) -> Report:
    if plan.fields.get("differences") is None:
        return
    rows = [
        (one.text("vmName"), one.text("kind"), one.text("aspect"), one.text("before"), one.text("after"))
        for one in plan.parts("differences")
    ]
    if not rows:
        yield line("Nothing differs from the other plan.")
        return
    yield table("Differences from the other plan", ("VM", "Kind", "Aspect", "Before", "After"), rows)


# --- VMs


def items_report(items: Document) -> Report:
    """VMs, first in groups with what to do about each group, then one by one."""
    shown = items.parts("items")
    groups = Counter((one.text("state"), one.text("reason"), remedy_of(one)) for one in shown)
    yield table(
        "By state and reason",
        ("State", "Reason", "#VMs", "What to do"),
        ((state(name), reason, str(vms), remedy) for (name, reason, remedy), vms in sorted(groups.items())),
    )
    columns = ("VM", "Vault", "State", "Reason", "Message")
    yield table("VMs", columns, (_item(one) for one in shown))
    yield from more(items)


def remedy_of(item: Document) -> str:
    """What to do about a VM: the server's advice, or that of the finding which decided."""
    found = (one.text("remedy") for one in item.parts("findings") if one.text("code") == item.text("reason"))
    return item.text("remedy") or next(found, "")


def message_of(item: Document) -> str:
    """What happened to a VM, and what else did."""
    return "; ".join(part for part in (item.text("message"), *item.texts("warnings")) if part)


def history_report(history: Document) -> Report:
    """Everything ever done to a VM."""
    rows = [
        (
            one.text("migrationId"),
            state(one.text("state")),
            one.text("reason"),
            f"{one.text('sourcePolicy')} to {one.text('targetPolicy')}",
            one.text("writtenAt"),
            one.text("settledAt"),
            message_of(one),
        )
        for one in history.parts("items")
    ]
    columns = ("Migration", "State", "Reason", "Policies", "Written", "Settled", "Message")
    yield table("What was done to this VM", columns, rows)
    yield from more(history)


def _item(one: Document) -> tuple[str | Text, ...]:
    return one.text("vmName"), one.text("vaultKey"), state(one.text("state")), one.text("reason"), message_of(one)


# --- the server


def health_report(health: Document) -> Report:
    """Whether the server is ready, and what is not."""
    rows = [
        (one.text("name"), "ok" if one.flag("ok") else "failing", one.text("detail")) for one in health.parts("checks")
    ]
    yield table(f"The server is {health.text('status')}", ("Check", "Result", "Detail"), rows)


def more(page: Document) -> Report:
    """That there is more than is shown."""
    if page.text("nextLink"):
        yield line("There are more: raise --limit.", "dim")


def _count(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in cast(list[object], value))
    return "" if value is None else str(value)
