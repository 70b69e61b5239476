// What can go wrong, by what you have to do about it.

export class EcardError extends Error {}

/** No answer, or not in time, also after retries. Send the same call again with the same idempotency key. */
export class NoAnswer extends EcardError {}

/** A signature, certificate or token does not prove what it should: do not use what came with it. */
export class NotProven extends EcardError {}

/** The service said no, with a problem document (RFC 9457). `code` is stable. */
export class Refused extends EcardError {
  readonly status: number;
  readonly code: string;
  readonly problem: Record<string, unknown>;
  readonly retryAfter: number | undefined;

  constructor(status: number, problem: Record<string, unknown>, retryAfter?: number) {
    super(`${status} ${problem.code}: ${[problem.title, problem.detail, problem.next_step].filter(Boolean).join(" ")}`);
    this.status = status;
    this.code = String(problem.code ?? "");
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** The token server said no (RFC 6749 section 5.2). */
export class OAuthRefused extends EcardError {
  readonly status: number;
  readonly error: string;
  readonly code: unknown;
  readonly retryAfter: number | undefined;

  constructor(status: number, answer: Record<string, unknown>, retryAfter?: number) {
    super(`${status} ${answer.error}: ${answer.error_description}`);
    this.status = status;
    this.error = String(answer.error ?? "");
    this.code = answer.code;
    this.retryAfter = retryAfter;
  }
}
