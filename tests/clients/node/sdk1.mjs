// `@modelcontextprotocol/sdk` 1.x: the legacy era only.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

import { arguments_, recorder, run } from "./workload.mjs";

const { url, era } = arguments_();

async function open() {
  const { seen, fetch } = recorder();
  const transport = new StreamableHTTPClientTransport(url, { fetch });
  const client = new Client({ name: "mcphub-tests", version: "1" });
  let updated = () => {};
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (note) => updated(note.params.uri));
  await client.connect(transport);
  return {
    version: transport.protocolVersion,
    listTools: () => client.listTools(),
    listResources: () => client.listResources(),
    listPrompts: () => client.listPrompts(),
    tool: (name, parameters, onprogress) => client.callTool({ name, arguments: parameters }, undefined, { onprogress }),
    watch: async (uri) => {
      const first = new Promise((resolve) => {
        updated = (which) => which === uri && resolve();
      });
      await client.subscribeResource({ uri });
      return { updated: first, stop: () => client.unsubscribeResource({ uri }) };
    },
    close: async () => {
      await transport.terminateSession();
      await client.close();
      return seen;
    },
  };
}

await run("@modelcontextprotocol/sdk", era, url, open);
