import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { Client, DeskbellError, MemoryShelf, type ServerFrame, type Shelf, type Socket, SoleTab, type Tabs } from "../src/index.ts";
import { frame, message, ROOM, subscribed } from "./samples.ts";

/** The server's end of a socket. */
class Far implements Socket {
  readyState = 1;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly heard: Record<string, unknown>[] = [];
  closed = false;

  send(text: string): void {
    this.heard.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  says(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
  }

  hangsUp(code: number): void {
    this.onclose?.({ code, reason: "" } as CloseEvent);
  }

  last(type: string): Record<string, unknown> {
    const found = this.heard.findLast((heard) => heard["type"] === type);
    if (!found) throw new Error(`no ${type} was heard`);
    return found;
  }

  count(type: string): number {
    return this.heard.filter((heard) => heard["type"] === type).length;
  }

  welcomes(): void {
    const user = { id: "u-1", kind: "member" as const, name: "Tom", avatar: null };
    const limits = { frame_bytes: 0, text_bytes: 0, messages_per_min: 0, rooms_per_subscribe: 0, rooms_per_connection: 0, in_flight: 0 };
    this.says({ type: "welcome", user, tenant: "t", connection: "c", heartbeat_ms: 30_000, limits, server_time: "" });
  }
}

let sockets: Far[];
let shelf: Shelf;

function newest(): Far {
  const far = sockets.at(-1);
  if (!far) throw new Error("there is no socket");
  return far;
}

function made(tabs: Tabs = new SoleTab()): Client {
  const surroundings = {
    now: () => Date.now(),
    random: () => 1,
    after(ms: number, work: () => void) {
      const timer = setTimeout(work, ms);
      return () => {
        clearTimeout(timer);
      };
    },
    open() {
      sockets.push(new Far());
      return newest();
    },
    fetch: (url: string) => {
      const answer = url.includes("/ws-tickets") ? { ticket: "once" } : { items: [], as_of: "now" };
      return Promise.resolve(new Response(JSON.stringify(answer)));
    },
    onWake: () => () => undefined,
  };
  return new Client("https://desk.example", { token: "a.b.c" }, { shelf, surroundings, tabs });
}

async function connected(tabs?: Tabs): Promise<[Client, Far]> {
  const client = made(tabs);
  const ready = client.connect();
  await settled();
  newest().welcomes();
  await ready;
  return [client, newest()];
}

/** Everything that is due now is done. */
async function settled(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  shelf = new MemoryShelf();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the connection", () => {
  test("comes back after a break, asks from where it stood, and sends again what was not answered", async () => {
    const [client, far] = await connected();
    const room = client.subscribe(ROOM);
    far.says(subscribed(2, [message(1), message(2)], { ref: Number(far.last("subscribe")["ref"]) }));
    await room;
    void client.sendMessage(ROOM, "Hello", { clientId: "c-1" });
    far.hangsUp(1006);
    await settled(1000);
    newest().welcomes();

    expect(newest()).not.toBe(far);
    expect(newest().last("subscribe")["rooms"]).toEqual([{ id: ROOM, since: 2, epoch: "e-1" }]);
    expect(newest().last("send")).toEqual(far.last("send"));
  });

  test("repeats requests that were not answered, in the order in which they were made", async () => {
    const [client, far] = await connected();
    const asked = [client.editMessage("m-1", "one"), client.editMessage("m-1", "two"), client.react("m-1", "👍")];
    far.says({ type: "ack", ref: Number(far.last("react")["ref"]), room: ROOM, id: "m-1" });
    await asked[2];
    far.hangsUp(4002);
    await settled(1000);
    newest().welcomes();
    expect(newest().heard.map((heard) => heard["content"])).toEqual(["one", "two"]);
    newest().says({ type: "ack", ref: Number(newest().last("edit")["ref"]), room: ROOM, id: "m-1" });
    expect((await asked[1])?.id).toBe("m-1");
  });

  test("goes when the server drains, and comes back when it said", async () => {
    const [, far] = await connected();
    far.says({ type: "drain", reconnect_in_ms: 700 });
    await settled(699);
    expect(far.closed).toBe(false);
    await settled(1);
    expect(far.closed).toBe(true);
    await settled(10);
    expect(sockets).toHaveLength(2);
  });

  test("asks when it hears nothing, and goes when there is no answer", async () => {
    const [, far] = await connected();
    await settled(45_000);
    expect(far.count("ping")).toBe(1);
    far.says({ type: "pong" });
    await settled(45_000);
    expect([far.count("ping"), far.closed]).toEqual([2, false]);
    await settled(15_000);
    expect(far.closed).toBe(true);
  });

  test("answers a ping", async () => {
    const [, far] = await connected();
    far.says({ type: "ping" });
    expect(far.count("pong")).toBe(1);
  });

  test("does not come back from a final close", async () => {
    const [client, far] = await connected();
    const waiting = client.editMessage("m-1", "better");
    const closed = vi.fn();
    client.on("closed", closed);
    far.hangsUp(4503);
    await expect(waiting).rejects.toMatchObject({ code: "connection_over", closeCode: 4503 });
    await settled(120_000);
    expect(sockets).toHaveLength(1);
    expect(closed).toHaveBeenCalledOnce();
  });

  test("is over when it is closed here, and what is unsent stays for the next page", async () => {
    const [client] = await connected();
    const sending = client.sendMessage(ROOM, "Hello", { clientId: "c-1" });
    client.disconnect();
    await expect(sending).rejects.toBeInstanceOf(DeskbellError);
    expect(made().unsent().map((letter) => letter.client_id)).toEqual(["c-1"]);
  });
});

