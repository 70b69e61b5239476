// Journeys of a customer to the card's login page and back, and returns without one (token exchange).
import { drawVerifier, type HolderCalls, OAuthRefused, randomText, readIdToken, Refused } from "ecard-client";
import { type Act, beginAct, codeOf, isSilent, openActs, type Purpose, REFUSED, settleAct, UNCONFIRMED } from "./acts.ts";
import { attach, cardOf, keepView, noteEnd, noteLoss } from "./cards.ts";
import type { Configuration } from "./configuration.ts";
import { requireFresh, type Session, seconds } from "./customers.ts";
import type { Database, Row } from "./database.ts";

const LINKED = "openid offline_access card.read card.present card.uses";
/** Why a customer is sent: what is asked of the holder there. Whatever changes the card is asked for each time. */
const SCOPES: Record<Purpose, string> = {
  link: LINKED,
  check_password: LINKED,
  pay: `${LINKED} card.pay`,
  report_loss: "openid card.report_loss",
  unlink: "openid card.unlink",
};
/** A login at L3 takes the card's password, or the chip. */
const LEVELS: Partial<Record<Purpose, string>> = { check_password: "L3", pay: "L3" };
const SIGNED: readonly string[] = ["link", "check_password", "pay"];
const JOURNEY_SECONDS = 900;
const SILENT = "card.read card.present card.uses";
/** An act that no token of then can go on with any more. */
const OLD_SECONDS = 600;

/** There is no link, or it has ended: the customer has to go by the login page. */
export class NotLinked extends Error {}
/** The link stands, but its card is stopped: lost, or paused. */
export class CardStopped extends Error {}
/** What came back does not belong to a journey that began here, or is a no; `code` says what. */
export class JourneyBroken extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function isPurpose(given: unknown): given is Purpose {
  return typeof given === "string" && Object.hasOwn(SCOPES, given);
}

