// Journeys of a customer to the card's login page and back, and returns without one (token exchange).
import { drawVerifier, type HolderCalls, OAuthRefused, randomText, readIdToken, Refused } from "ecard-client";
import { attach, cardOf, keepView } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import { requireFresh, type Session, seconds } from "./customers.ts";
import type { Database } from "./database.ts";

/** Why a customer is sent: what is asked of the holder there. Whatever changes the card is asked for each time. */
const SCOPES = {
  link: "openid offline_access card.read card.present card.uses",
  report_loss: "openid card.report_loss",
  unlink: "openid card.unlink",
} as const;
export type Purpose = keyof typeof SCOPES;
const JOURNEY_SECONDS = 900;
const SILENT = "card.read card.present card.uses";

/** There is no link, or it has ended: the customer has to go by the login page. */
export class NotLinked extends Error {}
/** What came back does not belong to a journey that began here. */
export class JourneyBroken extends Error {}

export function isPurpose(given: unknown): given is Purpose {
  return typeof given === "string" && Object.hasOwn(SCOPES, given);
}

export class Links {
  readonly #configuration: Configuration;
  readonly #database: Database;

  constructor(configuration: Configuration, database: Database) {
    this.#configuration = configuration;
    this.#database = database;
  }

  /** Begin a journey and give the address to send the browser to; `session` ties it to that browser. */
  async begin(customer: string, purpose: Purpose, session: string | null): Promise<string> {
    const { partner, client, issuer } = this.#configuration;
    const { verifier, challenge } = drawVerifier();
    const [state, nonce] = [randomText(), randomText()];
    this.#database.run("DELETE FROM journeys WHERE began < ?", seconds() - JOURNEY_SECONDS);
    this.#database.run("INSERT INTO journeys VALUES (?, ?, ?, ?, ?, ?, ?)", state, customer, purpose, verifier, nonce, session, seconds());
    const pushed = await partner.oauth.postPar({
      response_type: "code",
      client_id: client,
      redirect_uri: this.#back,
      scope: SCOPES[purpose],
      state,
      nonce,
      code_challenge: challenge,
      code_challenge_method: "S256",
    });
    return `${issuer}/oauth/authorize?${new URLSearchParams({ client_id: client, request_uri: pushed.request_uri })}`;
  }

  /** End a journey: take the answer that the browser brought, and do what it was for. Gives the customer. */
  async finish(answer: URLSearchParams, session: string | null): Promise<string> {
    const { partner, client, issuer } = this.#configuration;
    const journey = this.#database.one("DELETE FROM journeys WHERE state = ? RETURNING *", answer.get("state") ?? "");
    const isOurs = journey && answer.get("iss") === issuer && (journey.session === null || journey.session === session);
    if (!isOurs || Number(journey.began) < seconds() - JOURNEY_SECONDS) throw new JourneyBroken("no journey of this browser");
    const code = answer.get("code");
    if (!code) throw new JourneyBroken(answer.get("error") ?? "no code");
    const tokens = await partner.oauth.postToken({
      grant_type: "authorization_code",
      code,
      redirect_uri: this.#back,
      code_verifier: String(journey.verifier),
    });
    const expected = { client, issuer, nonce: String(journey.nonce) };
    const { sub } = readIdToken(tokens.id_token ?? "", await partner.public.getJwks(), expected);
    const customer = String(journey.customer);
    await this.#carryOut(customer, journey.purpose as Purpose, sub, partner.holder(tokens.access_token));
    return customer;
  }

  /** Return to a customer's link without a redirect. */
  async silently(session: Session): Promise<HolderCalls> {
    const card = cardOf(this.#database, session.customer);
    if (!card) throw new NotLinked("this customer has linked no card");
    const { began: authenticatedAt } = requireFresh(session);
    try {
      const customer = { subject: String(card.subject), authenticatedAt, acr: "L2" as const };
      return await this.#configuration.partner.returnTo(customer, SILENT);
    } catch (refused) {
      if (refused instanceof OAuthRefused && refused.error === "invalid_grant") throw new NotLinked("the link has ended");
      throw refused;
    }
  }

  get #back(): string {
    return `${this.#configuration.public}/back`;
  }

  async #carryOut(customer: string, purpose: Purpose, subject: string, holder: HolderCalls): Promise<void> {
    const card = cardOf(this.#database, customer);
    if (purpose === "link") return this.#sign(customer, subject, holder);
    if (card?.subject !== subject) throw new JourneyBroken("another holder has logged in");
    const out_request_no = this.#newNumber(customer, purpose);
    if (purpose === "report_loss") {
      await holder.postCarriageLossReports({ out_request_no });
      this.#settle(out_request_no, "suspended");
      this.#database.run("UPDATE cards SET state = 'suspended', standing = 'suspended', result = '006' WHERE subject = ?", subject);
      return;
    }
    const ended = await holder.postCarriageEnd({ out_request_no });
    this.#settle(out_request_no, ended.result);
    this.#database.run("UPDATE cards SET state = 'revoked', result = ? WHERE subject = ?", ended.result, subject);
  }

  async #sign(customer: string, subject: string, holder: HolderCalls): Promise<void> {
    const seen = this.#database.one("SELECT sequence FROM cards WHERE subject = ?", subject)?.sequence;
    const out_request_no = this.#newNumber(customer, "link");
    const signed = await holder.postCarriages({ out_request_no, ...(seen === undefined ? {} : { seen: Number(seen) }) });
    this.#settle(out_request_no, signed.result);
    attach(this.#database, customer, subject);
    keepView(this.#database, signed, signed.result);
  }

  // The number is on disk before it is sent: whoever looks at the books later finds what was asked, and what came of it.
  #newNumber(customer: string, purpose: string): string {
    const number = `W-${Date.now()}-${randomText()}`;
    this.#database.run("INSERT INTO acts VALUES (?, ?, ?, NULL, ?)", number, customer, purpose, seconds());
    return number;
  }

  #settle(number: string, result: string): void {
    this.#database.run("UPDATE acts SET result = ? WHERE number = ?", result, number);
  }
}

/** Tell whether a refusal means that the card cannot be shown here now: no link, or a card that was lost. */
export function isOver(fault: unknown): boolean {
  return fault instanceof NotLinked || (fault instanceof Refused && ["carriage_not_signed", "link_needed"].includes(fault.code));
}
