"""The value of a durable client binding: the URLs through which the SDK's client reaches this host.

Shape and key names follow the extension's binding data, as azure-functions-durable's `DurableOrchestrationBindings`
reads them. The key in the URLs is a fixed word: this host checks none.
"""

import json

WEBHOOK_PATH = "/runtime/webhooks/durabletask"  # the public management API
RPC_PATH = "/durabletask"  # the same API, for the SDK's client in the same process
ID_PLACEHOLDER = "INSTANCEID"
KEY = "code=local"

MANAGEMENT_PATHS = {
    "statusQueryGetUri": "",
    "sendEventPostUri": "/raiseEvent/{eventName}",
    "terminatePostUri": "/terminate?reason={text}",
    "purgeHistoryDeleteUri": "",
    "suspendPostUri": "/suspend?reason={text}",
    "resumePostUri": "/resume?reason={text}",
}


def client_binding(origin: str, task_hub: str) -> str:
    """The binding's JSON for a host at `origin` (scheme, host and port)."""
    base = origin + WEBHOOK_PATH
    create = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]?{KEY}"
    return json.dumps(
        {
            "taskHubName": task_hub,
            "creationUrls": {"createNewInstancePostUri": create},
            "managementUrls": management_urls(origin, task_hub, ID_PLACEHOLDER),
            "baseUrl": base,
            "requiredQueryStringParameters": KEY,
            "rpcBaseUrl": f"{origin}{RPC_PATH}/",
        }
    )


def management_urls(origin: str, task_hub: str, instance_id: str) -> dict[str, str]:
    """The URLs of one instance, under the names the extension answers with; `id` is the instance's id."""
    instance = f"{origin}{WEBHOOK_PATH}/instances/{instance_id}"
    query = f"taskHub={task_hub}&connection=Storage&{KEY}"
    urls = {name: f"{instance}{path}{'&' if '?' in path else '?'}{query}" for name, path in MANAGEMENT_PATHS.items()}
    return {"id": instance_id, **urls}
