// What every JavaScript client does, whatever SDK it is built on: SESSIONS sessions of CALLS_EACH calls, the first half
// one after another, the second half at once. The closing line is JSON; any failure is listed there and is the exit code.
import assert from "node:assert/strict";

export const SESSIONS = 20;
export const CALLS_EACH = 10;

/** The resource that changes while somebody is subscribed to it. */
export const CLOCK = "hub://clock";

/** Longest wait for an update, in milliseconds; the clock changes every second. */
const PATIENCE = 30_000;

/** Steps of the one slow call in each session. */
const STEPS = 4;

/** `node script.mjs URL ERA` */
export function arguments_() {
  const [url, era] = process.argv.slice(2);
  assert.ok(url && ["legacy", "modern"].includes(era), "usage: node SCRIPT URL legacy|modern");
  return { url: new URL(url), era };
}

/** A `fetch` that remembers the session id it was given and how a DELETE was answered. */
export function recorder() {
  const seen = { session: undefined, deleted: undefined, statuses: new Set() };
  const recordingFetch = async (input, init) => {
    const response = await fetch(input, init);
    seen.statuses.add(response.status);
    seen.session ??= response.headers.get("mcp-session-id") ?? undefined;
    if (init?.method === "DELETE") {
      seen.deleted = response.status;
    }
    return response;
  };
  return { seen, fetch: recordingFetch };
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The answer to a plain request under a session id, past the SDK: what does an ended session get? */
async function statusOf(url, session, version) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": session,
      "mcp-protocol-version": version,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
  });
  await response.arrayBuffer();
  return response.status;
}

/**
 * One session. `client` has listTools, listResources, listPrompts, tool(name, arguments, onProgress) giving the result,
 * watch(uri) giving a promise of the first update and a way to stop, and close() ending the session.
 */
async function session(number, open, url, totals) {
  const client = await open();
  totals.negotiated.add(client.version);

  const names = (list) => list.map((item) => item.name);
  const tools = names((await client.listTools()).tools);
  assert.ok(["echo", "whoami", "slow"].every((name) => tools.includes(name)), `tools: ${tools}`);
  assert.ok((await client.listResources()).resources.some((resource) => resource.uri === CLOCK));
  assert.ok((await client.listPrompts()).prompts.length > 0);
  totals.lists += 3;

  let calls = 0;
  const tool = async (name, parameters, onProgress) => {
    const result = await client.tool(name, parameters, onProgress);
    assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`);
    calls += 1;
    return result;
  };

  const who = (await tool("whoami", {})).structuredContent;
  totals.hubs[who.hub] = (totals.hubs[who.hub] ?? 0) + 1;

  const progress = [];
  await tool("slow", { seconds: 0.2, steps: STEPS }, (report) => progress.push(report.progress));
  assert.ok(progress.length >= 2, `progress: ${progress}`);
  assert.ok(progress.every((value, i) => i === 0 || value > progress[i - 1]), `progress: ${progress}`);
  totals.progress += progress.length;

  const watch = await client.watch(CLOCK);
  await within(watch.updated, "update");
  totals.updates += 1;
  await watch.stop();

  while (calls < CALLS_EACH - 1) {
    const text = `session ${number}, call ${calls}, grüße ☕`;
    assert.equal((await tool("echo", { text })).content[0].text, text);
  }
  const again = (await tool("whoami", {})).structuredContent;
  assert.deepEqual([again.hub, again.boot], [who.hub, who.boot], "the session moved");
  totals.calls += calls;

  const { session: id, deleted } = await client.close();
  totals.sessions += 1;
  if (id !== undefined) {
    assert.ok(deleted >= 200 && deleted < 300, `DELETE: ${deleted}`);
    totals.deleted += 1;
    assert.equal(await statusOf(url, id, client.version), 404);
    totals.gone += 1;
  }
}

/** Runs all sessions; `open` gives a connected client. */
export async function run(name, era, url, open) {
  const totals = {
    client: name, era, negotiated: new Set(), sessions: 0, calls: 0, lists: 0, progress: 0, updates: 0, deleted: 0,
    gone: 0, hubs: {}, failures: [],
  };
  const one = async (number) => {
    try {
      await session(number, open, url, totals);
    } catch (error) {
      totals.failures.push(`session ${number}: ${error?.stack ?? error}`);
    }
  };
  const half = SESSIONS / 2;
  for (let number = 0; number < half; number += 1) {
    await one(number);
  }
  await Promise.all(Array.from({ length: SESSIONS - half }, (_, i) => one(half + i)));
  console.log(JSON.stringify({ ...totals, negotiated: [...totals.negotiated] }));
  process.exit(totals.failures.length === 0 ? 0 : 1);
}