export class Links {
  readonly #configuration: Configuration;
  readonly #database: Database;
  readonly #unanswered = new Map<string, Act>();

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
    const level = LEVELS[purpose];
    const pushed = await partner.oauth.postPar({
      response_type: "code",
      client_id: client,
      redirect_uri: this.#back,
      scope: SCOPES[purpose],
      state,
      nonce,
      code_challenge: challenge,
      code_challenge_method: "S256",
      ...(level && { acr_values: level }),
    });
    return `${issuer}/oauth/authorize?${new URLSearchParams({ client_id: client, request_uri: pushed.request_uri })}`;
  }

  /** End a journey: take the answer that the browser brought, and do what it was for. Gives the customer. */
  async finish(answer: URLSearchParams, session: string | null): Promise<string> {
    const { partner, client, issuer } = this.#configuration;
    const journey = this.#database.one("DELETE FROM journeys WHERE state = ? RETURNING *", answer.get("state") ?? "");
    const isOurs = journey && answer.get("iss") === issuer && (journey.session === null || journey.session === session);
    if (!isOurs || Number(journey.began) < seconds() - JOURNEY_SECONDS) throw new JourneyBroken("journey");
    const code = answer.get("code");
    if (!code) throw new JourneyBroken(answer.get("error") ?? "journey");
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

  /** Return to a customer's link without a redirect; throws `NotLinked`, `CardStopped`, `NotSignedIn`. */
  async silently(session: Session): Promise<HolderCalls> {
    const card = cardOf(this.#database, session.customer);
    if (!card) throw new NotLinked("this customer has linked no card");
    const { began: authenticatedAt } = requireFresh(session);
    try {
      const customer = { subject: String(card.subject), authenticatedAt, acr: "L2" as const };
      return await this.#configuration.partner.returnTo(customer, SILENT);
    } catch (refused) {
      if (!(refused instanceof OAuthRefused && refused.error === "invalid_grant")) throw refused;
      // links that have ended and cards that are stopped look the same to a token; the channel may ask which
      const now = await this.look(card);
      throw now?.state === "suspended" ? new CardStopped("the card is stopped") : new NotLinked("the link has ended");
    }
  }

  /** See how a customer's card stands now, and go on with what was not answered; the wallet's own book is up to date then. */
  async sync(session: Session): Promise<void> {
    const card = cardOf(this.#database, session.customer);
    if (!card) return;
    try {
      const holder = await this.silently(session);
      await this.#askAgain(session.customer, holder);
      keepView(this.#database, await holder.getCarriage({ seen: Number(card.sequence) }));
    } catch (fault) {
      if (!(fault instanceof NotLinked || fault instanceof CardStopped)) throw fault;
    }
  }

  /** Ask as the channel how a card stands, which needs no customer; gives what the wallet knows then. */
  async look(card: Row): Promise<Row | undefined> {
    if (card.carriage === null) return card;
    try {
      keepView(this.#database, await this.#configuration.partner.channel.getCarriage(String(card.carriage)));
    } catch (fault) {
      if (!(fault instanceof Refused && fault.status === 404)) throw fault;
    }
    return this.#database.one("SELECT * FROM cards WHERE subject = ?", String(card.subject));
  }

  /** Send again what was not answered, while its tokens last; then what the channel may end by itself. */
  async goOn(): Promise<void> {
    for (const act of [...this.#unanswered.values()]) {
      if (act.until < seconds()) this.#unanswered.delete(act.number);
      else await this.#do(act).catch(complainNot);
    }
    for (const act of openActs(this.#database, seconds() - OLD_SECONDS)) await this.#giveUp(act);
  }

  get #back(): string {
    return `${this.#configuration.public}/back`;
  }

  async #carryOut(customer: string, purpose: Purpose, subject: string, holder: HolderCalls): Promise<void> {
    const known = this.#database.one("SELECT sequence FROM cards WHERE subject = ?", subject)?.sequence;
    const seen = known === undefined ? undefined : Number(known);
    // whose card it is was proven in this login, whatever becomes of the act
    if (SIGNED.includes(purpose)) attach(this.#database, customer, subject);
    else if (cardOf(this.#database, customer)?.subject !== subject) throw new JourneyBroken("other_holder");
    await this.#do(beginAct(this.#database, { customer, purpose, subject, seen, holder }));
  }

  /** Send an act, for the first time or again. One without an answer is kept, and the fault thrown all the same. */
  async #do(act: Act): Promise<void> {
    try {
      await this.#ask(act);
      this.#unanswered.delete(act.number);
    } catch (fault) {
      if (isSilent(fault)) this.#unanswered.set(act.number, act);
      else {
        this.#unanswered.delete(act.number);
        settleAct(this.#database, act.number, REFUSED);
      }
      throw fault;
    }
  }

  async #ask({ number: out_request_no, purpose, subject, seen, holder }: Act): Promise<void> {
    if (purpose === "report_loss") {
      await holder.postCarriageLossReports({ out_request_no });
      settleAct(this.#database, out_request_no, "loss");
      noteLoss(this.#database, subject);
    } else if (purpose === "unlink") {
      const { result } = await holder.postCarriageEnd({ out_request_no });
      settleAct(this.#database, out_request_no, result);
      noteEnd(this.#database, subject, result);
    } else {
      const signed = await holder.postCarriages({ out_request_no, ...(seen === undefined ? {} : { seen }) });
      settleAct(this.#database, out_request_no, signed.result);
      keepView(this.#database, signed, signed.result);
    }
  }

  /** What a link allows may be signed without a redirect: under its number, where the answer never came. */
  async #askAgain(customer: string, holder: HolderCalls): Promise<void> {
    const subject = String(cardOf(this.#database, customer)?.subject);
    for (const act of openActs(this.#database)) {
      const number = String(act.number);
      if (act.customer !== customer || !isSigned(act) || this.#unanswered.has(number)) continue;
      const seen = act.seen === null ? undefined : Number(act.seen);
      await this.#do({ number, customer, purpose: "link", subject, seen, holder, until: 0 });
    }
  }

  /** An unlinking that was agreed to is ended by the channel under its number; of anything else the customer is told. */
  async #giveUp(act: Row): Promise<void> {
    const card = cardOf(this.#database, String(act.customer));
    if (isSigned(act)) return; // the next look of the customer goes on with it
    if (act.purpose !== "unlink" || !card?.carriage) return settleAct(this.#database, String(act.number), UNCONFIRMED);
    try {
      const body = { out_request_no: String(act.number) };
      const { result } = await this.#configuration.partner.channel.postCarriageEnd(String(card.carriage), body);
      settleAct(this.#database, String(act.number), result);
      noteEnd(this.#database, String(card.subject), result);
    } catch (fault) {
      if (!isSilent(fault)) settleAct(this.#database, String(act.number), REFUSED);
    }
  }
}

function isSigned(act: Row): boolean {
  return SIGNED.includes(String(act.purpose));
}

/** What was not answered is kept, what was refused is written down: neither stops the others. */
function complainNot(fault: unknown): void {
  if (codeOf(fault) === "fault") throw fault;
}

/** Tell whether a refusal means that the card cannot be shown here now: no link, or a card that was lost. */
export function isOver(fault: unknown): boolean {
  return fault instanceof Refused && ["carriage_not_signed", "link_needed"].includes(fault.code);
}
