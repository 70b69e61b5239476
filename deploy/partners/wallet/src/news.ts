// News of the cards: posted to us, and pulled from the feed by whoever has missed or lost something.
import { NotProven, type News, type NewsKeys, Refused, verifyNews } from "ecard-client";
import { keepNews, keepView } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import type { Database } from "./database.ts";

const KEYS_LIVE_MS = 3_600_000;
const ASKED_AGAIN_MS = 30_000; // whoever posts rubbish must not make us ask for keys each time
const PAGE = 200;

export class Newsroom {
  readonly #configuration: Configuration;
  readonly #database: Database;
  #keys: { keys: NewsKeys; until: number } | undefined;

  constructor(configuration: Configuration, database: Database) {
    this.#configuration = configuration;
    this.#database = database;
  }

  /** Take what was posted. It is on disk when this returns, so a 2xx may be answered; throws `NotProven`. */
  async take(headers: Record<string, string | string[] | undefined>, body: Buffer): Promise<void> {
    const news = await this.#verify(headers, body);
    if (news.channel !== this.#configuration.channel) throw new NotProven("news for another channel");
    keepNews(this.#database, news);
  }

  /** Read the feed from where we stopped to its end, then look at each card that it named; gives how many were new. */
  async pull(): Promise<number> {
    const { partner } = this.#configuration;
    const touched = new Set<string>();
    let after = Number(this.#database.one("SELECT value FROM marks WHERE name = 'feed'")?.value ?? 0);
    for (let more = true, count = 0; ; ) {
      const page = await partner.channel.getNews({ after, limit: PAGE });
      for (const news of page.items) {
        const carriage = keepNews(this.#database, news);
        count += 1;
        if (carriage) touched.add(carriage);
      }
      ({ next: after, more } = page);
      this.#database.run("INSERT INTO marks VALUES ('feed', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", after);
      if (more) continue;
      for (const carriage of touched) await this.look(carriage);
      return count;
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
  async #verify(headers: Record<string, string | string[] | undefined>, body: Buffer): Promise<News> {
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
