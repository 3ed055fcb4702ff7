// `@modelcontextprotocol/client` 2.x in its legacy era, session after session of which hubs die.
import { Client, SdkErrorCode, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { PATIENCE, run } from "./outlive.mjs";

async function open(url, fetch, heard) {
  const transport = new StreamableHTTPClientTransport(url, { fetch });
  const client = new Client({ name: "mcphub-tests", version: "1" }, { versionNegotiation: { mode: "legacy" } });
  client.onerror = heard.complaint;
  client.setNotificationHandler("notifications/resources/updated", (note) => heard.update(note.params.uri));
  await client.connect(transport);
  const options = { timeout: PATIENCE };
  return {
    list: () => client.listTools(undefined, options),
    read: (uri) => client.readResource({ uri }, options),
    tool: (name, parameters, onprogress) =>
      client.callTool({ name, arguments: parameters }, { ...options, onprogress }),
    subscribe: (uri) => client.subscribeResource({ uri }, options),
    close: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

// Errors that the SDK makes itself have words for codes here.
await run(open, { timeout: SdkErrorCode.RequestTimeout, closed: SdkErrorCode.ConnectionClosed });
