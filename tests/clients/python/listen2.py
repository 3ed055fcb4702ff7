"""PyPI `mcp` 2.x listens, and says what it hears, until it is killed."""

import asyncio

import mcp
from mcp.client.streamable_http import streamable_http_client

import workload

URL, _ = workload.arguments()


async def main():
    async with mcp.Client(streamable_http_client(URL), mode="2026-07-28") as client:
        await client.session.discover()
        async with client.listen(resource_subscriptions=["hub://clock"]) as subscription:
            async for _ in subscription:
                print("updated", flush=True)
    print("ended", flush=True)


asyncio.run(main())
