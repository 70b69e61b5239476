// News of the cards: posted to us, and pulled from the feed by whoever has missed or lost something.
import { NotProven, type News, type NewsKeys, Refused, verifyNews } from "ecard-client";
import { keepNews, keepView } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import type { Database } from "./database.ts";

const KEYS_LIVE_MS = 3_600_000;
const ASKED_AGAIN_MS = 30_000; // whoever posts rubbish must not make us ask for keys each time
const PAGE = 200;
const PING = "ping";
const NOT_LIVE = "channel_not_live";

/** Signed, and still no news: answered 400, so that somebody looks at it. */
export class NewsMalformed extends Error {}

type Headers = Record<string, string | string[] | undefined>;

export class Newsroom {
  readonly #configuration: Configuration;
  readonly #database: Database;
  #keys: { keys: NewsKeys; until: number } | undefined;
  #pulling: Promise<number> = Promise.resolve(0);

  constructor(configuration: Configuration, database: Database) {
    this.#configuration = configuration;
    this.#database = database;
  }

  /** Take what was posted. It is on disk when this returns, so a 2xx may be answered; throws `NotProven`, `NewsMalformed`. */
  async take(headers: Headers, body: Buffer): Promise<void> {
    const news = await this.#verify(headers, body);
    if (news.channel !== this.#configuration.channel) throw new NotProven("news for another channel");
    if (news.type !== PING) keepNews(this.#database, requireNews(news));
  }

  /** Read the feed from where we stopped to its end, then look at each card that it named; gives how many were new. */
  pull(): Promise<number> {
    // one after the other: two at once would read the same pages
    this.#pulling = this.#pulling.catch(() => 0).then(() => this.#pull());
    return this.#pulling;
  }

  /** Wait until nothing is being pulled. */
  async settled(): Promise<void> {
    await this.#pulling.catch(() => 0);
  }

  async #pull(): Promise<number> {
    const { partner } = this.#configuration;
    const mark = this.#database.one("SELECT value FROM marks WHERE name = 'feed'");
    if (mark === undefined) await this.#takeStock();
    let after = Number(mark?.value ?? 0);
    for (let more = true, count = 0; ; ) {
      const page = await partner.channel.getNews({ after, limit: PAGE });
      const named = new Set(page.items.map((news) => keepNews(this.#database, requireNews(news))));
      // the mark moves last: whatever fails before is read and looked at again
      for (const carriage of named) if (carriage) await this.look(carriage);
      count += page.items.length;
      ({ next: after, more } = page);
      this.#database.run("INSERT INTO marks VALUES ('feed', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", after);
      if (!more) return count;
    }
  }

  /** Take down all carriages as they stand: a wallet without a mark in the feed is new, or has lost its database. */
  async #takeStock(): Promise<void> {
    const { partner } = this.#configuration;
    try {
      for (let after: string | null = null; ; ) {
        const page = await partner.channel.getCarriages({ after, limit: PAGE });
        for (const view of page.items) keepView(this.#database, view);
        if (page.next === null) return;
        after = page.next;
      }
    } catch (fault) {
      if (!(fault instanceof Refused && fault.code === NOT_LIVE)) throw fault; // the sandbox has news and no cards
    }
  }

  /** Ask how a carriage stands now; needs no customer. */
  async look(carriage: string): Promise<void> {
    try {
      keepView(this.#database, await this.#configuration.partner.channel.getCarriage(carriage));
    } catch (fault) {
      if (!(fault instanceof Refused && fault.status === 404)) throw fault;
    }
  }

  // Keys change: a signature that does not hold is looked at once more with what is published now.
  async #verify(headers: Headers, body: Buffer): Promise<News> {
    const kept = this.#keys && this.#keys.until > Date.now() ? this.#keys.keys : undefined;
    try {
      return verifyNews(kept ?? (await this.#fetchKeys()), headers, body);
    } catch (fault) {
      const isFresh = (this.#keys?.until ?? 0) > Date.now() + KEYS_LIVE_MS - ASKED_AGAIN_MS;
      if (!kept || isFresh || !(fault instanceof NotProven)) throw fault;
      return verifyNews(await this.#fetchKeys(), headers, body);
    }
  }

  async #fetchKeys(): Promise<NewsKeys> {
    const keys = await this.#configuration.partner.public.getNewsKeys();
    this.#keys = { keys, until: Date.now() + KEYS_LIVE_MS };
    return keys;
  }
}

/** Take what has the form of news. */
function requireNews(news: News): News {
  const { id, type, card, timestamp, position, sequence, data } = news;
  const isNews =
    [id, type, card, timestamp].every((text) => typeof text === "string") &&
    [position, sequence].every(Number.isSafeInteger) &&
    typeof data === "object" &&
    data !== null;
  if (!isNews) throw new NewsMalformed("this is no news");
  return news;
}
