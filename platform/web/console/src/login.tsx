/** The way in: address, password, and the organisation only for those who are known to several. */

import "./login.css";
import { bell, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { known } from "./acts.ts";
import { logIn, type Session } from "./session.ts";
import { t } from "./words.ts";

export function Login({ over, onSession }: { over: boolean; onSession: (session: Session) => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [several, setSeveral] = useState(false);
  const [trouble, setTrouble] = useState(over ? t("login.over") : "");
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!form.current || busy) return;
    const given = new FormData(form.current);
    const word = (name: string): string => {
      const value = given.get(name);
      return typeof value === "string" ? value : "";
    };
    setBusy(true);
    setTrouble("");
    try {
      onSession(await logIn(word("email").trim(), word("password"), word("tenant").trim()));
    } catch (thrown) {
      setTrouble(reason(thrown));
      setBusy(false);
      form.current.querySelector<HTMLInputElement>("[name=password]")?.select();
    }
  };

  return (
    <main class="login">
      <form ref={form} onSubmit={(event) => void submit(event)} aria-labelledby="login-title">
        <span class="logo">
          <Icon of={bell} size={24} />
        </span>
        <h1 id="login-title">{t("login.title")}</h1>
        <label>
          {t("login.email")}
          <input class="field" name="email" type="email" autoComplete="username" required dir="ltr" />
        </label>
        <label>
          {t("login.password")}
          <input class="field" name="password" type="password" autoComplete="current-password" required dir="ltr" />
        </label>
        {several ? (
          <label>
            {t("login.tenant")}
            <input class="field" name="tenant" autoComplete="organization" dir="ltr" />
          </label>
        ) : (
          <button type="button" class="several" onClick={() => { setSeveral(true); }}>
            {t("login.tenant.ask")}
          </button>
        )}
        <p class="wrong" role="alert">
          {trouble && (
            <>
              <Icon of={warn} size={16} /> {trouble}
            </>
          )}
        </p>
        <button class="btn ink lg" type="submit" aria-disabled={busy}>
          {busy ? t("login.going") : t("login.go")}
        </button>
      </form>
    </main>
  );
}

function reason(thrown: unknown): string {
  const error = known(thrown);
  switch (error.code) {
    case "unauthenticated":
      return t("login.wrong");
    case "rate_limited":
      return t("login.often");
    case "not_staff":
      return t("login.not-staff");
    case "unreachable":
      return t("login.unreachable");
    default:
      return t("login.failed", { why: error.message });
  }
}
