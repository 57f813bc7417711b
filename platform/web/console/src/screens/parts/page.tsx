/** The frame all screens share: a title, what can be done with it, and what is shown while there is nothing to show. */

import { asError, type DeskbellError } from "@deskbell/client";
import { retry, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Role } from "../../records.ts";
import { useDesk } from "../../use-desk.ts";
import { t } from "../../words.ts";
import type { Loaded } from "./loaded.ts";
import "./screen.css";

interface PageProps {
  title: string;
  /** A few words beside the title, such as *Live*. */
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}

export function Page({ title, lead, actions, children, class: name = "" }: PageProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // A new screen begins at its title, for those who hear it.
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <section class={`sc ${name}`} aria-label={title}>
      <header class="sc-head">
        <h1 tabIndex={-1} ref={heading}>
          {title}
        </h1>
        {lead !== undefined && <span class="sc-lead">{lead}</span>}
        <span class="sc-push" />
        {actions}
      </header>
      {children}
    </section>
  );
}

/** What was refused, in the reader's words where they are known, else in the server's. */
export function sentence(error: DeskbellError): string {
  switch (error.code) {
    case "forbidden":
      return error.message && error.message !== error.code ? `${t("screens.refused.forbidden")} ${error.message}` : t("screens.refused.forbidden");
    case "unreachable":
      return t("screens.refused.unreachable");
    case "not_found":
      return t("screens.refused.not_found");
    case "rate_limited":
      return t("screens.refused.rate_limited");
    case "expectation_failed":
      return t("screens.refused.expectation_failed");
    default:
      return error.message;
  }
}

/** An error where it happened: what it means, and a way on. */
export function Problem({ error, again }: { error: unknown; again?: (() => unknown) | undefined }): JSX.Element {
  return (
    <p class="sc-problem" role="alert">
      <Icon of={warn} size={16} />
      <span dir="auto">{sentence(asError(error))}</span>
      {again && (
        <button type="button" class="btn quiet" onClick={() => void again()}>
          <Icon of={retry} size={16} /> {t("screens.again")}
        </button>
      )}
    </p>
  );
}

/** A screen for some roles alone; to others it says so, and asks the server nothing. */
export function For({ roles, title, children }: { roles: readonly Role[]; title: string; children: ComponentChildren }): JSX.Element {
  const { role } = useDesk().me.value;
  if (roles.some((one) => one === role)) return <>{children}</>;
  return (
    <Page title={title}>
      <Empty>{t(roles.includes("supervisor") ? "screens.for_leads" : "screens.for_admins")}</Empty>
    </Page>
  );
}

/** Nothing here: one sentence, perhaps a title. */
export function Empty({ title, children }: { title?: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="sc-empty">
      {title && <h2>{title}</h2>}
      {children && <p>{children}</p>}
    </div>
  );
}

/** Grey lines in the place of what comes, still. */
export function Waiting({ lines = 5 }: { lines?: number }): JSX.Element {
  return (
    <div class="sc-waiting" role="status" aria-label={t("screens.loading")}>
      {Array.from({ length: lines }, (_, at) => (
        <i key={at} />
      ))}
    </div>
  );
}

interface ShownProps<T> {
  of: Loaded<T>;
  lines?: number;
  children: (value: T) => ComponentChildren;
}

/** What was loaded; grey lines when it takes long; the error in its place, above what was there before. */
export function Shown<T>({ of, lines = 5, children }: ShownProps<T>): JSX.Element {
  return (
    <>
      {of.error && <Problem error={of.error} again={of.again} />}
      {of.value === undefined && of.slow && !of.error && <Waiting lines={lines} />}
      {of.value !== undefined && children(of.value)}
    </>
  );
}
