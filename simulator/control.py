"""The control API under /_simulator. Not Azure: no bearer token, not in the request log.

    GET    scenario            the title, the vaults, and what each item is expected to become
    GET    state               every item: policy, policy type, PUTs received and accepted, jobs
    GET    requests?since=N    the request log after request N
    GET    requests/summary    how many requests per ARM action
    DELETE requests            forget the log
    POST   clock/advance       {"seconds": 3600}
    GET    troubles            the troubles there are, and how often each struck
    POST   troubles            a trouble (troubles.py): {"kind": "GatewayTimeout", "times": 1}
    DELETE troubles            all of them, or ?number=N only
    POST   events              what others do (events.py): {"event": "VmDeleted", "vm": "shop-web-01"}

Bodies are read strictly: a mistake is a 400 with a sentence, and nothing has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import msgspec

from simulator.calls import Answer
from simulator.estate import Estate
from simulator.events import Event
from simulator.happenings import check, let_happen
from simulator.requestlog import RequestLog
from simulator.resources import ProtectedItem
from simulator.scenario import Scenario
from simulator.troubles import Trouble, Troubles
from simulator.wire import JsonObject, time_text

PREFIX = "/_simulator"


@dataclass(frozen=True, slots=True)
class Control:
    scenario: Scenario
    estate: Estate
    log: RequestLog
    troubles: Troubles

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        """`path` below the prefix, without slashes around it."""
        handlers: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "scenario"): self._scenario,
            ("GET", "state"): self._state,
            ("GET", "requests"): lambda: self._requests(query.get("since", "0")),
            ("GET", "requests/summary"): lambda: Answer(body={**self.log.counts()}),
            ("DELETE", "requests"): self._forget_requests,
            ("POST", "clock/advance"): lambda: self._advance(body),
            ("GET", "troubles"): lambda: Answer(body={"value": self.troubles.view()}),
            ("POST", "troubles"): lambda: self._add_trouble(body),
            ("DELETE", "troubles"): lambda: self._remove_troubles(query.get("number")),
            ("POST", "events"): lambda: self._let_happen(body),
        }
        handler = handlers.get((method, path))
        if handler is None:
            known = ", ".join(f"{verb} {PREFIX}/{place}" for verb, place in handlers)
            return refusal(404, f"The control API knows {known}.")
        try:
            return handler()
        except (msgspec.MsgspecError, ValueError) as wrong:
            return refusal(400, str(wrong))

    def _scenario(self) -> Answer:
        items = [item for vault in self.estate.vaults() for item in vault.items.values()]
        return Answer(
            body={
                "scenario": self.scenario.name,
                "title": self.scenario.title,
                "time": time_text(self.estate.clock.now()),
                "timeScale": self.estate.clock.scale,
                "subscriptions": [subscription.id for subscription in self.estate.subscriptions.values()],
                "vaults": [vault.id for vault in self.estate.vaults()],
                "expectations": {item.id: msgspec.to_builtins(item.expect) for item in items if item.expect},
            }
        )

    def _state(self) -> Answer:
        now = self.estate.settle()
        items = [item for vault in self.estate.vaults() for item in vault.items.values()]
        return Answer(body={"time": time_text(now), "items": {item.id: _item_state(item) for item in items}})

    def _requests(self, since: str) -> Answer:
        return Answer(body={"value": [request.view() for request in self.log.since(int(since))]})

    def _forget_requests(self) -> Answer:
        self.log.clear()
        return Answer(204)

    def _advance(self, body: bytes) -> Answer:
        step = msgspec.json.decode(body, type=_Advance)
        self.estate.clock.advance(timedelta(seconds=step.seconds))
        return Answer(body={"time": time_text(self.estate.settle())})

    def _add_trouble(self, body: bytes) -> Answer:
        return Answer(201, {"number": self.troubles.add(msgspec.json.decode(body, type=Trouble))})

    def _remove_troubles(self, number: str | None) -> Answer:
        if number is None:
            self.troubles.clear()
        elif not self.troubles.remove(int(number)):
            return refusal(404, f"There is no trouble {number}.")
        return Answer(204)

    def _let_happen(self, body: bytes) -> Answer:
        """At once, or after_minutes from now."""
        event = msgspec.json.decode(body, type=Event)
        check(self.estate, event)
        now = self.estate.settle()
        if event.after_minutes:
            self.estate.agenda.at(now + timedelta(minutes=event.after_minutes), partial(let_happen, self.estate, event))
        else:
            let_happen(self.estate, event, now)
        return Answer(204)


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


def _item_state(item: ProtectedItem) -> JsonObject:
    terms = item.policy.terms if item.policy else None
    return {
        "vm": item.vm_id,
        "policy": item.policy.name if item.policy else "",
        "policyType": terms.policy_type if terms else "",
        "putsReceived": item.puts_received,
        "putsAccepted": item.puts_accepted,
        "operation": item.operation.id if item.operation else None,
        "jobs": [
            {
                "id": job.id,
                "operation": job.label,
                "status": job.status,
                "startTime": time_text(job.started),
                "endTime": time_text(job.ended) if job.ended else None,
            }
            for job in item.jobs
        ],
    }


def refusal(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"code": "SimulatorControl", "message": message}})
