/**
 * The page of the demo. It puts the widget on the page as any site does, opens the console for one of the demo's
 * people, whose passwords are known, and sends visitors in.
 */

import { DeskbellError } from "@deskbell/client";
import { openFor } from "../../console/src/session.ts";

/** Printed in the manual, and refused in production. */
const PASSWORD = "deskbell-demo";

const told = document.querySelector<HTMLOutputElement>(".told");

function tell(sentence: string): void {
  if (told) told.textContent = sentence;
}

/** Why it did not work, as far as the demo says it. */
function reason(thrown: unknown): string {
  const code = thrown instanceof DeskbellError ? thrown.code : "unreachable";
  if (code === "unreachable") return "The demo does not answer. Is it still running?";
  return code === "rate_limited" ? "That was often. Try again in a minute." : `The demo refused: ${code}.`;
}

async function sendIn(count: number): Promise<void> {
  try {
    const answer = await fetch(`/demo/visitors/${String(count)}`, { method: "POST" });
    if (!answer.ok) throw new DeskbellError(`status ${String(answer.status)}`, "");
    const { present } = (await answer.json()) as { present: number };
    tell(present === 1 ? "One visitor is there now." : `${String(present)} visitors are there now. Watch them in the console.`);
  } catch (thrown) {
    tell(reason(thrown));
  }
}

async function enter(name: string): Promise<void> {
  try {
    const opened = await openFor(`${name}@demo.example`, PASSWORD, `console-${name}`);
    tell(opened ? "" : "The browser did not open a window. Allow this page to, and try again.");
  } catch (thrown) {
    tell(reason(thrown));
  }
}

window.Deskbell = [];
const widget = document.createElement("script");
widget.src = "/widget.js";
widget.async = true;
widget.dataset["site"] = "pell-and-rowan";
document.head.append(widget);

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-ask]")) {
  button.addEventListener("click", () => window.Deskbell?.push(["open"]));
}
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-visitors]")) {
  button.addEventListener("click", () => void sendIn(Number(button.dataset["visitors"])));
}
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-enter]")) {
  button.addEventListener("click", () => void enter(button.dataset["enter"] ?? ""));
}
