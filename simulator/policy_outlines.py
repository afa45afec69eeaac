"""Policies from few words: the three that a vault is born with, and a scenario's own."""

from dataclasses import dataclass, field
from datetime import datetime

from simulator.policies import policy_id, vm_policy
from simulator.resources import BackupPolicy, Frequency, PolicyType
from simulator.wire import JsonObject, time_text


@dataclass(frozen=True, slots=True)
class PolicyOutline:
    """A policy in a scenario's words: everything a body needs, the rest is convention."""

    policy_type: PolicyType
    frequency: Frequency
    hour: int = 16
    minute: int = 30
    days: tuple[str, ...] = ()
    interval_hours: int = 4
    window_hours: int = 12
    daily_days: int = 0
    weekly_weeks: int = 0
    monthly_months: int = 0
    yearly_years: int = 0
    instant_days: int | None = None
    time_zone: str = "UTC"
    weekly_days: tuple[str, ...] = field(default=("Sunday",))


def outlined(outline: PolicyOutline, *, day: datetime) -> JsonObject:
    """The body for an outline; `day` is the date that run times carry (only their time of day means anything)."""
    run_at = time_text(day.replace(hour=outline.hour, minute=outline.minute, second=0, microsecond=0))
    body: JsonObject = {"backupManagementType": "AzureIaasVM"}
    if outline.policy_type is PolicyType.ENHANCED:
        body["policyType"] = "V2"
    body["instantRPDetails"] = {}
    body["schedulePolicy"] = _outlined_schedule(outline, run_at)
    body["retentionPolicy"] = _outlined_retention(outline, run_at)
    if outline.instant_days is not None:
        body["instantRpRetentionRangeInDays"] = outline.instant_days
    body["timeZone"] = outline.time_zone
    return body


def _outlined_schedule(outline: PolicyOutline, run_at: str) -> JsonObject:
    frequency = outline.frequency
    if outline.policy_type is PolicyType.STANDARD:
        days: JsonObject = {"scheduleRunDays": list(outline.days)} if outline.days else {}
        return {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": frequency,
            **days,
            "scheduleRunTimes": [run_at],
            "scheduleWeeklyFrequency": 0,
        }
    nested: dict[Frequency, JsonObject] = {
        Frequency.DAILY: {"dailySchedule": {"scheduleRunTimes": [run_at]}},
        Frequency.WEEKLY: {"weeklySchedule": {"scheduleRunDays": list(outline.days), "scheduleRunTimes": [run_at]}},
        Frequency.HOURLY: {
            "hourlySchedule": {
                "interval": outline.interval_hours,
                "scheduleWindowStartTime": run_at,
                "scheduleWindowDuration": outline.window_hours,
            }
        },
    }
    return {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": frequency,
        **nested[frequency],
    }


def _outlined_retention(outline: PolicyOutline, run_at: str) -> JsonObject:
    def tier(count: int, unit: str, **members: object) -> JsonObject:
        return {
            **members,
            "retentionTimes": [run_at],
            "retentionDuration": {"count": count, "durationType": unit},
        }

    days = list(outline.days or outline.weekly_days)
    first_week: JsonObject = {
        "retentionScheduleFormatType": "Weekly",
        "retentionScheduleWeekly": {"daysOfTheWeek": days, "weeksOfTheMonth": ["First"]},
    }
    retention: JsonObject = {"retentionPolicyType": "LongTermRetentionPolicy"}
    if outline.daily_days:
        retention["dailySchedule"] = tier(outline.daily_days, "Days")
    if outline.weekly_weeks:
        retention["weeklySchedule"] = tier(outline.weekly_weeks, "Weeks", daysOfTheWeek=days)
    if outline.monthly_months:
        retention["monthlySchedule"] = tier(outline.monthly_months, "Months", **first_week)
    if outline.yearly_years:
        yearly: JsonObject = {**first_week, "monthsOfYear": ["January"]}
        retention["yearlySchedule"] = tier(outline.yearly_years, "Years", **yearly)
    return retention


def built_in_policies(vault_id: str, born: datetime) -> list[BackupPolicy]:
    """HourlyLogBackup, DefaultPolicy and EnhancedPolicy (policy_list_mixed.json, policy_get_v*_default*.json)."""
    default = PolicyOutline(PolicyType.STANDARD, Frequency.DAILY, daily_days=30, instant_days=2)
    enhanced = PolicyOutline(PolicyType.ENHANCED, Frequency.HOURLY, hour=8, minute=0, daily_days=30, instant_days=2)
    return [
        _hourly_log_backup(vault_id, born),
        vm_policy(vault_id, "DefaultPolicy", outlined(default, day=born)),
        vm_policy(vault_id, "EnhancedPolicy", outlined(enhanced, day=born)),
    ]


def _hourly_log_backup(vault_id: str, born: datetime) -> BackupPolicy:
    run_at = time_text(born.replace(hour=16, minute=30, second=0, microsecond=0))
    thirty_days: JsonObject = {"count": 30, "durationType": "Days"}
    properties: JsonObject = {
        "backupManagementType": "AzureWorkload",
        "workLoadType": "SQLDataBase",
        "settings": {"timeZone": "UTC", "issqlcompression": False, "isCompression": False},
        "subProtectionPolicy": [
            {
                "policyType": "Full",
                "schedulePolicy": {
                    "schedulePolicyType": "SimpleSchedulePolicy",
                    "scheduleRunFrequency": "Daily",
                    "scheduleRunTimes": [run_at],
                    "scheduleWeeklyFrequency": 0,
                },
                "retentionPolicy": {
                    "retentionPolicyType": "LongTermRetentionPolicy",
                    "dailySchedule": {"retentionTimes": [run_at], "retentionDuration": thirty_days},
                },
            },
            {
                "policyType": "Log",
                "schedulePolicy": {"schedulePolicyType": "LogSchedulePolicy", "scheduleFrequencyInMins": 60},
                "retentionPolicy": {
                    "retentionPolicyType": "SimpleRetentionPolicy",
                    "retentionDuration": thirty_days,
                },
            },
        ],
    }
    return BackupPolicy(policy_id(vault_id, "HourlyLogBackup"), "HourlyLogBackup", properties, None)
