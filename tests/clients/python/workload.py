"""What every Python client does, whatever release of `mcp` it is built on.

SESSIONS sessions of CALLS_EACH calls, the first half one after another, the second half at once. The closing line is
JSON; any failure is listed there and is the exit code.
"""

import asyncio
import json
import sys
import traceback

SESSIONS = 20
CALLS_EACH = 10

# The resource that changes while somebody is subscribed to it.
CLOCK = "hub://clock"

# Longest wait for an update, in seconds; the clock changes every second.
PATIENCE = 30

# Steps of the one slow call in each session.
STEPS = 4


def arguments():
    """`python SCRIPT URL ERA`"""
    if len(sys.argv) != 3 or sys.argv[2] not in ("legacy", "modern"):
        sys.exit("usage: python SCRIPT URL legacy|modern")
    return sys.argv[1], sys.argv[2]


class Recorder:
    """Remembers the session id that was given and how a DELETE was answered; an httpx response hook."""

    def __init__(self):
        self.session = None
        self.deleted = None

    async def __call__(self, response):
        self.session = self.session or response.headers.get("mcp-session-id")
        if response.request.method == "DELETE":
            self.deleted = response.status_code


class Totals:
    def __init__(self, client, era):
        self.counts = {
            "client": client, "era": era, "sessions": 0, "calls": 0, "lists": 0, "progress": 0, "updates": 0,
            "deleted": 0, "gone": 0, "hubs": {}, "failures": [],
        }
        self.negotiated = set()

    def add(self, name, count=1):
        self.counts[name] += count


async def talk(number, client, totals):
    """One session up to its end. `client` offers version, tools(), resources(), prompts(), tool() and watch()."""
    totals.negotiated.add(client.version)
    tools = await client.tools()
    assert {"echo", "whoami", "slow"} <= set(tools), tools
    assert CLOCK in await client.resources()
    assert await client.prompts()
    totals.add("lists", 3)

    calls = 0

    async def tool(name, parameters, progress=None):
        nonlocal calls
        text, structured = await client.tool(name, parameters, progress)
        calls += 1
        return text, structured

    _, who = await tool("whoami", {})
    hubs = totals.counts["hubs"]
    hubs[who["hub"]] = hubs.get(who["hub"], 0) + 1

    seen = []

    async def progress(value, total, message):
        seen.append(value)

    await tool("slow", {"seconds": 0.2, "steps": STEPS}, progress)
    assert len(seen) >= 2 and all(a < b for a, b in zip(seen, seen[1:])), seen
    totals.add("progress", len(seen))

    async with asyncio.timeout(PATIENCE):
        await client.watch(CLOCK)
    totals.add("updates")

    while calls < CALLS_EACH - 1:
        sent = f"session {number}, call {calls}, grüße ☕"
        text, _ = await tool("echo", {"text": sent})
        assert text == sent, text
    _, again = await tool("whoami", {})
    assert (again["hub"], again["boot"]) == (who["hub"], who["boot"]), "the session moved"
    totals.add("calls", calls)


async def session(number, connect, http, url, totals):
    recorder = Recorder()
    async with connect(recorder) as client:
        await talk(number, client, totals)
        version = client.version
    totals.add("sessions")
    if recorder.session is None:
        return
    assert recorder.deleted is not None and 200 <= recorder.deleted < 300, recorder.deleted
    totals.add("deleted")
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-session-id": recorder.session,
        "mcp-protocol-version": version,
    }
    async with http.AsyncClient() as plain:
        answer = await plain.post(url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code == 404, answer.status_code
    totals.add("gone")


async def run(name, era, url, http, connect):
    """`connect(recorder)` is a context manager that gives a client; `http` is the HTTP library the SDK uses."""
    totals = Totals(name, era)

    async def one(number):
        try:
            await session(number, connect, http, url, totals)
        except BaseException:
            totals.counts["failures"].append(f"session {number}: {traceback.format_exc()}")

    half = SESSIONS // 2
    for number in range(half):
        await one(number)
    await asyncio.gather(*(one(number) for number in range(half, SESSIONS)))
    print(json.dumps(totals.counts | {"negotiated": sorted(totals.negotiated)}))
    sys.exit(1 if totals.counts["failures"] else 0)
