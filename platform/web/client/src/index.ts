/** The protocol client of Deskbell. Everything that is public stands here. */

export { Client, type HistoryBounds, type Options, type SendFields } from "./client.ts";
export { asError, ConnectionOver, DeskbellError, Unreachable } from "./errors.ts";
export type { Events } from "./events.ts";
export type * from "./generated.ts";
export type { InboxEntry } from "./inbox.ts";
export type { Letter } from "./outbox.ts";
export type { RoomView } from "./room.ts";
export { MemoryShelf, ownShelf, type Shelf, StorageShelf } from "./shelf.ts";
export { ownSurroundings, type Socket, type Surroundings, wakeable } from "./surroundings.ts";
export { BrowserTabs, ownTabs, SoleTab, type Tabs } from "./tabs.ts";
export { claims, type Login } from "./tokens.ts";
