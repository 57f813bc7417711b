/**
 * What an agent does with cases. Each act asks the server and takes up its answer; nothing is shown as done before it
 * is, since a colleague may be faster. A refusal is said in words; the promise tells whether it went.
 */

import { DeskbellError } from "@deskbell/client";
import type { Cases, Rest } from "./cases.ts";
import type { CaseRow } from "./records.ts";
import { say } from "./sayings.ts";
import { t } from "./words.ts";

export class Acts {
  readonly #rest: Rest;
  readonly #cases: Cases;
  readonly #me: string;
  readonly #nameOf: (user: string) => string | undefined;

  constructor(rest: Rest, cases: Cases, me: string, nameOf: (user: string) => string | undefined) {
    this.#rest = rest;
    this.#cases = cases;
    this.#me = me;
    this.#nameOf = nameOf;
  }

  /** Take a waiting case. Of two at once exactly one gets it; the other is told who. */
  claim(row: CaseRow): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "claim"));
  }

  /** Answer in a conversation oneself from now on, also where nobody has escalated. */
  async takeOver(room: string): Promise<boolean> {
    return this.#said(this.#cases.ofRoom(room), () => this.#rest("POST", `/rooms/${room}/take-over`, {}));
  }

  giveBack(row: CaseRow, to: "queue" | "bot"): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "return", { to }));
  }

  transfer(row: CaseRow, to: { team: string } | { agent: string }, note = ""): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "transfer", { ...to, note }));
  }

  /** Give it to an agent, oneself included. */
  assign(row: CaseRow, agent: string): Promise<boolean> {
    return this.#said(row, () => this.#assigned(row, agent));
  }

  snooze(row: CaseRow, until: Date): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "snooze", { until: until.toISOString() }));
  }

  resolve(row: CaseRow): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "resolve"));
  }

  reopen(row: CaseRow): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "reopen"));
  }

  merge(row: CaseRow, into: CaseRow): Promise<boolean> {
    return this.#said(row, () => this.#post(row, "merge", { into: into.id }));
  }

  /** 0 normal, 1 high, 2 urgent; only if the case is still the one that was looked at. */
  priority(row: CaseRow, priority: number): Promise<boolean> {
    return this.#said(row, () => this.#rest("PATCH", `/cases/${row.id}`, { priority, version: row.version }));
  }

  /** Have it carry exactly these labels, by id; only if the case is still the one that was looked at. */
  labels(row: CaseRow, labels: readonly string[]): Promise<boolean> {
    return this.#said(row, () => this.#rest("PUT", `/cases/${row.id}/labels`, { labels, version: row.version }));
  }

  /** The same act on many, one after the other; what failed is told as a whole by whoever asked. */
  async each(
    rows: readonly CaseRow[],
    act: (row: CaseRow) => Promise<unknown>,
    progress: (done: number, failed: number) => void,
  ): Promise<{ row: CaseRow; error: DeskbellError }[]> {
    const failed: { row: CaseRow; error: DeskbellError }[] = [];
    for (const [at, row] of rows.entries()) {
      try {
        this.#take(await act(row));
      } catch (thrown) {
        failed.push({ row, error: known(thrown) });
        void this.#cases.find(row.id).catch(() => undefined);
      }
      progress(at + 1, failed.length);
    }
    return failed;
  }

  /** The bare requests, for {@link each}. */
  readonly bare = {
    resolve: (row: CaseRow): Promise<unknown> => this.#post(row, "resolve"),
    snooze: (row: CaseRow, until: Date): Promise<unknown> => this.#post(row, "snooze", { until: until.toISOString() }),
    assign: (row: CaseRow, agent: string): Promise<unknown> => this.#assigned(row, agent),
    merge: (row: CaseRow, into: string): Promise<unknown> => this.#post(row, "merge", { into }),
    label: (row: CaseRow, label: string): Promise<unknown> =>
      row.labels.includes(label) ? Promise.resolve(row) : this.#rest("PUT", `/cases/${row.id}/labels`, { labels: [...row.labels, label] }),
  };

  /** What waits is claimed for oneself; all else is handed over, which everybody may. */
  #assigned(row: CaseRow, agent: string): Promise<unknown> {
    if (row.status === "waiting" && agent === this.#me) return this.#post(row, "claim");
    return this.#post(row, "transfer", { agent, note: "" });
  }

  #post(row: CaseRow, act: string, body: unknown = {}): Promise<unknown> {
    return this.#rest("POST", `/cases/${row.id}/${act}`, body);
  }

  async #said(row: CaseRow | undefined, ask: () => Promise<unknown>): Promise<boolean> {
    try {
      this.#take(await ask());
      return true;
    } catch (thrown) {
      const error = known(thrown);
      const fresh = row && !error.temporary ? await this.#cases.find(row.id).catch(() => undefined) : undefined;
      say(this.reason(error, fresh), { bad: error.code !== "already_claimed" });
      return false;
    }
  }

  /** Why it did not go, in the agent's words. */
  reason(error: DeskbellError, fresh?: CaseRow): string {
    const name = fresh?.agent ? this.#nameOf(fresh.agent) : undefined;
    switch (error.code) {
      case "already_claimed":
        return name === undefined ? t("act.lost") : t("act.lost.to", { name });
      case "expectation_failed":
        return t("act.changed");
      case "unreachable":
        return t("act.unreachable");
      case "not_found":
      case "gone":
        return t("act.gone");
      case "forbidden":
        return t("act.forbidden");
      default:
        return t("act.failed", { why: error.message });
    }
  }

  #take(answer: unknown): void {
    if (typeof answer !== "object" || answer === null || !("version" in answer && "room" in answer)) return;
    this.#cases.put(answer as CaseRow);
    this.#cases.flush();
  }
}

export function known(thrown: unknown): DeskbellError {
  return thrown instanceof DeskbellError ? thrown : new DeskbellError("client_failed", String(thrown));
}
