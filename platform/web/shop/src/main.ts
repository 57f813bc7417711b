/**
 * The page of the demo. It puts the widget on the page as any site does, opens the console for one of the demo's
 * people, whose passwords are known, and sends visitors in.
 */

import { logIn } from "../../console/src/session.ts";

/** Printed in the manual, and refused in production. */
const PASSWORD = "deskbell-demo";

const told = document.querySelector<HTMLOutputElement>(".told");

function tell(sentence: string): void {
  if (told) told.textContent = sentence;
}

async function sendIn(count: number): Promise<void> {
  try {
    const answer = await fetch(`/demo/visitors/${String(count)}`, { method: "POST" });
    const { present } = (await answer.json()) as { present: number };
    tell(present === 1 ? "One visitor is there now." : `${String(present)} visitors are there now. Watch them in the console.`);
  } catch {
    tell("The demo does not answer. Is it still running?");
  }
}

async function enter(name: string): Promise<void> {
  try {
    await logIn(`${name}@demo.example`, PASSWORD);
    tell("");
    open("/console", `console-${name}`);
  } catch {
    tell("The demo does not answer. Is it still running?");
  }
}

const widget = document.createElement("script");
widget.src = "/widget.js";
widget.async = true;
widget.dataset["site"] = "pell-and-rowan";
document.head.append(widget);

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-visitors]")) {
  button.addEventListener("click", () => void sendIn(Number(button.dataset["visitors"])));
}
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-enter]")) {
  button.addEventListener("click", () => void enter(button.dataset["enter"] ?? ""));
}
