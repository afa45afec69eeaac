"""Backup policies: a body read into terms, the service's rules for it, and the echo.

`Terms` is what the rules and the schedules need; the wire body itself is kept and echoed, as the service does
(policy_put_v2_hourly.json). Rules: Azure Backup's documentation of Standard and Enhanced policies; the messages of
BMSUserErrorPolicyRetentionInvalid are assumed, the codes are not.
"""

from typing import cast

import msgspec

from simulator import errors
from simulator.resources import WEEKDAYS, BackupPolicy, Frequency, PolicyType, Terms
from simulator.wire import JsonObject, parse_time

# The body, as far as the rules read it. Unknown members are ignored here and dropped from the echo.


class _Wire(msgspec.Struct, rename="camel", kw_only=True):
    pass


class _Hourly(_Wire):
    interval: int
    schedule_window_start_time: str
    schedule_window_duration: int


class _Daily(_Wire):
    schedule_run_times: list[str]


class _Weekly(_Wire):
    schedule_run_days: list[str]
    schedule_run_times: list[str]


class _Schedule(_Wire):
    schedule_policy_type: str
    schedule_run_frequency: Frequency
    schedule_run_times: list[str] | None = None
    schedule_run_days: list[str] | None = None
    hourly_schedule: _Hourly | None = None
    daily_schedule: _Daily | None = None
    weekly_schedule: _Weekly | None = None


class _Duration(_Wire):
    count: int
    duration_type: str


class _Tier(_Wire):
    retention_times: list[str]
    retention_duration: _Duration


class _Retention(_Wire):
    retention_policy_type: str
    daily_schedule: _Tier | None = None
    weekly_schedule: _Tier | None = None
    monthly_schedule: _Tier | None = None
    yearly_schedule: _Tier | None = None


class _VmPolicy(_Wire):
    backup_management_type: str
    schedule_policy: _Schedule
    retention_policy: _Retention
    policy_type: str | None = None
    instant_rp_retention_range_in_days: int | None = None


# The tier, its unit, and the longest it may keep (backup-support-matrix; an hourly policy keeps daily points too).
_TIERS = (
    ("daily_schedule", "Days", 9999),
    ("weekly_schedule", "Weeks", 5163),
    ("monthly_schedule", "Months", 1188),
    ("yearly_schedule", "Years", 99),
)
_HOURLY_INTERVALS = {4: 17, 6: 22, 8: 22, 12: 30, 24: 30}
"""Interval in hours -> the most days of instant restore. The document names 4, 6 and 12 and up; 8 is taken as 6."""
_DEFAULT_INSTANT_DAYS = {PolicyType.STANDARD: 2, PolicyType.ENHANCED: 7}
_WEEKLY_STANDARD_INSTANT_DAYS = 5
"""Of a weekly Standard policy: the only number allowed, and therefore what an unsaid one means."""


def read_terms(properties: JsonObject) -> Terms:
    """The terms of a VM policy's `properties`. Raises ServiceError 400 where the service refuses the body."""
    try:
        body = msgspec.convert(properties, _VmPolicy)
        terms = _terms(body)
    except (msgspec.ValidationError, ValueError) as malformed:
        raise errors.invalid_policy() from malformed
    _check_schedule(terms)
    _check_retention(body.retention_policy, terms)
    _check_instant(terms)
    return terms


def _terms(body: _VmPolicy) -> Terms:
    enhanced = body.policy_type == "V2"
    policy_type = PolicyType.ENHANCED if enhanced else PolicyType.STANDARD
    wanted_type = "SimpleSchedulePolicyV2" if enhanced else "SimpleSchedulePolicy"
    schedule = body.schedule_policy
    if (
        body.backup_management_type != "AzureIaasVM"
        or body.policy_type not in (None, "", "V1", "V2")
        or schedule.schedule_policy_type != wanted_type
        or body.retention_policy.retention_policy_type != "LongTermRetentionPolicy"
    ):
        raise errors.invalid_policy()
    times, days, interval, window = _runs(schedule, enhanced=enhanced)
    counts: list[int] = []
    for tier, unit, _ in _TIERS:
        kept = cast(_Tier | None, getattr(body.retention_policy, tier))
        if kept is not None and kept.retention_duration.duration_type != unit:
            raise errors.invalid_policy()
        counts.append(kept.retention_duration.count if kept else 0)
    return Terms(
        policy_type=policy_type,
        frequency=schedule.schedule_run_frequency,
        times=tuple(parse_time(text) for text in times),
        days=tuple(days),
        interval_hours=interval,
        window_hours=window,
        daily_days=counts[0],
        weekly_weeks=counts[1],
        monthly_months=counts[2],
        yearly_years=counts[3],
        instant_days=body.instant_rp_retention_range_in_days
        or _default_instant_days(policy_type, schedule.schedule_run_frequency),
    )


def _default_instant_days(policy_type: PolicyType, frequency: Frequency) -> int:
    if (policy_type, frequency) == (PolicyType.STANDARD, Frequency.WEEKLY):
        return _WEEKLY_STANDARD_INSTANT_DAYS
    return _DEFAULT_INSTANT_DAYS[policy_type]


