// The wallet's own customers and their sessions: who is at the app, and since when that is known.
import { createHash, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import type { Database } from "./database.ts";

/** How long after signing in we may say to the card's service that this is our customer; it allows ten minutes. */
const FRESH_SECONDS = 540;
export const SESSION_SECONDS = 3600;

export class NotSignedIn extends Error {}
export class NoSuchCustomer extends Error {}

/** `id` is a hash of what the cookie holds: who reads the database can be nobody with it. */
export interface Session {
  id: string;
  customer: string;
  began: number;
}

export function addCustomer(database: Database, name: string, password: string): string {
  const known = database.one("SELECT id FROM customers WHERE name = ?", name);
  if (known) return String(known.id);
  const id = `cus_${randomBytes(12).toString("hex")}`;
  const salt = randomBytes(16).toString("hex");
  database.run("INSERT INTO customers VALUES (?, ?, ?, ?)", id, name, salt, hashOf(password, salt));
  return id;
}

export function requireCustomer(database: Database, id: unknown): string {
  const known = typeof id === "string" && database.one("SELECT 1 FROM customers WHERE id = ?", id);
  if (!known) throw new NoSuchCustomer("there is no such customer");
  return id;
}

/** Sign a customer in; gives the session and what the cookie holds. */
export function signIn(database: Database, name: string, password: string): { session: Session; cookie: string } {
  const row = database.one("SELECT id, salt, password FROM customers WHERE name = ?", name);
  const given = Buffer.from(hashOf(password, String(row?.salt ?? "")), "hex");
  const known = Buffer.from(String(row?.password ?? "00".repeat(32)), "hex");
  if (!row || !timingSafeEqual(given, known)) throw new NotSignedIn("wrong_password");
  return beginSession(database, String(row.id));
}

export function beginSession(database: Database, customer: string): { session: Session; cookie: string } {
  const cookie = randomBytes(24).toString("base64url");
  const session = { id: handleOf(cookie), customer, began: seconds() };
  database.run("DELETE FROM sessions WHERE began < ?", seconds() - SESSION_SECONDS);
  database.run("INSERT INTO sessions VALUES (?, ?, ?)", session.id, customer, session.began);
  return { session, cookie };
}

export function findSession(database: Database, cookie: string): Session | undefined {
  const id = handleOf(cookie);
  const row = database.one("SELECT * FROM sessions WHERE id = ? AND began > ?", id, seconds() - SESSION_SECONDS);
  return row && { id, customer: String(row.customer), began: Number(row.began) };
}

export function endSession(database: Database, id: string): void {
  database.run("DELETE FROM sessions WHERE id = ?", id);
}

/** Take a session that is new enough to vouch for the customer; otherwise the password is asked again. */
export function requireFresh(session: Session): Session {
  if (seconds() - session.began > FRESH_SECONDS) throw new NotSignedIn("sign_in");
  return session;
}

export function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

function handleOf(cookie: string): string {
  return createHash("sha256").update(cookie).digest("hex");
}

function hashOf(password: string, salt: string): string {
  return scryptSync(password, salt, 32).toString("hex");
}
