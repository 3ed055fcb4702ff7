# FastMCP's proxy before the bench hub, as its documentation shows it: streamable HTTP on either side, answers in JSON.
# Started with: python fastmcp_proxy.py
from fastmcp.server import create_proxy

proxy = create_proxy("http://127.0.0.1:18400/mcp", name="bench")
proxy.run(
    transport="http",
    host="127.0.0.1",
    port=18405,
    path="/mcp",
    json_response=True,
    show_banner=False,
    log_level="warning",
    uvicorn_config={"access_log": False},
)
