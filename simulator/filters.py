"""The backup API's $filter: `name eq 'value'` joined by `and`. Nothing else of OData is understood by the service.

Names compare without case, values too. In job lists startTime and endTime are bounds of a range, although written `eq`,
in `yyyy-MM-dd hh:mm:ss tt` on a twelve-hour clock, UTC (net2016_job_list_time_filter.json).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator import errors
from simulator.resources import Job, ProtectedItem

_CLAUSE = re.compile(r"\s*(\w+)\s+eq\s+'([^']*)'\s*", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)


def parse_filter(text: str, known: frozenset[str]) -> dict[str, str]:
    """Lower-case name -> value. Raises ServiceError 400 for another grammar or a name not `known` (lower-case)."""
    clauses: dict[str, str] = {}
    for part in _AND.split(text.strip()) if text.strip() else ():
        clause = _CLAUSE.fullmatch(part)
        if clause is None or clause[1].lower() not in known:
            raise errors.invalid_filter()
        clauses[clause[1].lower()] = clause[2]
    return clauses


_ITEM_NAMES = frozenset(
    ("backupmanagementtype", "itemtype", "policyname", "containername", "friendlyname", "healthstate")
)
_JOB_NAMES = frozenset(("status", "operation", "backupmanagementtype", "starttime", "endtime", "jobid"))


@dataclass(frozen=True, slots=True)
class ItemFilter:
    clauses: dict[str, str]

    @staticmethod
    def parse(text: str) -> "ItemFilter":
        return ItemFilter(parse_filter(text, _ITEM_NAMES))

    def __call__(self, item: ProtectedItem) -> bool:
        have = {
            "backupmanagementtype": "AzureIaasVM",
            "itemtype": "VM",
            "policyname": item.policy.name if item.policy else "",
            "containername": item.container_name,
            "friendlyname": item.friendly_name,
            "healthstate": "Passed" if item.healthy else "ActionRequired",
        }
        return all(have[name].lower() == value.lower() for name, value in self.clauses.items())


@dataclass(frozen=True, slots=True)
class JobFilter:
    clauses: dict[str, str]
    not_before: datetime | None
    not_after: datetime | None

    @staticmethod
    def parse(text: str) -> "JobFilter":
        clauses = parse_filter(text, _JOB_NAMES)
        not_before, not_after = clauses.pop("starttime", None), clauses.pop("endtime", None)
        return JobFilter(clauses, _bound(not_before), _bound(not_after))

    def __call__(self, job: Job) -> bool:
        """Both bounds look at the start of the job: the portal's range selects jobs by when they began."""
        have = {
            "status": job.status,
            "operation": job.label,
            "backupmanagementtype": "AzureIaasVM",
            "jobid": job.id,
        }
        return (
            (self.not_before is None or job.started >= self.not_before)
            and (self.not_after is None or job.started <= self.not_after)
            and all(have[name].lower() == value.lower() for name, value in self.clauses.items())
        )


def _bound(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %I:%M:%S %p").replace(tzinfo=UTC)
    except ValueError as malformed:
        raise errors.invalid_filter() from malformed
