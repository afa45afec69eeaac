"""How values look on the wire: JSON types, .NET-style times and durations. No state, no rules."""

from datetime import UTC, datetime, timedelta

JsonObject = dict[str, object]

NEVER_ENDED = "0001-01-01T00:00:00"
"""The end that has not come: year one, without a zone (item_set_policy_opstatus_inprogress.json)."""

NEVER_BACKED_UP = "2001-01-01T00:00:00Z"
"""lastBackupTime of an item without a backup (item_list_two_irpending.json)."""


def time_text(moment: datetime) -> str:
    """`2024-05-13T10:18:05.7330616Z`; trailing zeros of the fraction are dropped, as .NET does."""
    text = moment.isoformat()[:-6]
    return (text.rstrip("0") if "." in text else text) + "Z"


def duration_text(duration: timedelta) -> str:
    """ISO 8601 as the job API writes it: `PT41M16.2122671S`, `PT0S`, `P1DT2H`."""
    if not duration:
        return "PT0S"
    seconds = duration.total_seconds()
    sign = "-" if seconds < 0 else ""
    days, rest = divmod(abs(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    day_part = f"{int(days)}D" if days else ""
    clock_part = "".join(f"{amount:g}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    if rest:
        clock_part += f"{rest:.6f}".rstrip("0").rstrip(".") + "S"
    return f"{sign}P{day_part}" + (f"T{clock_part}" if clock_part else "")


def timespan_text(duration: timedelta) -> str:
    """A .NET TimeSpan, `13.23:59:39.9639670` (item_list_soft_deleted.json, deferredDeleteTimeRemaining)."""
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{duration.days}.{hours:02}:{minutes:02}:{seconds:02}.{duration.microseconds * 10:07}"


def http_date(moment: datetime) -> str:
    """`Sun, 28 Apr 2024 06:44:21 GMT`, written without the locale."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year} {moment:%H:%M:%S} GMT"


def parse_time(text: str) -> datetime:
    """A time of a request body, with Z or an offset; without a zone it counts as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
