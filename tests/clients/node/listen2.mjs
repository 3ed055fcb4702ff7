// `@modelcontextprotocol/client` 2.x listens, and says what it hears, until it is killed.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { arguments_ } from "./workload.mjs";

const { url } = arguments_();
const client = new Client(
  { name: "mcphub-tests", version: "1" },
  { versionNegotiation: { mode: { pin: "2026-07-28" } } },
);
client.setNotificationHandler("notifications/resources/updated", () => console.log("updated"));
await client.connect(new StreamableHTTPClientTransport(url));
const subscription = await client.listen({ resourceSubscriptions: ["hub://clock"] });
console.log(`ended: ${await subscription.closed}`);
