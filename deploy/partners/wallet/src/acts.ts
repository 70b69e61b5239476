// What the wallet has asked for: each act is on disk under a number of its own before it is sent, and what came of it
// afterwards. An act that was not answered is sent again under the same number, with the same token, while that lasts.
import { EcardError, type HolderCalls, NoAnswer, NotProven, OAuthRefused, randomText, Refused } from "ecard-client";
import { seconds } from "./customers.ts";
import type { Database, Row } from "./database.ts";

export type Purpose = "link" | "check_password" | "pay" | "report_loss" | "unlink";
export const REFUSED = "refused";
export const UNCONFIRMED = "unconfirmed";
/** Tokens live for some minutes; behind that nothing can be asked again in the holder's name. */
const TOKEN_SECONDS = 270;

export interface Act {
  number: string;
  customer: string;
  subject: string;
  purpose: Purpose;
  /** The highest sequence of the card's news that was known then: the same request needs the same. */
  seen: number | undefined;
  holder: HolderCalls;
  until: number;
}

/** Write an act down before it is sent. */
export function beginAct(database: Database, given: Omit<Act, "number" | "until">): Act {
  const number = `W-${Date.now()}-${randomText()}`;
  database.transaction(() => {
    database.run("INSERT INTO acts VALUES (?, ?, ?, NULL, ?)", number, given.customer, given.purpose, seconds());
    if (given.seen !== undefined) database.run("INSERT INTO asked VALUES (?, ?)", number, given.seen);
  });
  return { ...given, number, until: seconds() + TOKEN_SECONDS };
}

/** Write down what came of an act; what is known of it already stays. */
export function settleAct(database: Database, number: string, result: string): void {
  database.run("UPDATE acts SET result = ? WHERE number = ? AND result IS NULL", result, number);
}

/** List acts whose outcome is not known, the oldest first. */
export function openActs(database: Database, before = seconds() + 1): Row[] {
  return database.all(
    "SELECT acts.*, asked.seen FROM acts LEFT JOIN asked USING (number) WHERE result IS NULL AND began < ? ORDER BY began, number",
    before,
  );
}

/** Give the act that a customer began last. */
export function latestAct(database: Database, customer: string): Row | undefined {
  return database.one("SELECT * FROM acts WHERE customer = ? ORDER BY began DESC, rowid DESC LIMIT 1", customer);
}

/** Tell whether a fault leaves open what has happened: no answer, one that proves nothing, or a fault over there. */
export function isSilent(fault: unknown): boolean {
  if (fault instanceof NoAnswer || fault instanceof NotProven) return true;
  if (fault instanceof Refused || fault instanceof OAuthRefused) return fault.status >= 500;
  return false;
}

/** Give the stable code of what the service said. */
export function codeOf(fault: unknown): string {
  if (fault instanceof OAuthRefused) return fault.error;
  if (fault instanceof Refused) return fault.status === 429 ? "rate_limited" : fault.code;
  return fault instanceof EcardError ? "unanswered" : "fault";
}