describe("following", () => {
  test("a hole, a tip and a reset are each asked about once", async () => {
    const [client, far] = await connected();
    void client.subscribe(ROOM);
    const answer = (seq: number, recovered: boolean): void => {
      far.says(subscribed(seq, [], { recovered, ref: Number(far.last("subscribe")["ref"]) }));
    };
    answer(2, false);
    far.says(frame(message(4)));
    far.says(frame(message(5)));
    expect(far.count("subscribe")).toBe(2);
    answer(5, true);
    far.says({ type: "tips", rooms: { [ROOM]: 5 } });
    expect(far.count("subscribe")).toBe(2);
    far.says({ type: "tips", rooms: { [ROOM]: 6 } });
    far.says({ type: "tips", rooms: { [ROOM]: 6 } });
    expect(far.count("subscribe")).toBe(3);
    far.says({ type: "reset", room: ROOM, epoch: "e-2", ref: Number(far.last("subscribe")["ref"]) });
    expect(far.count("subscribe")).toBe(4);
    expect(far.last("subscribe")["rooms"]).toEqual([{ id: ROOM }]);
  });

  test("a room that is not yours is refused by name; one that was is told as lost", async () => {
    const [client, far] = await connected();
    const room = client.subscribe(ROOM);
    far.says({ type: "error", ref: Number(far.last("subscribe")["ref"]), code: "not_found", message: "", temporary: false });
    await expect(room).rejects.toMatchObject({ code: "not_found" });
    expect(client.rooms.size).toBe(0);

    const lost = vi.fn();
    client.on("lost", lost);
    void client.subscribe(ROOM);
    far.says(subscribed(2, [], { ref: Number(far.last("subscribe")["ref"]) }));
    far.says({ type: "tips", rooms: { [ROOM]: 3 } });
    far.says({ type: "error", ref: Number(far.last("subscribe")["ref"]), code: "not_found", message: "", temporary: false });
    expect(lost).toHaveBeenCalledOnce();
  });
});

