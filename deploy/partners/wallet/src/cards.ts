// What the wallet knows of the cards it carries: never more than the service has told, and never older than the newest.
import type { Carriage, News } from "ecard-client";
import type { Database, Row } from "./database.ts";

/** What a piece of news changes, before the whole view is fetched. */
const EFFECTS: Record<string, Partial<Record<"state" | "standing" | "result", string>>> = {
  "carriage.signed": { state: "active" },
  "carriage.suspended": { state: "suspended", result: "006" },
  "carriage.resumed": { state: "active", result: "006" },
  "carriage.ended": { state: "revoked", result: "003" },
  "card.loss_reported": { state: "suspended", standing: "suspended", result: "006" },
  "card.loss_lifted": { standing: "active", result: "006" },
  "card.cancelled": { state: "revoked", standing: "revoked", result: "003" },
  "card.password_changed": { result: "002" },
};

export function cardOf(database: Database, customer: string): Row | undefined {
  return database.one("SELECT * FROM cards WHERE customer = ?", customer);
}

/** Give a customer the card of a link; a customer has one, and the one before is forgotten. */
export function attach(database: Database, customer: string, subject: string): void {
  database.transaction(() => {
    database.run("UPDATE cards SET customer = NULL WHERE customer = ? AND subject <> ?", customer, subject);
    database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT DO NOTHING", subject);
    database.run("UPDATE cards SET customer = ? WHERE subject = ?", customer, subject);
  });
}

/** Take the service's view, unless newer news were taken since it was made. */
export function keepView(database: Database, view: Carriage, result?: string | null): void {
  database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT DO NOTHING", view.subject);
  database.run(
    `UPDATE cards SET carriage = ?, state = ?, standing = ?, level = ?, payment_opened = ?, sequence = ?,
       result = coalesce(?, result) WHERE subject = ? AND sequence <= ?`,
    view.id,
    view.state,
    view.card_standing,
    view.level,
    Number(view.payment_opened),
    view.sequence,
    result ?? null,
    view.subject,
    view.sequence,
  );
}

/**
 * Take news once, whatever its order: an older piece undoes nothing. Gives the carriage to look at again, since the
 * news says that something changed, and the view what it is now.
 */
export function keepNews(database: Database, news: News): string | undefined {
  return database.transaction(() => {
    const { id, position, card, sequence, type, timestamp } = news;
    const values = [id, position, card, sequence, type, JSON.stringify(news.data), timestamp];
    if (!database.run("INSERT INTO news VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", ...values)) return undefined;
    database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT DO NOTHING", card);
    const known = database.one("SELECT sequence, carriage FROM cards WHERE subject = ?", card);
    const carriage = typeof news.data.carriage === "string" ? news.data.carriage : null;
    database.run("UPDATE cards SET carriage = coalesce(carriage, ?) WHERE subject = ?", carriage, card);
    if (sequence > Number(known?.sequence)) apply(database, news);
    return String(known?.carriage ?? carriage ?? "") || undefined;
  });
}

function apply(database: Database, news: News): void {
  const { state = null, standing = null, result = null } = EFFECTS[news.type] ?? {};
  const told = news.type === "carriage.signed" ? String(news.data.result ?? "") || null : result;
  database.run(
    `UPDATE cards SET sequence = ?, state = coalesce(?, state), standing = coalesce(?, standing),
       result = coalesce(?, result) WHERE subject = ?`,
    news.sequence,
    state,
    standing,
    told,
    news.card,
  );
}
