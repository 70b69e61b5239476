// For the story and for tests, on 127.0.0.1 in development alone: what a customer would do at the app, as JSON.
import type { IncomingMessage, ServerResponse } from "node:http";
import { EcardError } from "ecard-client";
import { cardOf } from "./cards.ts";
import { addCustomer, beginSession, NoSuchCustomer, NotSignedIn, requireCustomer, type Session } from "./customers.ts";
import type { Database } from "./database.ts";
import { CardStopped, isPurpose, JourneyBroken, type Links, NotLinked } from "./links.ts";
import type { Newsroom } from "./news.ts";
import { BadRequest, nothing, readBody, sendJson } from "./requests.ts";

type Given = Record<string, unknown>;
type Act = (given: Given) => Promise<unknown> | unknown;

export class Control {
  readonly #database: Database;
  readonly #links: Links;
  readonly #newsroom: Newsroom;

  constructor(database: Database, links: Links, newsroom: Newsroom) {
    this.#database = database;
    this.#links = links;
    this.#newsroom = newsroom;
  }

  handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const act = request.method === "POST" ? this.#acts[(request.url ?? "").slice(1)] : undefined;
    // a page in this machine's browser cannot send JSON here unasked, and no name that leads here is ours
    const isOurs = request.headers["content-type"] === "application/json" && /^127\.0\.0\.1:/.test(request.headers.host ?? "");
    if (!act || !isOurs) return nothing(response, 404);
    try {
      sendJson(response, 200, (await act(readGiven(await readBody(request)))) ?? {});
    } catch (fault) {
      sendJson(response, statusOf(fault), describe(fault));
    }
  };

  readonly #acts: Record<string, Act> = {
    customers: ({ name, password }) => ({ customer: addCustomer(this.#database, textOf(name), textOf(password)) }),
    begin: async ({ customer, purpose }) => {
      if (!isPurpose(purpose)) throw new BadRequest("purpose is link, check_password, pay, report_loss or unlink");
      return { address: await this.#links.begin(requireCustomer(this.#database, customer), purpose, null) };
    },
    card: ({ customer }) => cardOf(this.#database, String(customer)),
    code: async (given) => {
      const holder = await this.#links.silently(this.#fresh(given));
      return holder.postCarriageCodes({ class: given.class === "merchant" ? "merchant" : "medical", kind: "signed" });
    },
    uses: async (given) => (await this.#links.silently(this.#fresh(given))).getCarriageUses({ limit: 20 }),
    sync: async (given) => {
      await this.#links.sync(this.#fresh(given));
      return cardOf(this.#database, String(given.customer));
    },
    pull: async () => ({ taken: await this.#newsroom.pull() }),
    go_on: () => this.#links.goOn(),
    news: () => ({ items: this.#database.all("SELECT * FROM news ORDER BY position") }),
    cards: () => ({ items: this.#database.all("SELECT * FROM cards ORDER BY subject") }),
    acts: () => ({ items: this.#database.all("SELECT * FROM acts ORDER BY began") }),
  };

  // As if the customer had just typed the password.
  #fresh(given: Given): Session {
    return beginSession(this.#database, requireCustomer(this.#database, given.customer)).session;
  }
}

function readGiven(body: Buffer): Given {
  const given: unknown = JSON.parse(body.toString("utf8") || "{}");
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new BadRequest("an object is expected");
  return given as Given;
}

function textOf(given: unknown): string {
  if (typeof given !== "string" || !given) throw new BadRequest("a text is expected");
  return given;
}

const NOS = [EcardError, NotLinked, CardStopped, JourneyBroken, NotSignedIn];

function statusOf(fault: unknown): number {
  if (fault instanceof NoSuchCustomer) return 404;
  if (fault instanceof BadRequest || fault instanceof SyntaxError) return 400;
  return NOS.some((kind) => fault instanceof kind) ? 409 : 500;
}

function describe(fault: unknown): Given {
  if (!(fault instanceof Error)) return { error: "Fault" };
  return { error: fault.constructor.name, message: fault.message, code: (fault as { code?: unknown }).code ?? null };
}
