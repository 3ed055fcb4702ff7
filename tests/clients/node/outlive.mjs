// Sessions that go on until SIGTERM, whatever becomes of their hub: reads, calls with progress, acts that must not be
// done twice, and a subscription, all at once in each session. One line of JSON on the standard output for whatever
// happens; the test judges.
import assert from "node:assert/strict";

/** The resource that changes each second while somebody follows it. */
const CLOCK = "hub://clock";

/** Longest wait for an answer, in milliseconds: longer than what is promised, so that what is late is seen to be late. */
export const PATIENCE = 30_000;

/** Pause between two rounds, in milliseconds. */
const PAUSE = 100;

let stopping = false;
const stopped = new Promise((resolve) => {
  process.on("SIGTERM", () => {
    stopping = true;
    resolve();
  });
});

const say = (line) => process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);

const pause = (millis) => {
  let timer;
  const passed = new Promise((resolve) => {
    timer = setTimeout(resolve, millis);
  });
  return Promise.race([passed, stopped]).finally(() => clearTimeout(timer));
};

/** Reads a body to its end; in words, how it ended. */
async function end(body) {
  try {
    for await (const _ of body);
    return "it ended";
  } catch (error) {
    return String(error?.message ?? error);
  }
}

/**
 * A `fetch` that notes the session ids it was given, and the end of the session's own stream. A GET that names a last event
 * is another matter: the SDK resumes the answer to a request, which it does after an error, too.
 */
function recorder(session) {
  const ids = new Set();
  const recordingFetch = async (input, init) => {
    const response = await fetch(input, init);
    const id = response.headers.get("mcp-session-id");
    if (id !== null) {
      ids.add(id);
    }
    const standing = init?.method === "GET" && !new Headers(init.headers).has("last-event-id");
    if (!standing || !response.ok) {
      return response;
    }
    const [theirs, ours] = response.body.tee();
    end(ours).then((how) => stopping || say({ what: "stream", session, message: how }));
    return new Response(theirs, { status: response.status, headers: response.headers });
  };
  return { ids, fetch: recordingFetch };
}

/**
 * One session. `open(url, fetch, heard)` gives a connected client with list(), read(uri), tool(name, arguments,
 * onProgress), subscribe(uri) and close(); `heard` is told of updates and complaints. `RequestTimeout` is the code of an
 * error by which the SDK says that it got no answer.
 */
async function session(number, order, open, codes) {
  const { ids, fetch } = recorder(number);
  const heard = {
    update: (uri) => uri === CLOCK && say({ what: "update", session: number }),
    complaint: (error) => {
      // The SDK also complains of streams that it cuts itself when it closes.
      if (!stopping) {
        say({ what: "complaint", session: number, message: String(error?.message ?? error) });
      }
    },
  };
  const client = await open(new URL(order.url), fetch, heard);

  const operation = async (kind, ask, more = {}) => {
    const asked = Date.now();
    let end = { end: "result" };
    try {
      const result = await ask();
      assert.ok(!result.isError, JSON.stringify(result));
    } catch (error) {
      const silent = error?.code === codes.timeout;
      // What the SDK has made up itself, without an answer, has another code or none.
      const code = Number.isInteger(error?.code) && error.code !== codes.closed ? error.code : undefined;
      end = { end: silent ? "silent" : "error", code, message: String(error?.message ?? error) };
    }
    say({ what: "operation", session: number, kind, asked, ...end, ...more });
  };
  const loop = async (round) => {
    while (!stopping) {
      await round();
      await pause(PAUSE);
    }
  };

  await operation("list", () => client.list());
  await client.subscribe(CLOCK);
  say({ what: "ready", session: number, ready: true });
  let acts = 0;
  await Promise.all([
    loop(() => operation("read", () => client.read("hub://self"))),
    loop(() => {
      const progress = [];
      const parameters = { seconds: order.call, steps: order.steps };
      return operation("call", () => client.tool("slow", parameters, (report) => progress.push(report.progress)), {
        progress,
      });
    }),
    loop(() => {
      acts += 1;
      const key = `${order.name} ${number} act ${acts}`;
      return operation("act", () => client.tool("act", { key, seconds: order.act, steps: 1 }), { key });
    }),
  ]);
  await client.close().catch(heard.complaint);
  say({ what: "end", session: number, ids: [...ids] });
}

/** Runs the sessions that the command line orders. */
export async function run(open, codes) {
  const order = JSON.parse(process.argv[2]);
  await Promise.all(Array.from({ length: order.sessions }, (_, number) => session(number, order, open, codes)));
  process.exit(0);
}
