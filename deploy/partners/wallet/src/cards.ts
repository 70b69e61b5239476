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
};
/** What the customer is told of a change, where the app itself has not made it. */
const CHANGED = "006";

export function cardOf(database: Database, customer: string): Row | undefined {
  return database.one("SELECT * FROM cards WHERE customer = ?", customer);
}

/** Tell whether cards are carried here of which nobody knows whose they are: the database was lost and made anew. */
export function hasUnowned(database: Database): boolean {
  return database.one("SELECT 1 FROM cards WHERE customer IS NULL AND state <> 'revoked' LIMIT 1") !== undefined;
}

/** Give a customer the card of a link; a customer has one, and the one before is forgotten. */
export function attach(database: Database, customer: string, subject: string): void {
  database.transaction(() => {
    database.run("UPDATE cards SET customer = NULL WHERE customer = ? AND subject <> ?", customer, subject);
    database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT DO NOTHING", subject);
    database.run("UPDATE cards SET customer = ? WHERE subject = ?", customer, subject);
  });
}

/**
 * Take the service's view, unless newer news were taken since it was made. Without a `result` of the service's own, a
 * view that shows the card otherwise than it was known here says that it was changed elsewhere.
 */
export function keepView(database: Database, view: Omit<Carriage, "result">, result?: string | null): void {
  database.transaction(() => {
    const known = database.one("SELECT * FROM cards WHERE subject = ?", view.subject);
    if (!known) database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending')", view.subject);
    const isOther = known && known.carriage !== null && (known.state !== view.state || known.standing !== view.card_standing);
    database.run(
      `UPDATE cards SET carriage = ?, state = ?, standing = ?, level = ?, payment_opened = ?, sequence = ?,
         result = coalesce(?, result) WHERE subject = ? AND sequence <= ?`,
      view.id,
      view.state,
      view.card_standing,
      view.level,
      Number(view.payment_opened),
      view.sequence,
      result ?? (isOther && known.state !== "pending" ? CHANGED : null),
      view.subject,
      view.sequence,
    );
  });
}

/** Note that the customer has reported the loss here: the news of it will tell nothing new. */
export function noteLoss(database: Database, subject: string): void {
  database.run("UPDATE cards SET state = 'suspended', standing = 'suspended', result = 'loss' WHERE subject = ?", subject);
}

/** Note that the customer has taken the card out of this app. */
export function noteEnd(database: Database, subject: string, result: string): void {
  database.run("UPDATE cards SET state = 'revoked', result = ? WHERE subject = ?", result, subject);
}

/**
 * Take news once, whatever its order: an older piece undoes nothing. Gives the carriage to look at again, since the
 * news says that something changed, and the view what it is now.
 */
export function keepNews(database: Database, news: News): string | undefined {
  return database.transaction(() => {
    const { id, position, card, sequence, type, timestamp } = news;
    const values = [id, position, card, sequence, type, JSON.stringify(news.data), timestamp];
    const isNew = database.run("INSERT INTO news VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", ...values) > 0;
    database.run("INSERT INTO cards (subject, state) VALUES (?, 'pending') ON CONFLICT DO NOTHING", card);
    const known = database.one("SELECT sequence, carriage FROM cards WHERE subject = ?", card);
    const carriage = typeof news.data.carriage === "string" ? news.data.carriage : null;
    database.run("UPDATE cards SET carriage = coalesce(carriage, ?) WHERE subject = ?", carriage, card);
    if (isNew && sequence > Number(known?.sequence)) apply(database, news);
    return String(known?.carriage ?? carriage ?? "") || undefined;
  });
}

// The result is told only where the state becomes another one: what was done in this app is known already.
function apply(database: Database, news: News): void {
  const { state = null, standing = null, result = null } = EFFECTS[news.type] ?? {};
  const told = news.type === "carriage.signed" ? String(news.data.result ?? "") || null : null;
  database.runNamed(
    `UPDATE cards SET sequence = :sequence, state = coalesce(:state, state), standing = coalesce(:standing, standing),
       result = CASE WHEN :told IS NOT NULL THEN coalesce(result, :told)
         WHEN result = 'loss' AND :standing = 'suspended' THEN result
         WHEN coalesce(:state, state) IS NOT state OR coalesce(:standing, standing) IS NOT standing THEN coalesce(:result, result)
         ELSE result END
     WHERE subject = :card`,
    { sequence: news.sequence, state, standing, told, result, card: news.card },
  );
}
