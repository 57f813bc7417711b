/** Each frame of the server to whom it concerns. A frame of a newer server that nobody here knows concerns nobody. */

import type { Told } from "./events.ts";
import type { Following } from "./following.ts";
import type { CaseFrame, OwnCaseFrame, ServerFrame } from "./generated.ts";
import type { Inbox } from "./inbox.ts";
import type { Post } from "./post.ts";
import type { Requests } from "./requests.ts";
import { refusal } from "./rest.ts";

export interface Hearers {
  following: Following;
  requests: Requests;
  post: Post;
  inbox: Inbox;
  tell: (told: Told) => void;
}

export function hear(frame: ServerFrame, { following, requests, post, inbox, tell }: Hearers): void {
  switch (frame.type) {
    case "message":
    case "participant":
    case "room":
    case "skip":
      following.durable(frame);
      break;
    case "subscribed":
    case "changes":
      following.page(frame);
      break;
    case "reset":
      following.reset(frame);
      break;
    case "tips":
      following.tips(frame);
      break;
    case "ack":
      if (frame.message) following.learn([frame.message]);
      if (!post.settle(frame)) requests.settle(frame);
      break;
    case "history":
      following.learn(frame.messages);
      requests.settle(frame);
      break;
    case "ok":
      requests.settle(frame);
      break;
    case "error": {
      const error = refusal(frame);
      const answered =
        post.refused(frame.ref, error) || requests.refused(frame.ref, error) || following.refused(frame.ref, frame.room, error);
      if (!answered) tell({ name: "problem", event: { error } });
      break;
    }
    case "typing":
      for (const told of following.rooms.get(frame.room)?.typed(frame) ?? []) tell(told);
      break;
    case "delta":
      for (const told of following.rooms.get(frame.room)?.delta(frame) ?? []) tell(told);
      break;
    case "receipt":
      for (const told of following.rooms.get(frame.room)?.receipt(frame) ?? []) tell(told);
      break;
    case "case":
      hearCase(frame, following, tell);
      break;
    case "inbox":
      inbox.frame(frame);
      break;
    case "presence":
    case "viewing":
    case "conversations":
    case "mention":
    case "draft":
    case "held":
    case "notice":
      tell({ name: frame.type, event: frame } as Told);
      break;
    case "welcome":
    case "drain":
    case "ping":
    case "pong":
      break; // the connection's and the line's
    default:
      frame satisfies never;
  }
}

/** The whole case for agents, or what a visitor learns of theirs. */
function hearCase(frame: CaseFrame | OwnCaseFrame, following: Following, tell: (told: Told) => void): void {
  if ("case" in frame) {
    tell({ name: "case", event: { case: frame.case } });
    return;
  }
  const view = following.rooms.get(frame.room);
  if (view) view.ownCase = frame;
  tell({ name: "ownCase", event: frame });
}
