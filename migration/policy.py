"""Comparing a Standard policy with the Enhanced one that replaces it.

Azure Backup applies a new policy's retention to the recovery points that already exist and prunes what it no longer
keeps (FAQ "Backing up Azure VMs", 12/2025), so a target that keeps less than the source deletes history for good.
"""

from migration.model import Retention, Value

TIERS = ("daily", "weekly", "monthly", "yearly")


class Shrink(Value, frozen=True):
    """A tier on which the target keeps less: days kept now, and days kept afterwards (0: the tier is gone)."""

    tier: str
    days_now: int
    days_then: int

    def __str__(self) -> str:
        then = f"{self.days_then} days" if self.days_then else "nothing"
        return f"{self.tier} recovery points are kept {self.days_now} days now, {then} by the target"


def shrinks(source: Retention, target: Retention) -> tuple[Shrink, ...]:
    """The tiers on which `target` keeps less than `source`.

    Strictly tier by tier: how the service treats, say, weekly points under a policy that has only a daily tier is
    not documented, so a missing tier counts as keeping nothing.
    """
    return tuple(
        Shrink(tier=tier, days_now=now, days_then=then)
        for tier in TIERS
        if (now := getattr(source, tier) or 0) > (then := getattr(target, tier) or 0)
    )
