"""Events as Event Grid delivers them, in both schemas; each test changes only what it is about."""

from typing import Any

from tests.builders import SUBSCRIPTION, VAULT, item_id

OWN = "c11e4701-0000-4000-8000-000000000001"
ITEM = item_id("web-01")
VAULT_WRITE = "Microsoft.RecoveryServices/vaults/write"
ITEM_WRITE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def some_data(operation: str = VAULT_WRITE, **changes: Any) -> dict[str, Any]:
    """The data of a write by somebody else."""
    return {
        "authorization": {"scope": VAULT, "action": operation},
        "claims": {"appid": "somebody", OBJECT_ID: "somebody"},
        "operationName": operation,
        "resourceUri": VAULT,
        "status": "Succeeded",
        **changes,
    }


def an_event(subject: str = VAULT, data: Any = None, **changes: Any) -> dict[str, Any]:
    """An event of a vault's write, in Event Grid's schema."""
    return {
        "id": "4db48cba-50a2-455a-93b4-de41a3b5b7f6",
        "topic": f"/subscriptions/{SUBSCRIPTION}",
        "subject": subject,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-11-01T10:00:00.1234567Z",
        "dataVersion": "2",
        "data": some_data() if data is None else data,
        **changes,
    }


def a_cloud_event(subject: str = VAULT, data: Any = None) -> dict[str, Any]:
    """The same as a CloudEvent."""
    event = an_event(subject, data)
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["topic"],
        "type": event["eventType"],
        "subject": subject,
        "time": event["eventTime"],
        "data": event["data"],
    }
