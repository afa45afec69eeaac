"""The documents that the API answers, each test with what matters to it changed."""

from typing import Any

Json = dict[str, Any]
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/vault-1"
HASH = "ab" * 32


def a_vault(**changes: Any) -> Json:
    """A vault of a status document."""
    return {
        "key": "vault-1-0a1b2c3d",
        "vaultId": VAULT,
        "items": {"Planned": 3},
        "reasons": {},
        "finished": False,
        "problem": "",
        "halted": "",
        "checkedAt": "2026-11-02T08:05:00Z",
        **changes,
    }


def a_status(state: str = "Running", **changes: Any) -> Json:
    """A status document as today's app answers it: without progress, requester and next action."""
    return {
        "id": "m1",
        "state": state,
        "mode": "migrate",
        "request": {},
        "limits": {"maxConcurrent": 200, "ramp": [1, 5], "stopAfterFailuresPercent": None},
        "requestedAt": "2026-11-02T08:00:00Z",
        "endedAt": None,
        "planHash": HASH,
        "approvalDeadline": None,
        "decision": None,
        "cancellation": None,
        "interventions": [],
        "problem": "",
        "items": {"Planned": 3},
        "reasons": {},
        "vaults": [a_vault()],
        "links": {},
        **changes,
    }


def a_plan(**changes: Any) -> Json:
    """A plan document: two VMs to move, one blocked."""
    return {
        "id": "m1",
        "state": "AwaitingApproval",
        "planHash": HASH,
        "verdicts": [
            {"verdict": "Planned", "reason": "", "vms": 2},
            {"verdict": "Blocked", "reason": "UnmanagedDisks", "vms": 1},
        ],
        "findings": [
            {"code": "UnmanagedDisks", "severity": "blocks", "remedy": "Convert to managed disks.", "vms": 1},
        ],
        "monthlyChange": {"low": "12.5", "high": "40", "currency": "USD"},
        "costBasis": ["Daily change of 2 to 7 %"],
        "overBudget": "",
        "vaults": [
            {
                "key": "vault-1-0a1b2c3d",
                "vaultId": VAULT,
                "verdicts": [],
                "targets": [{"name": "Gold-enhanced", "fingerprint": "x", "madeFrom": "Gold"}],
                "monthlyChange": None,
            }
        ],
        "differences": None,
        **changes,
    }


def an_item(name: str = "web-1", state: str = "Migrated", **changes: Any) -> Json:
    """An item document."""
    return {
        "vaultKey": "vault-1-0a1b2c3d",
        "name": f"vm;iaasvmcontainerv2;rg;{name}",
        "vmName": name,
        "itemId": f"{VAULT}/backupFabrics/Azure/protectionContainers/c/protectedItems/{name}",
        "vmId": f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}",
        "state": state,
        "reason": "",
        "message": "",
        "remedy": "",
        "retryable": False,
        "warnings": [],
        "findings": [],
        "verdict": "Planned",
        "cost": None,
        "sourcePolicy": "Gold",
        "targetPolicy": "Gold-enhanced",
        "operationId": "",
        "jobId": "j1",
        "writtenAt": "2026-11-02T08:10:00Z",
        "settledAt": None,
        **changes,
    }
