"""Every error shape that Azure was recorded to answer with becomes the right error, with its code and its message."""

import logging
from typing import Any

import pytest

from clients.arm import ArmError, Refused, Throttled, Unavailable
from tests.builders import ENHANCED, item_id, vm_id
from tests.clients.canned import Canned, CannedAzure, recorded

DAY_SECONDS = 24 * 3600


async def meet(answer: Canned) -> ArmError:
    """What the app makes of this answer to a write, which is sent once whatever comes back."""
    async with CannedAzure(answer) as azure:
        met = await azure.backup.change_policy(item_id(), vm_id(), ENHANCED)
        assert isinstance(met, ArmError)
        assert [method for method, _ in azure.requests].count("PUT") == 1
    return met


def shown(error: ArmError) -> tuple[object, ...]:
    """The parts of an error that decide what happens next."""
    match error:
        case Refused():
            return Refused, error.status, error.code, error.message
        case Throttled():
            return Throttled, error.seconds
        case _:
            return type(error), str(error)


SHAPES: dict[str, tuple[Canned, tuple[object, ...]]] = {
    "ARM's": (
        Canned(status=403, body={"error": {"code": "AuthorizationFailed", "message": "No."}}),
        (Refused, 403, "AuthorizationFailed", "No."),
    ),
    "ARM's, of a vault in another tenant": (
        Canned(status=401, body={"error": {"code": "InvalidAuthenticationTokenTenant", "message": "Not yours."}}),
        (Refused, 401, "InvalidAuthenticationTokenTenant", "Not yours."),
    ),
    "the provider's, with innerError": (
        Canned(
            status=404,
            body={
                "error": {
                    "code": "ResourceNotFound",
                    "message": "Gone.",
                    "target": None,
                    "details": None,
                    "innerError": None,
                }
            },
        ),
        (Refused, 404, "ResourceNotFound", "Gone."),
    ),
    "the legacy one": (
        Canned(status=400, body={"ErrorCode": "UserErrorX", "Message": {"Language": "en-US", "Value": "No."}}),
        (Refused, 400, "UserErrorX", "No."),
    ),
    "the legacy one with a plain message": (
        Canned(status=400, body={"ErrorCode": "UserErrorX", "Message": "No."}),
        (Refused, 400, "UserErrorX", "No."),
    ),
    "the legacy one of an outage": (
        Canned(status=500, body={"ErrorCode": "CloudInternalError", "Message": {"Value": "Wait."}}),
        (Unavailable, "500 CloudInternalError: Wait."),
    ),
    "an empty object": (Canned(status=404, body={}), (Refused, 404, "Http404", "Not Found")),
    "null instead of the error": (Canned(status=409, body={"error": None}), (Refused, 409, "Http409", "Conflict")),
    "no object": (Canned(status=400, body=["no"]), (Refused, 400, "Http400", "Bad Request")),
    "nothing at all": (Canned(status=405, body=None), (Refused, 405, "Http405", "Method Not Allowed")),
    "a proxy's page": (
        Canned(status=403, body="<html>Forbidden by the proxy</html>"),
        (Refused, 403, "Http403", "<html>Forbidden by the proxy</html>"),
    ),
    "a gateway's page": (
        Canned(status=502, body="<html>Bad gateway</html>"),
        (Unavailable, "502 : <html>Bad gateway</html>"),
    ),
    "a timeout on the way": (
        Canned(status=408, body={"error": {"code": "RequestTimeout", "message": "Slow."}}),
        (Unavailable, "408 RequestTimeout: Slow."),
    ),
    "a throttle with seconds in its header": (
        Canned(
            status=429,
            body={"error": {"code": "TooManyRequests", "message": "Please try again after '324' seconds."}},
            headers={"Retry-After": "17"},
        ),
        (Throttled, 17),
    ),
    "a throttle with seconds in its text": (
        Canned(
            status=429,
            body={"error": {"code": "TooManyRequests", "message": "Please try again after '324' seconds."}},
        ),
        (Throttled, 324),
    ),
    "a throttle with a date in its header": (
        Canned(status=429, body={}, headers={"Retry-After": "Mon, 02 Nov 2026 09:00:00 GMT"}),
        (Throttled, 60),
    ),
    "a throttle that says nothing": (Canned(status=429, body="Too many"), (Throttled, 60)),
    "the daily limit": (
        Canned(status=400, body={"error": {"code": "CloudDosAbsoluteLimitReached", "message": "Tomorrow."}}),
        (Throttled, DAY_SECONDS),
    ),
    "the daily limit the service waits out itself": (
        Canned(status=400, body={"error": {"code": "CloudDosAbsoluteLimitReachedWithRetry", "message": ""}}),
        (Throttled, DAY_SECONDS),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_of_error_is_read(shape: str) -> None:
    """4xx refuse, 429 and CloudDos throttle, 5xx and 408 leave the outcome open, in whatever shape."""
    answer, expected = SHAPES[shape]
    assert shown(await meet(answer)) == expected


async def test_a_throttle_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What was asked for, without the query of the URL, for how long to stay away, and why; once."""
    error = {"error": {"code": "TooManyRequests", "message": "Slow down."}}
    with caplog.at_level(logging.INFO, "clients.arm"):
        await meet(Canned(status=429, headers={"Retry-After": "17"}, body=error))
    [line] = [record.getMessage() for record in caplog.records if record.name == "clients.arm"]
    assert line == f"Azure asks to stay away for 17 s from PUT {item_id()}: Slow down."


async def test_an_error_without_a_message_still_says_something() -> None:
    """CloudStorageUnexpectedError comes with an empty message: the text shows status and code."""
    error = await meet(Canned(status=500, body={"error": {"code": "CloudStorageUnexpectedError", "message": ""}}))
    assert isinstance(error, Unavailable)
    assert str(error).startswith("500 CloudStorageUnexpectedError: ")


INLINE: dict[str, dict[str, Any]] = {
    "ARM's 404": {"status": 404, "response_body": {"error": {"code": "ResourceNotFound", "message": "No vault."}}},
    "the provider's 504": {"status": 504, "response_body": {"error": {"code": "GatewayTimeout", "message": "Late."}}},
}


@pytest.mark.parametrize(
    "exchange", [pytest.param(body, id=name) for name, body in {**INLINE, **recorded("error_")}.items()]
)
async def test_recorded_errors_keep_their_code_and_message(exchange: dict[str, Any]) -> None:
    """Each recorded error, sent again as it was, keeps its status, code and message, in the class its status means."""
    status, body = exchange["status"], exchange["response_body"]
    code = body.get("ErrorCode") or body["error"]["code"]
    message = body["Message"]["Value"] if "Message" in body else body["error"]["message"]

    error = await meet(Canned(status=status, body=body))

    assert code in str(error) or isinstance(error, Throttled)
    assert message in str(error)
    if status == 429 or code.startswith("CloudDos"):
        assert isinstance(error, Throttled)
    elif status >= 500:
        assert isinstance(error, Unavailable)
    else:
        assert isinstance(error, Refused)
        assert (error.status, error.code, error.message) == (status, code, message)
