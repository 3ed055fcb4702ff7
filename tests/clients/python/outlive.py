"""Sessions that go on until SIGTERM, whatever becomes of their hub.

Reads, calls with progress, acts that must not be done twice, and a subscription, all at once in each session. One line of
JSON on the standard output for whatever happens; the test judges.
"""

import asyncio
import json
import signal
import sys
import time
import traceback

# The resource that changes each second while somebody follows it.
CLOCK = "hub://clock"

# Longest wait for an answer, in seconds: longer than what is promised, so that what is late is seen to be late.
PATIENCE = 30

# Pause between two rounds, in seconds.
PAUSE = 0.1

# The code of the error by which the SDK says that it was cut off.
CONNECTION_CLOSED = -32000


def now():
    return time.time() * 1000


def say(what, session, **more):
    print(json.dumps({"what": what, "at": now(), "session": session} | more), flush=True)


def watched(stream, ended):
    """The stream of a response, which tells how it ended."""

    async def pieces(self):
        how = "it ended"
        try:
            async for piece in stream:
                yield piece
        except BaseException as error:
            how = repr(error)
            raise
        finally:
            ended(how)

    async def aclose(self):
        await stream.aclose()

    # httpx asks for the class.
    members = {"__init__": lambda self: None, "__aiter__": pieces, "aclose": aclose}
    return type("Watched", (type(stream),), members)()


class Recorder:
    """Notes the session ids that were given, and the end of the session's own stream; an httpx response hook.

    A GET that names a last event is another matter: there the SDK resumes the answer to a request.
    """

    def __init__(self, session, stop):
        self.session, self.stop, self.ids = session, stop, set()

    async def __call__(self, response):
        if "mcp-session-id" in response.headers:
            self.ids.add(response.headers["mcp-session-id"])
        request = response.request
        standing = request.method == "GET" and "last-event-id" not in request.headers
        if standing and response.status_code == 200:
            response.stream = watched(response.stream, self.ended)

    def ended(self, how):
        if not self.stop.is_set():
            say("stream", self.session, message=how)


class Session:
    def __init__(self, number, order, stop):
        self.number, self.order, self.stop, self.acts = number, order, stop, 0

    def update(self, uri):
        if uri == CLOCK:
            say("update", self.number)

    def complain(self, error):
        say("complaint", self.number, message=repr(error))

    async def operation(self, kind, ask, **more):
        asked = now()
        try:
            async with asyncio.timeout(PATIENCE):
                await ask()
            end = {"end": "result"}
        except TimeoutError:
            end = {"end": "silent"}
        except Exception as error:
            code = getattr(getattr(error, "error", None), "code", None)
            # What the SDK has made up itself, without an answer, counts as none.
            end = {"end": "error", "code": None if code == CONNECTION_CLOSED else code, "message": repr(error)}
        say("operation", self.number, kind=kind, asked=asked, **end, **more)

    async def read(self, client):
        await self.operation("read", lambda: client.read("hub://self"))

    async def call(self, client):
        seen = []

        async def progress(value, total, message):
            seen.append(value)

        parameters = {"seconds": self.order["call"], "steps": self.order["steps"]}
        await self.operation("call", lambda: client.tool("slow", parameters, progress), progress=seen)

    async def act(self, client):
        self.acts += 1
        key = f"{self.order['name']} {self.number} act {self.acts}"
        parameters = {"key": key, "seconds": self.order["act"], "steps": 1}
        await self.operation("act", lambda: client.tool("act", parameters, None), key=key)

    async def loop(self, one, client):
        while not self.stop.is_set():
            await one(client)
            try:
                await asyncio.wait_for(self.stop.wait(), PAUSE)
            except TimeoutError:
                pass

    async def live(self, connect):
        """`connect(url, recorder, session)` gives a client with list(), read(), tool() and subscribe()."""
        recorder = Recorder(self.number, self.stop)
        async with connect(self.order["url"], recorder, self) as client:
            await self.operation("list", client.list)
            await client.subscribe(CLOCK)
            say("ready", self.number, ready=True)
            await asyncio.gather(*(self.loop(one, client) for one in (self.read, self.call, self.act)))
        say("end", self.number, ids=sorted(recorder.ids))


async def sessions(connect):
    order, stop = json.loads(sys.argv[1]), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def one(number):
        session = Session(number, order, stop)
        try:
            await session.live(connect)
        except BaseException:
            # A session that its SDK gave up: what it does not say from here on tells the test.
            session.complain(traceback.format_exc())

    await asyncio.gather(*(one(number) for number in range(order["sessions"])))


def run(connect):
    asyncio.run(sessions(connect))
