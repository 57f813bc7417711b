/**
 * What can go wrong, as the protocol words it: a `code` for programs, a sentence for people, and whether
 * trying again can help.
 */

export interface ErrorFields {
  temporary?: boolean | undefined;
  retryAfterMs?: number | undefined;
  details?: Record<string, unknown> | undefined;
}

/** A refusal of the server, or of this client in its name. Look at `code`, never at the sentence. */
export class DeskbellError extends Error {
  override readonly name: string = "DeskbellError";
  readonly code: string;
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;
  readonly retryAfterMs: number | undefined;
  /** `rule` names the policy, limit or filter that refused. */
  readonly details: Record<string, unknown>;

  constructor(code: string, sentence: string, fields: ErrorFields = {}) {
    super(sentence || code);
    this.code = code;
    this.temporary = fields.temporary ?? false;
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details ?? {};
  }
}

/** There was no answer; whether anything was done is not known. */
export class Unreachable extends DeskbellError {
  override readonly name = "Unreachable";

  constructor(retryAfterMs?: number) {
    super("unreachable", "The server cannot be reached. Try again in a moment.", { temporary: true, retryAfterMs });
  }
}

/** The connection is over for good: closed here, or by the server with a code that is final. */
export class ConnectionOver extends DeskbellError {
  override readonly name = "ConnectionOver";
  readonly closeCode: number;

  constructor(closeCode = 1000, sentence = "The connection is closed.") {
    super("connection_over", sentence);
    this.closeCode = closeCode;
  }
}

export function notUnderstood(): DeskbellError {
  return new DeskbellError("not_understood", "The answer is not Deskbell's. Is the address right?");
}

/** Anything thrown, as one of ours. */
export function asError(thrown: unknown): DeskbellError {
  if (thrown instanceof DeskbellError) return thrown;
  return new DeskbellError("client_failed", thrown instanceof Error ? thrown.message : String(thrown));
}