describe("sending", () => {
  test("what the server asks to send later is sent later, and what follows it in the room waits with it", async () => {
    const [client, far] = await connected();
    const sending = client.sendMessage(ROOM, "one", { clientId: "c-1" });
    const ref = Number(far.last("send")["ref"]);
    far.says({ type: "error", ref, code: "rate_limited", message: "", temporary: true, retry_after_ms: 2000 });
    void client.sendMessage(ROOM, "two", { clientId: "c-2" });
    expect(far.count("send")).toBe(1);
    await settled(2400);
    expect(far.heard.filter(({ type }) => type === "send").map((heard) => heard["content"])).toEqual(["one", "one", "two"]);
    far.says({ type: "ack", ref, room: ROOM, id: "m-1", client_id: "c-1", seq: 1 });
    expect((await sending).id).toBe("m-1");
    expect(client.unsent().map((letter) => letter.content)).toEqual(["two"]);
  });

  test("what was committed counts as unsent until its room has told it, in whichever order ack and message come", async () => {
    const [client, far] = await connected();
    void client.subscribe(ROOM);
    far.says(subscribed(0, [], { ref: Number(far.last("subscribe")["ref"]) }));
    const shown = (): string[] => [...(client.rooms.get(ROOM)?.ordered() ?? []), ...client.unsent(ROOM)].map(({ content }) => content);
    const ack = (seq: number): void => {
      far.says({ type: "ack", ref: Number(far.last("send")["ref"]), room: ROOM, id: `m-${seq}`, client_id: `c-${seq}`, seq });
      expect(shown()).toHaveLength(seq);
    };
    void client.sendMessage(ROOM, "text 1", { clientId: "c-1" });
    ack(1);
    far.says(frame(message(1)));
    expect([shown(), client.unsent()]).toEqual([["text 1"], []]);
    void client.sendMessage(ROOM, "text 2", { clientId: "c-2" });
    far.says(frame(message(2)));
    ack(2);
    expect([shown(), client.unsent()]).toEqual([["text 1", "text 2"], []]);

    void client.sendMessage("r-2", "nobody follows this", { clientId: "c-3" });
    far.says({ type: "ack", ref: Number(far.last("send")["ref"]), room: "r-2", id: "m-3", client_id: "c-3", seq: 9 });
    expect(client.unsent()).toEqual([]);
  });

  test("a tab whose message the owner of the outbox does not send sends it itself", async () => {
    const notes: unknown[] = [];
    const sole = new SoleTab();
    const nothing = (): void => undefined;
    const frozen = { owner: false, onOwner: nothing, say: (note: unknown) => notes.push(note), onNote: nothing, alone: sole.alone.bind(sole), close: nothing };
    const [client, far] = await connected(frozen);
    void client.sendMessage(ROOM, "one", { clientId: "c-1" });
    await settled(4_999);
    expect([notes, far.count("send")]).toEqual([[{ kind: "put" }], 0]);
    await settled(1);
    expect(far.count("send")).toBe(1);
    far.says({ type: "ack", ref: Number(far.last("send")["ref"]), room: ROOM, id: "m-1", client_id: "c-1", seq: 1 });
    expect(notes.at(-1)).toMatchObject({ kind: "sent", clientId: "c-1" });
  });

  test("what is refused for good leaves the outbox and says why", async () => {
    const [client, far] = await connected();
    const sending = client.sendMessage(ROOM, "", { clientId: "c-1" });
    far.says({ type: "error", ref: Number(far.last("send")["ref"]), code: "invalid", message: "Empty.", temporary: false });
    await expect(sending).rejects.toMatchObject({ code: "invalid", message: "Empty." });
    expect(client.unsent()).toEqual([]);
  });
});

test("a listener that throws does not keep others from hearing", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const client = made();
  const heard = vi.fn();
  client.on("connecting", () => {
    throw new Error("mine");
  });
  client.on("connecting", heard);
  void client.connect().catch(() => undefined);
  await settled();
  expect(heard).toHaveBeenCalledWith({ attempt: 1 });
});
