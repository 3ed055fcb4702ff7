"""PyPI `mcp` 1.x: sessions whose hubs die."""

from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import outlive


class Client:
    def __init__(self, session):
        self.session = session

    async def list(self):
        await self.session.list_tools()

    async def read(self, uri):
        await self.session.read_resource(AnyUrl(uri))

    async def tool(self, name, parameters, progress):
        result = await self.session.call_tool(name, parameters, progress_callback=progress)
        assert not result.isError, result

    async def subscribe(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))


@asynccontextmanager
async def connect(url, recorder, heard):
    async def on_message(message):
        if isinstance(message, Exception):
            heard.complain(message)
        elif isinstance(message, types.ServerNotification):
            if isinstance(message.root, types.ResourceUpdatedNotification):
                heard.update(str(message.root.params.uri))

    timeout = httpx.Timeout(30, read=300)
    async with httpx.AsyncClient(timeout=timeout, event_hooks={"response": [recorder]}) as http:
        async with streamable_http_client(url, http_client=http) as (reader, writer, _):
            async with ClientSession(reader, writer, message_handler=on_message) as session:
                await session.initialize()
                yield Client(session)


outlive.run(connect)
