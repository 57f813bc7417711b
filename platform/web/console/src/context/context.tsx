/** What is known beside a conversation, fetched when one is first shown, so that the list is there sooner. */

import { lazy } from "../lazy.tsx";

export const Context = lazy<{ room: string }>(async () => (await import("./pane.tsx")).Pane);
