/** Records for tests: whole, and different only in what a test says. */

import type { Message } from "@deskbell/client";
import { message as sample } from "../../client/test/samples.ts";

export const VISITOR = { id: "u-visitor", kind: "visitor", name: "Maya", avatar: null } as const;
export const AGENT = { id: "u-agent", kind: "agent", name: "Ines", avatar: null } as const;
export const SYSTEM = { id: "u-system", kind: "system", name: "Deskbell", avatar: null } as const;

/** A message of the visitor; what a test does not say is as the client's samples have it. */
export function message(seq: number, fields: Partial<Message> = {}): Message {
  return sample(seq, { room: "r-front", sender: VISITOR, created_at: new Date(Date.UTC(2026, 10, 21, 10, 0, seq)).toISOString(), ...fields });
}

export function note(seq: number, anchor: number, fields: Partial<Message> = {}): Message {
  return message(seq, {
    id: `n-${seq}`, client_id: `cn-${seq}`, room: "r-back", sender: AGENT, content: `note ${seq}`,
    metadata: { anchor_seq: anchor }, ...fields,
  });
}

export function event(seq: number, name: string): Message {
  return message(seq, { kind: "system", sender: SYSTEM, metadata: { event: name }, content: name });
}
