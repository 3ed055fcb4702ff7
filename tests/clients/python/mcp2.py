"""PyPI `mcp` 2.x: both eras."""

import asyncio
import warnings
from contextlib import asynccontextmanager

import httpx2
import mcp
from mcp import types
from mcp.client.streamable_http import streamable_http_client

import workload

# The legacy era's own methods are deprecated there; they are what is tested.
warnings.simplefilter("ignore")

URL, ERA = workload.arguments()
MODE = "2026-07-28" if ERA == "modern" else "legacy"


class Client:
    def __init__(self, client, updates):
        self.client, self.version, self.updates = client, client.protocol_version, updates

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def resources(self):
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def tool(self, name, parameters, progress):
        result = await self.client.call_tool(name, parameters, progress_callback=progress)
        assert not result.is_error, result
        return getattr(result.content[0], "text", None), result.structured_content

    async def watch(self, uri):
        if ERA == "modern":
            async with self.client.listen(resource_subscriptions=[uri]) as subscription:
                event = await anext(aiter(subscription))
                assert str(event.uri) == uri, event
            return
        await self.client.subscribe_resource(uri)
        while await self.updates.get() != uri:
            pass
        await self.client.unsubscribe_resource(uri)


@asynccontextmanager
async def connect(recorder):
    updates = asyncio.Queue()

    async def on_message(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updates.put_nowait(str(message.params.uri))

    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(timeout=timeout, event_hooks={"response": [recorder]}) as http:
        transport = streamable_http_client(URL, http_client=http)
        async with mcp.Client(transport, mode=MODE, message_handler=on_message) as client:
            if ERA == "modern":
                await client.session.discover()
            yield Client(client, updates)


asyncio.run(workload.run("mcp 2", ERA, URL, httpx2, connect))
