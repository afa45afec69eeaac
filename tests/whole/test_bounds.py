"""What an orchestration carries stays small, whatever the number of VMs: the bounds of the task hub and of replay."""

import aiohttp
import pytest

from local_host.host import LocalHost
from migration.model import VaultId
from simulator import Simulator
from tests.whole.callers import a_body, act, ask, pass_time, status_of
from tests.whole.conftest import OneClock

MOST_EVENTS = 500  # of a generation's history: two activities for each of fifty starts, and their episodes
MOST_INPUT = 32_000  # bytes
MOST_STATUS = 16_000  # of UTF-16, where the extension refuses it


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", ["fleet:1x2000"])
async def test_two_thousand_vms_in_a_vault_make_no_generation_longer(
    http: aiohttp.ClientSession, host: LocalHost, simulator: Simulator, clock: OneClock
) -> None:
    """History, input and custom status of every generation, while hundreds of VMs are started."""
    [vault] = simulator.estate.vaults()
    controller = f"m1:{VaultId.parse(vault.id).key}"
    limits = {"ramp": [], "maxConcurrentPerVault": 100, "pollSeconds": 60}
    seen: list[tuple[int, int, int]] = []
    with clock.standing_still():
        status, _ = await ask(http, "POST", "/api/migrations", a_body(simulator, limits=limits))
        assert status == 202
        await host.settled()
        for _ in range(3):
            seen += [await _size(host, name) for name in ("m1", controller)]
            await pass_time(host, clock, hours=1)
        moved = (await status_of(http))["items"]
        await act(http, "cancel")
    await host.wait("m1")

    assert moved["Migrated"] > 100
    assert max(events for events, _, _ in seen) < MOST_EVENTS
    assert max(given for _, given, _ in seen) < MOST_INPUT
    assert max(told for _, _, told in seen) < MOST_STATUS


async def _size(host: LocalHost, instance_id: str) -> tuple[int, int, int]:
    """Events in its history, bytes of its input, bytes of its custom status as the extension counts them."""
    status = await host.status(instance_id)
    assert status
    return (
        len(await host.history(instance_id)),
        len(str(status.input).encode()),
        len(str(status.custom_status or "").encode("utf-16-le")),
    )
