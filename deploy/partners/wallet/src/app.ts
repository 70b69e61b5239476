// The app that customers see, and the address to which news are posted.
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { EcardError, NotProven, OAuthRefused, Refused } from "ecard-client";
import { codeOf, isSilent, latestAct, UNCONFIRMED } from "./acts.ts";
import { cardOf, hasUnowned } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import { endSession, findSession, NotSignedIn, SESSION_SECONDS, type Session, signIn } from "./customers.ts";
import type { Database } from "./database.ts";
import { CardStopped, isOver, isPurpose, JourneyBroken, type Links, NotLinked } from "./links.ts";
import { NewsMalformed, type Newsroom } from "./news.ts";
import { codePage, homePage, onwardPage, problemPage, STYLE, signInPage, usesPage } from "./pages.ts";
import * as http from "./requests.ts";
import { NOTES, problemOf, type Words } from "./words.ts";

/** The page does not wait for the service for longer: what is known will do. */
const SYNC_MS = 4000;

export class App {
  readonly #configuration: Configuration;
  readonly #database: Database;
  readonly #links: Links;
  readonly #newsroom: Newsroom;
  readonly #cookie: string;

  constructor(configuration: Configuration, database: Database, links: Links, newsroom: Newsroom) {
    this.#configuration = configuration;
    this.#database = database;
    this.#links = links;
    this.#newsroom = newsroom;
    this.#cookie = this.#isSecure ? "__Host-wallet" : "wallet";
  }

  handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      await this.#route(request, response);
    } catch (fault) {
      this.#refuse(response, fault);
    }
  };

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = http.targetOf(request, this.#configuration.public);
    const asked = `${request.method} ${address.pathname}`;
    if (asked === "POST /news") return this.#takeNews(request, response);
    if (asked === "GET /style.css") return this.#style(response);
    if (request.method === "POST") http.requireOwnOrigin(request, this.#configuration.public);
    if (asked === "POST /sign-in") return this.#signIn(request, response);
    const session = findSession(this.#database, http.cookieOf(request, this.#cookie) ?? "");
    if (asked === "GET /back") return this.#back(address, session, response);
    if (!session) return this.#page(response, 200, signInPage());
    if (asked === "GET /") return this.#home(session, response);
    if (asked === "GET /code") return this.#orRelink(session, response, () => this.#code(session, response, address.searchParams.get("class")));
    if (asked === "GET /uses") return this.#orRelink(session, response, () => this.#uses(session, response));
    if (request.method === "POST") return this.#act(address.pathname, session, request, response);
    return http.nothing(response, 404);
  }

  async #takeNews(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#newsroom.take(request.headers, await http.readBody(request));
    } catch (fault) {
      if (fault instanceof NotProven) return http.nothing(response, 401);
      if (fault instanceof NewsMalformed || fault instanceof http.BadRequest) return http.nothing(response, 400);
      if (isSilent(fault)) return http.nothing(response, 503); // the keys cannot be fetched now: it comes again
      throw fault;
    }
    http.nothing(response, 204);
  }

  #style(response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300" });
    response.end(STYLE);
  }

  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = await http.readForm(request);
    const before = findSession(this.#database, http.cookieOf(request, this.#cookie) ?? "");
    const { cookie } = signIn(this.#database, form.get("name") ?? "", form.get("password") ?? "");
    if (before) endSession(this.#database, before.id);
    http.redirect(response, "/", this.#cookieOf(cookie, SESSION_SECONDS));
  }

  async #back(address: URL, session: Session | undefined, response: ServerResponse): Promise<void> {
    await this.#links.finish(address.searchParams, session?.id ?? null);
    http.redirect(response, "/");
  }

  async #home(session: Session, response: ServerResponse): Promise<void> {
    const note = await this.#sync(session);
    const card = cardOf(this.#database, session.customer);
    const act = latestAct(this.#database, session.customer);
    const notes: Words[] = note ? [note] : [];
    if (act?.result === null) notes.push(NOTES.unanswered);
    if (act?.result === UNCONFIRMED) notes.push(NOTES.notDone);
    if (!card && hasUnowned(this.#database)) notes.push(NOTES.recovered);
    this.#page(response, 200, homePage(card, notes, http.antiForgery(session.id)));
  }

  /** Bring the card up to date, unless the service takes too long; a login that is too old is no reason to show nothing. */
  async #sync(session: Session): Promise<Words | undefined> {
    const done = this.#links.sync(session).then(
      () => undefined,
      (fault: unknown) => {
        if (fault instanceof NotSignedIn || isOver(fault)) return undefined;
        if (fault instanceof EcardError) return isSilent(fault) ? NOTES.silent : problemOf(codeOf(fault));
        throw fault;
      },
    );
    return Promise.race([done, pause(SYNC_MS, NOTES.silent, { ref: false })]);
  }

  /** Do what needs the link; where that has ended, tell the customer and lead on to where it is made anew. */
  async #orRelink(session: Session, response: ServerResponse, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (fault) {
      if (!(fault instanceof NotLinked || isOver(fault)) || !cardOf(this.#database, session.customer)) throw fault;
      const onward = await this.#links.begin(session.customer, "link", session.id);
      this.#page(response, 409, onwardPage(NOTES.relink, onward));
    }
  }

  async #code(session: Session, response: ServerResponse, where: string | null): Promise<void> {
    const holder = await this.#links.silently(session);
    const shown = await holder.postCarriageCodes({ class: where === "merchant" ? "merchant" : "medical", kind: "signed" });
    this.#page(response, 200, codePage(shown.code ?? "", shown.life ?? 60));
  }

  async #uses(session: Session, response: ServerResponse): Promise<void> {
    const holder = await this.#links.silently(session);
    this.#page(response, 200, usesPage(await holder.getCarriageUses({ limit: 20 })));
  }

  async #act(path: string, session: Session, request: IncomingMessage, response: ServerResponse): Promise<void> {
    http.requireForm(await http.readForm(request), session.id);
    if (path === "/sign-out") {
      endSession(this.#database, session.id);
      return http.redirect(response, "/", this.#cookieOf("", 0));
    }
    const purpose = path.replace(/^\/go\//, "");
    if (!isPurpose(purpose)) return http.nothing(response, 404);
    http.redirect(response, await this.#links.begin(session.customer, purpose, session.id));
  }

  #refuse(response: ServerResponse, fault: unknown): void {
    if (response.headersSent) return void response.end();
    const [status, code] = answerTo(fault);
    if (status >= 500) process.stderr.write(`${nameOf(fault)}\n`);
    const words = problemOf(code);
    this.#page(response, status, fault instanceof NotSignedIn ? signInPage(words) : problemPage(words));
  }

  #page(response: ServerResponse, status: number, html: string): void {
    http.sendPage(response, status, html, this.#configuration.issuer);
  }

  // Lax: the way back from the card's login page is a navigation from another site
  #cookieOf(value: string, age: number): string {
    return `${this.#cookie}=${value}; HttpOnly; SameSite=Lax; Path=/; Max-Age=${age}${this.#isSecure ? "; Secure" : ""}`;
  }

  get #isSecure(): boolean {
    return this.#configuration.public.startsWith("https:");
  }
}

/** Tell with which status a fault is answered, and the code of what the customer is told. */
function answerTo(fault: unknown): [number, string] {
  if (fault instanceof NotSignedIn) return [401, fault.message];
  if (fault instanceof http.BadRequest) return [400, "bad_request"];
  if (fault instanceof JourneyBroken) return [400, fault.code];
  if (fault instanceof CardStopped) return [409, "stopped"];
  if (fault instanceof NotLinked || isOver(fault)) return [409, "not_linked"];
  if (isSilent(fault)) return [503, "unanswered"];
  if (fault instanceof Refused || fault instanceof OAuthRefused) return [409, codeOf(fault)];
  return [500, "fault"];
}

/** Name a fault for the log: its kind and code, never its text, which may hold what was sent. */
export function nameOf(fault: unknown): string {
  if (!(fault instanceof Error)) return "a fault";
  return fault instanceof EcardError ? `${fault.constructor.name}: ${codeOf(fault)}` : `${fault.constructor.name} ${placeOf(fault)}`;
}

function placeOf(fault: Error): string {
  return /\(([^()]*:\d+:\d+)\)/.exec(fault.stack ?? "")?.[1] ?? "";
}