def _runs(schedule: _Schedule, *, enhanced: bool) -> tuple[list[str], list[str], int, int]:
    """Run times, run days, interval and window, wherever the policy type puts them."""
    frequency = schedule.schedule_run_frequency
    if not enhanced:
        if frequency is Frequency.HOURLY:
            raise errors.invalid_policy()
        return schedule.schedule_run_times or [], schedule.schedule_run_days or [], 0, 0
    if frequency is Frequency.HOURLY and schedule.hourly_schedule:
        hourly = schedule.hourly_schedule
        return [hourly.schedule_window_start_time], [], hourly.interval, hourly.schedule_window_duration
    if frequency is Frequency.DAILY and schedule.daily_schedule:
        return schedule.daily_schedule.schedule_run_times, [], 0, 0
    if frequency is Frequency.WEEKLY and schedule.weekly_schedule:
        weekly = schedule.weekly_schedule
        return weekly.schedule_run_times, weekly.schedule_run_days, 0, 0
    raise errors.invalid_policy()


def _check_schedule(terms: Terms) -> None:
    if len(terms.times) != 1 or terms.times[0].minute not in (0, 30):
        raise errors.invalid_policy()
    if (terms.frequency is Frequency.WEEKLY) != bool(terms.days) or not set(terms.days) <= set(WEEKDAYS):
        raise errors.invalid_policy()
    if terms.frequency is Frequency.HOURLY:
        interval, window = terms.interval_hours, terms.window_hours
        # A recorded policy has interval 8 in a window of 12 (cli2026_policy_get_v2_hourly_target.json).
        if interval not in _HOURLY_INTERVALS or not 4 <= window <= 24 or (window % 4 and window % interval):
            raise errors.invalid_policy()


def _check_retention(retention: _Retention, terms: Terms) -> None:
    if (terms.frequency is Frequency.WEEKLY) == bool(retention.daily_schedule):
        raise errors.invalid_policy()
    if terms.frequency is Frequency.WEEKLY and retention.weekly_schedule is None:
        raise errors.invalid_policy()
    run_at = (terms.times[0].hour, terms.times[0].minute)
    for tier, unit, longest in _TIERS:
        kept = cast(_Tier | None, getattr(retention, tier))
        if kept is None:
            continue
        if not 1 <= kept.retention_duration.count <= longest:
            raise errors.invalid_retention(f"Retention must be between 1 and {longest} {unit.lower()}.")
        for text in kept.retention_times:
            try:
                moment = parse_time(text)
            except ValueError as malformed:
                raise errors.invalid_policy() from malformed
            if (moment.hour, moment.minute) != run_at:
                raise errors.invalid_policy()


def _check_instant(terms: Terms) -> None:
    lowest, highest = 1, 5
    if terms.policy_type is PolicyType.ENHANCED:
        highest = _HOURLY_INTERVALS.get(terms.interval_hours, 30)
    if terms.frequency is Frequency.WEEKLY:
        only = _WEEKLY_STANDARD_INSTANT_DAYS
        lowest, highest = (only, only) if terms.policy_type is PolicyType.STANDARD else (5, 20)
    if not lowest <= terms.instant_days <= highest:
        raise errors.invalid_policy()
    if terms.daily_days and terms.instant_days >= terms.daily_days:
        raise errors.instant_retention_exceeds_vaulted()


# The echo


# In the order of a recorded body; anything else a client sent is not part of a policy.
_ECHOED = (
    "backupManagementType",
    "policyType",
    "instantRPDetails",
    "schedulePolicy",
    "retentionPolicy",
    "tieringPolicy",
    "instantRpRetentionRangeInDays",
    "timeZone",
    "snapshotConsistencyType",
)


def echoed(properties: JsonObject, terms: Terms) -> JsonObject:
    """The body as a GET returns it: nulls gone, defaults filled in, times without `.000`, a Standard one untyped."""
    given = cast(JsonObject, _normalised(properties))
    given["instantRPDetails"] = given.get("instantRPDetails") or {}
    given["instantRpRetentionRangeInDays"] = terms.instant_days
    given.setdefault("timeZone", "UTC")
    if terms.policy_type is PolicyType.STANDARD:
        given.pop("policyType", None)
        schedule = cast(JsonObject, given["schedulePolicy"])
        schedule.setdefault("scheduleWeeklyFrequency", 0)
    return {name: given[name] for name in _ECHOED if name in given}


def _normalised(value: object) -> object:
    """Without nulls, and `16:30:00.000Z` written `16:30:00Z`; an offset stays as sent (cli2026_policy_get_v2_*)."""
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return {name: _normalised(member) for name, member in members.items() if member is not None}
    if isinstance(value, list):
        return [_normalised(member) for member in cast(list[object], value)]
    if isinstance(value, str) and value.endswith(".000Z"):
        return value[:-5] + "Z"
    return value


def vm_policy(vault_id: str, name: str, properties: JsonObject) -> BackupPolicy:
    """A policy from a request body. Raises ServiceError 400."""
    terms = read_terms(properties)
    return BackupPolicy(policy_id(vault_id, name), name, echoed(properties, terms), terms)


def policy_id(vault_id: str, name: str) -> str:
    return f"{vault_id}/backupPolicies/{name}"
