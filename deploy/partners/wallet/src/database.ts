// The wallet's own database: customers, what each was sent to us for, the cards by the name we know them under.
import { chmodSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, salt TEXT NOT NULL, password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers, began INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journeys (state TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers, purpose TEXT NOT NULL,
  verifier TEXT NOT NULL, nonce TEXT NOT NULL, session TEXT, began INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS cards (subject TEXT PRIMARY KEY, customer TEXT UNIQUE REFERENCES customers, carriage TEXT,
  state TEXT NOT NULL, standing TEXT, level TEXT, payment_opened INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0,
  result TEXT);
CREATE TABLE IF NOT EXISTS acts (number TEXT PRIMARY KEY, customer TEXT NOT NULL, purpose TEXT NOT NULL, result TEXT, began INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS asked (number TEXT PRIMARY KEY REFERENCES acts, seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS news (id TEXT PRIMARY KEY, position INTEGER NOT NULL, subject TEXT NOT NULL, sequence INTEGER NOT NULL,
  kind TEXT NOT NULL, data TEXT NOT NULL, happened TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
`;

export type Row = Record<string, string | number | null>;

export class Database {
  readonly #database: DatabaseSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    if (path !== ":memory:") chmodSync(path, 0o600);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000");
    this.#database.exec(SCHEMA);
  }

  one(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#database.prepare(sql).get(...values) as Row | undefined;
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#database.prepare(sql).all(...values) as Row[];
  }

  /** Change rows and tell how many. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes);
  }

  runNamed(sql: string, values: Record<string, SQLInputValue>): number {
    return Number(this.#database.prepare(sql).run(values).changes);
  }

  /** Do all of it or nothing; what has returned is on disk. */
  transaction<Result>(work: () => Result): Result {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (fault) {
      this.#database.exec("ROLLBACK");
      throw fault;
    }
  }

  close(): void {
    this.#database.close();
  }
}
