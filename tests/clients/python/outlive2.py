"""PyPI `mcp` 2.x in its legacy era: sessions whose hubs die."""

import warnings
from contextlib import asynccontextmanager

import httpx2
import mcp
from mcp import types
from mcp.client.streamable_http import streamable_http_client

import outlive

# The legacy era's own methods are deprecated there; they are what is tested.
warnings.simplefilter("ignore")


class Client:
    def __init__(self, client):
        self.client = client

    async def list(self):
        await self.client.list_tools()

    async def read(self, uri):
        await self.client.read_resource(uri)

    async def tool(self, name, parameters, progress):
        result = await self.client.call_tool(name, parameters, progress_callback=progress)
        assert not result.is_error, result

    async def subscribe(self, uri):
        await self.client.subscribe_resource(uri)


@asynccontextmanager
async def connect(url, recorder, heard):
    async def on_message(message):
        if isinstance(message, Exception):
            heard.complain(message)
        elif isinstance(message, types.ResourceUpdatedNotification):
            heard.update(str(message.params.uri))

    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(timeout=timeout, event_hooks={"response": [recorder]}) as http:
        transport = streamable_http_client(url, http_client=http)
        async with mcp.Client(transport, mode="legacy", message_handler=on_message) as client:
            yield Client(client)


outlive.run(connect)
