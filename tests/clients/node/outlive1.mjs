// `@modelcontextprotocol/sdk` 1.x, session after session of which hubs die.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

import { PATIENCE, run } from "./outlive.mjs";

async function open(url, fetch, heard) {
  const transport = new StreamableHTTPClientTransport(url, { fetch });
  const client = new Client({ name: "mcphub-tests", version: "1" });
  client.onerror = heard.complaint;
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (note) => heard.update(note.params.uri));
  await client.connect(transport);
  const options = { timeout: PATIENCE };
  return {
    list: () => client.listTools(undefined, options),
    read: (uri) => client.readResource({ uri }, options),
    tool: (name, parameters, onprogress) =>
      client.callTool({ name, arguments: parameters }, undefined, { ...options, onprogress }),
    subscribe: (uri) => client.subscribeResource({ uri }, options),
    close: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

await run(open, { timeout: ErrorCode.RequestTimeout, closed: ErrorCode.ConnectionClosed });
