/** Text of the server into frames, also that of a server newer than this client. */

import type { ServerFrame, ServerFrames } from "./generated.ts";

export type DurableFrame = ServerFrames["message" | "participant" | "room" | "skip"];

type Shape = Record<string, unknown>;

/**
 * A frame, or `undefined` for what is none. Frames of unknown types pass: whoever hears them does nothing.
 *
 * A durable frame whose record cannot be read becomes a `skip`: it took a number, and the room goes on.
 */
export function understood(data: unknown): ServerFrame | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(String(data));
  } catch {
    return undefined;
  }
  if (!isObject(frame) || typeof frame["type"] !== "string") return undefined;
  const record = durableRecord(frame);
  if (record !== undefined) {
    if (typeof frame["room"] !== "string" || typeof frame["seq"] !== "number") return undefined;
    if (!record) return { type: "skip", room: frame["room"], seq: frame["seq"] };
  }
  return frame as unknown as ServerFrame;
}

/** Whether the record of a durable frame is whole; `undefined` for other frames. */
function durableRecord(frame: Shape): boolean | undefined {
  switch (frame["type"]) {
    case "message":
      return isMessage(frame["message"]);
    case "participant":
      return isVersioned(frame["participant"]) && isObject(frame["participant"]["user"]);
    case "room":
      return isVersioned(frame["state"]);
    case "skip":
      return true;
    default:
      return undefined;
  }
}

function isMessage(record: unknown): boolean {
  return (
    isVersioned(record) &&
    typeof record["id"] === "string" &&
    typeof record["seq"] === "number" &&
    isObject(record["sender"]) &&
    isObject(record["metadata"])
  );
}

function isVersioned(record: unknown): record is Shape {
  return isObject(record) && typeof record["changed_seq"] === "number";
}

function isObject(value: unknown): value is Shape {
  return typeof value === "object" && value !== null;
}
