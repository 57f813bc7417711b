/** How it ended for what waited for a check. It comes where something waits. */

import type { Client, HeldFrame } from "@deskbell/client";
import type { Aside } from "@deskbell/ui/aside.ts";

/** What was approved is a message now; what was rejected stays and says so, until its writer throws it away. */
export async function decided(client: Client, room: string, aside: Aside): Promise<void> {
  const { items } = (await client.rest("GET", `/rooms/${room}/held`)) as { items: HeldFrame[] };
  for (const one of aside.of(room)) {
    const status = items.find(({ client_id: id }) => id === one.clientId)?.status;
    if (one.state !== "held" || status === "held") continue;
    if (status === "rejected") aside.put(room, { ...one, state: "failed", error: { code: "rejected" } });
    else aside.take(room, one.clientId);
  }
}
