// The app that customers see, and the address to which news are posted.
import type { IncomingMessage, ServerResponse } from "node:http";
import { EcardError, NotProven } from "ecard-client";
import { cardOf } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import { findSession, NotSignedIn, type Session, signIn } from "./customers.ts";
import type { Database } from "./database.ts";
import { isOver, isPurpose, JourneyBroken, type Links } from "./links.ts";
import type { Newsroom } from "./news.ts";
import { codePage, homePage, problemPage, STYLE, signInPage, usesPage } from "./pages.ts";
import * as http from "./requests.ts";

const COOKIE = "wallet";

export class App {
  readonly #configuration: Configuration;
  readonly #database: Database;
  readonly #links: Links;
  readonly #newsroom: Newsroom;

  constructor(configuration: Configuration, database: Database, links: Links, newsroom: Newsroom) {
    this.#configuration = configuration;
    this.#database = database;
    this.#links = links;
    this.#newsroom = newsroom;
  }

  handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      await this.#route(request, response);
    } catch (fault) {
      this.#refuse(response, fault);
    }
  };

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = new URL(request.url ?? "/", this.#configuration.public);
    const asked = `${request.method} ${address.pathname}`;
    if (asked === "POST /news") return this.#takeNews(request, response);
    if (asked === "GET /style.css") return this.#style(response);
    if (asked === "POST /sign-in") return this.#signIn(request, response);
    const session = findSession(this.#database, http.cookieOf(request, COOKIE) ?? "");
    if (asked === "GET /back") return this.#back(address, session, response);
    if (!session) return this.#page(response, 200, signInPage());
    if (asked === "GET /") return this.#home(session, response);
    if (asked === "GET /code") return this.#code(session, response, address.searchParams.get("class"));
    if (asked === "GET /uses") return this.#uses(session, response);
    if (request.method === "POST") return this.#act(address.pathname, session, request, response);
    return http.nothing(response, 404);
  }

  async #takeNews(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#newsroom.take(request.headers, await http.readBody(request));
    } catch (fault) {
      if (fault instanceof NotProven) return http.nothing(response, 401);
      throw fault;
    }
    http.nothing(response, 204);
  }

  #style(response: ServerResponse): void {
    response.writeHead(200, { "Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300" });
    response.end(STYLE);
  }

  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams((await http.readBody(request)).toString("utf8"));
    const { id } = signIn(this.#database, form.get("name") ?? "", form.get("password") ?? "");
    const secure = this.#configuration.public.startsWith("https:") ? "; Secure" : "";
    // Lax: the way back from the card's login page is a navigation from another site
    http.redirect(response, "/", `${COOKIE}=${id}; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600${secure}`);
  }

  async #back(address: URL, session: Session | undefined, response: ServerResponse): Promise<void> {
    await this.#links.finish(address.searchParams, session?.id ?? null);
    http.redirect(response, "/");
  }

  async #home(session: Session, response: ServerResponse): Promise<void> {
    this.#page(response, 200, homePage(cardOf(this.#database, session.customer), http.antiForgery(session.id)));
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
    http.requireForm(new URLSearchParams((await http.readBody(request)).toString("utf8")), session.id);
    if (path === "/sign-out") {
      this.#database.run("DELETE FROM sessions WHERE id = ?", session.id);
      return http.redirect(response, "/");
    }
    const purpose = path.replace(/^\/go\//, "");
    if (!isPurpose(purpose)) return http.nothing(response, 404);
    http.redirect(response, await this.#links.begin(session.customer, purpose, session.id));
  }

  #refuse(response: ServerResponse, fault: unknown): void {
    if (response.headersSent) return void response.end();
    if (fault instanceof NotSignedIn) return this.#page(response, 401, signInPage("请重新登录后再试。"));
    if (fault instanceof http.BadRequest) return this.#page(response, 400, problemPage("无法处理", "请返回首页重试。"));
    if (fault instanceof JourneyBroken) return this.#page(response, 400, problemPage("未完成", "本次操作已取消或已过期，请重新开始。"));
    if (isOver(fault)) return this.#page(response, 409, problemPage("暂不可用", "电子社保卡未关联或已暂停，请返回首页查看状态。"));
    process.stderr.write(`${fault instanceof Error ? `${fault.constructor.name}: ${fault.message}` : "a fault"}\n`);
    const status = fault instanceof EcardError ? 502 : 500;
    this.#page(response, status, problemPage("暂时无法办理", "请稍后再试。"));
  }

  #page(response: ServerResponse, status: number, html: string): void {
    http.sendPage(response, status, html, this.#configuration.issuer);
  }
}
