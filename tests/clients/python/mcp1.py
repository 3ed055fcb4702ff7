"""PyPI `mcp` 1.x: the legacy era only."""

import asyncio
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import workload

URL, ERA = workload.arguments()


class Client:
    def __init__(self, session, version, updates):
        self.session, self.version, self.updates = session, version, updates

    async def tools(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def resources(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def prompts(self):
        return [prompt.name for prompt in (await self.session.list_prompts()).prompts]

    async def tool(self, name, parameters, progress):
        result = await self.session.call_tool(name, parameters, progress_callback=progress)
        assert not result.isError, result
        return getattr(result.content[0], "text", None), result.structuredContent

    async def watch(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))
        while await self.updates.get() != uri:
            pass
        await self.session.unsubscribe_resource(AnyUrl(uri))


@asynccontextmanager
async def connect(recorder):
    updates = asyncio.Queue()

    async def on_message(message):
        if isinstance(message, types.ServerNotification):
            if isinstance(message.root, types.ResourceUpdatedNotification):
                updates.put_nowait(str(message.root.params.uri))

    timeout = httpx.Timeout(30, read=300)
    async with httpx.AsyncClient(timeout=timeout, event_hooks={"response": [recorder]}) as http:
        async with streamable_http_client(URL, http_client=http) as (reader, writer, _):
            async with ClientSession(reader, writer, message_handler=on_message) as session:
                version = (await session.initialize()).protocolVersion
                yield Client(session, version, updates)


asyncio.run(workload.run("mcp 1", ERA, URL, httpx, connect))
