"""Trouble on demand: answers that go wrong for a while, from a scenario or at run time.

A trouble names what happens (a row of ANSWERS, or Latency) and whom it strikes: an ARM action and a path, both with
`*`, after `skip` matching requests, `times` times, each with a `probability` from seeded dice. With `accepted` the
request is carried out and only its answer is lost: a PUT that "failed" with 504 and yet started a job.
"""

import random
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from simulator import outages
from simulator.errors import ServiceError


class TroubleKind(StrEnum):
    TOO_MANY_REQUESTS = "ResourceRequestsThrottled"
    DAY_LIMIT = "CloudDosAbsoluteLimitReached"
    PROVIDER_ERROR = "RestApiInternalError"
    CLOUD_ERROR = "CloudInternalError"
    LEGACY_CLOUD_ERROR = "LegacyCloudInternalError"
    NAMELESS_STORAGE_ERROR = "CloudStorageUnexpectedError"
    ARM_ERROR = "InternalServerError"
    BAD_GATEWAY = "InvalidGatewayHost"
    UNAVAILABLE = "ServerTimeout"
    GATEWAY_TIMEOUT = "GatewayTimeout"
    NOT_AUTHORIZED = "AuthorizationFailed"
    LINK_NOT_AUTHORIZED = "LinkedAuthorizationFailed"
    LATENCY = "Latency"


class Trouble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a scenario's [[troubles]], or the body of a POST to the control API."""

    kind: TroubleKind
    action: str = "*"
    path: str = "*"
    skip: int = 0
    times: int | None = None
    """None: until removed."""
    probability: float = 1.0
    accepted: bool = False
    seconds: float = 60
    """Latency: real seconds added to the answer. ResourceRequestsThrottled: what Retry-After says."""


class Incoming(msgspec.Struct, frozen=True):
    """What a trouble can see of a request."""

    action: str
    path: str
    now: datetime


_Make = Callable[[Trouble, Incoming], ServiceError]

ANSWERS: dict[TroubleKind, _Make] = {
    TroubleKind.TOO_MANY_REQUESTS: lambda trouble, incoming: outages.too_many_requests(
        incoming.action, 150, int(trouble.seconds)
    ),
    TroubleKind.DAY_LIMIT: lambda _trouble, _incoming: outages.day_limit_reached(),
    TroubleKind.PROVIDER_ERROR: lambda _trouble, _incoming: outages.rest_api_internal_error(),
    TroubleKind.CLOUD_ERROR: lambda _trouble, _incoming: outages.cloud_internal_error(),
    TroubleKind.LEGACY_CLOUD_ERROR: lambda _trouble, _incoming: outages.legacy_cloud_internal_error(),
    TroubleKind.NAMELESS_STORAGE_ERROR: lambda _trouble, _incoming: outages.nameless_storage_error(),
    TroubleKind.ARM_ERROR: lambda _trouble, incoming: outages.arm_internal_error(incoming.now),
    TroubleKind.BAD_GATEWAY: lambda _trouble, _incoming: outages.invalid_gateway_host(),
    TroubleKind.UNAVAILABLE: lambda _trouble, incoming: outages.server_timeout(incoming.now),
    TroubleKind.GATEWAY_TIMEOUT: lambda _trouble, _incoming: outages.gateway_timeout(),
    TroubleKind.NOT_AUTHORIZED: lambda _trouble, incoming: outages.authorization_failed(incoming.action, incoming.path),
    TroubleKind.LINK_NOT_AUTHORIZED: lambda _trouble, incoming: outages.linked_authorization_failed(incoming.path),
}


class _Active:
    """A trouble with what it still has to do."""

    def __init__(self, number: int, trouble: Trouble) -> None:
        self.number = number
        self.trouble = trouble
        self.to_skip = trouble.skip
        self.left = trouble.times
        self.struck = 0
        self._action = trouble.action.lower()
        self._path = trouble.path.lower()

    def matches(self, incoming: Incoming) -> bool:
        return fnmatchcase(incoming.action.lower(), self._action) and fnmatchcase(incoming.path.lower(), self._path)

    def strikes(self, dice: random.Random) -> bool:
        """Whether it strikes this matching request, and counts it."""
        if self.left == 0:
            return False
        if self.to_skip:
            self.to_skip -= 1
            return False
        if self.trouble.probability < 1 and dice.random() >= self.trouble.probability:
            return False
        if self.left is not None:
            self.left -= 1
        self.struck += 1
        return True


class Struck(msgspec.Struct, frozen=True):
    """What troubles do to one request."""

    delay_seconds: float = 0
    answer: ServiceError | None = None
    accepted: bool = False


class Troubles:
    """The troubles there are, in the order they were added; the first one that answers wins, latencies add up."""

    def __init__(self, troubles: list[Trouble], *, seed: int) -> None:
        self._dice = random.Random(seed)
        self._active: list[_Active] = []
        self._numbered = 0
        for trouble in troubles:
            self.add(trouble)

    def add(self, trouble: Trouble) -> int:
        """The number to remove it by."""
        self._numbered += 1
        self._active.append(_Active(self._numbered, trouble))
        return self._numbered

    def remove(self, number: int) -> bool:
        kept = [active for active in self._active if active.number != number]
        removed = len(kept) < len(self._active)
        self._active = kept
        return removed

    def clear(self) -> None:
        self._active.clear()

    def view(self) -> list[dict[str, object]]:
        """Each trouble as given, with its number, how often it struck and how often it still will."""
        return [
            {
                "number": active.number,
                "struck": active.struck,
                "left": active.left,
                **msgspec.to_builtins(active.trouble),
            }
            for active in self._active
        ]

    def meet(self, incoming: Incoming) -> Struck:
        delay = 0.0
        for active in self._active:
            if not active.matches(incoming) or not active.strikes(self._dice):
                continue
            if active.trouble.kind is TroubleKind.LATENCY:
                delay += active.trouble.seconds
                continue
            answer = ANSWERS[active.trouble.kind](active.trouble, incoming)
            return Struck(delay, answer, active.trouble.accepted)
        return Struck(delay) if delay else _SPARED


_SPARED = Struck()
