"""A server of the installed `mcp` package, 1 or 2, on loopback: `serve.py PORT [stateless]`.

GET /sessions says how many sessions it holds.
"""

import sys

from starlette.responses import PlainTextResponse

try:
    from mcp.server import MCPServer

    server = MCPServer("serve")
    by_run = True
except ImportError:
    from mcp.server.fastmcp import FastMCP

    server = FastMCP("serve")
    by_run = False


@server.tool()
def echo(text: str) -> str:
    return text


@server.custom_route("/sessions", methods=["GET"])
async def sessions(_request):
    return PlainTextResponse(str(len(server.session_manager._server_instances)))


options = {"host": "127.0.0.1", "port": int(sys.argv[1]), "stateless_http": "stateless" in sys.argv[2:]}
if by_run:
    server.run("streamable-http", **options)
else:
    for name, value in options.items():
        setattr(server.settings, name, value)
    server.run("streamable-http")
