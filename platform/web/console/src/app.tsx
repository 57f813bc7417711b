/** Who is here decides what is drawn: the login, or the frame around a desk. */

import { again } from "@deskbell/ui/lazy.tsx";
import { effect, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Desk } from "./desk.ts";
import { Frame } from "./frame.tsx";
import { Login } from "./login.tsx";
import { keepPreferences, preferences } from "./preferences.ts";
import { logOut, onOtherTab, remember, restored, type Session } from "./session.ts";
import { DeskContext } from "./use-desk.ts";
import { speak, texts } from "./words.ts";

interface Open {
  session: Session;
  desk: Desk;
  end: () => void;
}

const open = signal<Open | undefined>(undefined);
/** Why the last login ended, where it was not by the agent's own will. */
const over = signal(false);

export function App(): JSX.Element {
  useEffect(() => {
    const session = restored();
    if (session) begin(session);
    const ends = [onOtherTab(changedElsewhere), followSystem(), effect(dress)];
    return () => {
      for (const end of ends) end();
    };
  }, []);
  const now = open.value;
  if (!now) return <Login over={over.value} onSession={begin} />;
  return (
    <DeskContext.Provider value={now.desk}>
      <Frame key={now.session.me.user.id} />
    </DeskContext.Provider>
  );
}

function begin(session: Session): void {
  const desk = new Desk(session.client, session.me);
  const unkeep = keepPreferences(session.me.user.id);
  const back = session.client.on("live", again);
  const ended = session.client.on("closed", ({ error }) => {
    if (error) leave(true);
  });
  open.value = {
    session,
    desk,
    end: () => {
      back();
      ended();
      unkeep();
      desk.stop();
    },
  };
  over.value = false;
  desk.start().then(
    () => {
      remember(desk.me.value);
    },
    () => {
      leave(true);
    },
  );
}

/** Back to the login, with nothing left of who was here. */
function leave(unasked: boolean): void {
  const now = open.value;
  if (!now) return;
  open.value = undefined;
  over.value = unasked;
  now.end();
  void logOut(now.session);
}

export function logOutNow(): void {
  leave(false);
}

function changedElsewhere(): void {
  const found = restored();
  const now = open.value;
  if (now && found?.me.user.id === now.session.me.user.id) return;
  if (now) {
    open.value = undefined;
    now.end();
    now.session.client.disconnect();
  }
  if (found) begin(found);
}

const systemDark = signal(false);

/** Follow the system from light to dark; what comes back stops it. */
function followSystem(): () => void {
  const asked = matchMedia("(prefers-color-scheme: dark)");
  const look = (): void => {
    systemDark.value = asked.matches;
  };
  look();
  asked.addEventListener("change", look);
  return () => {
    asked.removeEventListener("change", look);
  };
}

/** The theme and the language the agent likes, on the page as a whole. */
function dress(): void {
  const root = document.documentElement;
  const { theme, language, density } = preferences.value;
  const dark = theme === "dark" || (theme === "system" && systemDark.value);
  root.dataset["theme"] = dark ? "dark" : "light";
  root.dataset["density"] = density;
  root.lang = texts.language.value;
  root.dir = texts.direction.value;
  void speak(language || navigator.language.split("-")[0] || "en");
}
