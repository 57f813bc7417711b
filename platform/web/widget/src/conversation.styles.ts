/** The sheets of the conversation, in the order in which they count. */

import rich from "@deskbell/ui/rich.css?inline";
import virtual from "@deskbell/ui/virtual.css?inline";
import composer from "./composer.css?inline";
import message from "./message.css?inline";
import thread from "./thread.css?inline";

export const conversationStyles: readonly string[] = [rich, virtual, thread, message, composer];
