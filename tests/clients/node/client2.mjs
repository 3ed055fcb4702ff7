// `@modelcontextprotocol/client` 2.x: both eras.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { arguments_, recorder, run } from "./workload.mjs";

const { url, era } = arguments_();
const mode = era === "modern" ? { pin: "2026-07-28" } : "legacy";

async function open() {
  const { seen, fetch } = recorder();
  const transport = new StreamableHTTPClientTransport(url, { fetch });
  const client = new Client({ name: "mcphub-tests", version: "1" }, { versionNegotiation: { mode } });
  let updated = () => {};
  client.setNotificationHandler("notifications/resources/updated", (note) => updated(note.params.uri));
  await client.connect(transport);
  const subscribe = async (uri) => {
    if (era === "modern") {
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      return () => subscription.close();
    }
    await client.subscribeResource({ uri });
    return () => client.unsubscribeResource({ uri });
  };
  return {
    version: client.getNegotiatedProtocolVersion(),
    listTools: () => client.listTools(),
    listResources: () => client.listResources(),
    listPrompts: () => client.listPrompts(),
    tool: (name, parameters, onprogress) => client.callTool({ name, arguments: parameters }, { onprogress }),
    watch: async (uri) => {
      const first = new Promise((resolve) => {
        updated = (which) => which === uri && resolve();
      });
      return { updated: first, stop: await subscribe(uri) };
    },
    close: async () => {
      if (era === "legacy") {
        await transport.terminateSession();
      }
      await client.close();
      return seen;
    },
  };
}

await run("@modelcontextprotocol/client", era, url, open);
