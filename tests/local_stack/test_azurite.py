"""The storage emulator, and what it tells of itself."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from azure.data.tables.aio import TableServiceClient

from local_stack.azurite import start_azurite


async def test_each_request_is_told_once(tmp_path: Path) -> None:
    """A line for each request that reached it; a transaction is one, whatever it holds."""
    told: asyncio.Queue[str] = asyncio.Queue()
    async with AsyncExitStack() as until:
        storage = await start_azurite(tmp_path, until, on_request=told.put_nowait)
        service = await until.enter_async_context(TableServiceClient.from_connection_string(storage))
        table = await until.enter_async_context(service.get_table_client("rows"))
        await table.create_table()
        await table.submit_transaction([("create", {"PartitionKey": "p", "RowKey": str(n)}) for n in range(3)])
        await table.get_entity("p", "2")

        requests: list[str] = []
        while len(requests) < 3:
            line = await told.get()
            requests += [line.split('"')[1]] if '"' in line else []  # it also says that it has started

    assert requests == [
        "POST /devstoreaccount1/Tables HTTP/1.1",
        "POST /devstoreaccount1/$batch HTTP/1.1",
        "GET /devstoreaccount1/rows(PartitionKey='p',RowKey='2') HTTP/1.1",
    ]
    assert told.empty()
