// The calls, one class for each kind of caller. Written by `make clients` from the service's description, version 0.1.0; do not edit.

import type * as t from "./types.ts";

/** One call on its way. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  isForm?: boolean;
  idempotencyKey?: string;
}

/** What carries a call: it signs, retries, and turns refusals into errors. */
export interface Sender {
  send(call: Call): Promise<unknown>;
}

/** Calls that your channel signs (ESSC-SM2-SM3); the answers are verified. */
export class ChannelCalls {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Find a request by your own number: what to do when the answer to it was lost. Scope: issue. */
  async getBankIssuances(options: { out_request_no: string }): Promise<t.Issuance> {
    return (await this.#sender.send({ method: "GET", path: "/v1/bank-issuances", query: { out_request_no: options.out_request_no } })) as t.Issuance;
  }

  /**
   * Ask for a customer's card: your own bank port is asked whether you vouch for it, then it is issued. The
   * answer is the same whoever it is about. What came of it: ask again here, or wait for the news
   * `issuance.finished`. An issued card is carried in your app at once: go on by token exchange. After five
   * tries in vain for a person within 24 hours, in whatever channels, no more are taken. Scope: issue.
   */
  async postBankIssuances(body: t.Ask, options: { idempotencyKey?: string } = {}): Promise<t.Asked> {
    return (await this.#sender.send({ method: "POST", path: "/v1/bank-issuances", body, idempotencyKey: options.idempotencyKey })) as t.Asked;
  }

  /** See what has come of a request; another channel's looks as if it were not there. Scope: issue. */
  async getBankIssuance(issuance: string): Promise<t.Issuance> {
    return (await this.#sender.send({ method: "GET", path: `/v1/bank-issuances/${encodeURIComponent(issuance)}` })) as t.Issuance;
  }

  /** List the cards that your app carries or has carried, the first one first. Scope: carriage. */
  async getCarriages(options: { after?: string | null; limit?: number; state?: "active" | "suspended" | "revoked" | null } = {}): Promise<t.Carriages> {
    return (await this.#sender.send({ method: "GET", path: "/v1/carriages", query: { after: options.after, limit: options.limit, state: options.state } })) as t.Carriages;
  }

  /** See how a card stands in your app. Scope: carriage. */
  async getCarriage(carriage: string): Promise<t.Carriage> {
    return (await this.#sender.send({ method: "GET", path: `/v1/carriages/${encodeURIComponent(carriage)}` })) as t.Carriage;
  }

  /** Take a card out of your app, its holder being no customer of yours any more; result 003. Scope: carriage. */
  async postCarriageEnd(carriage: string, body: t.Act, options: { idempotencyKey?: string } = {}): Promise<t.Ended> {
    return (await this.#sender.send({ method: "POST", path: `/v1/carriages/${encodeURIComponent(carriage)}/end`, body, idempotencyKey: options.idempotencyKey })) as t.Ended;
  }

  /** Let a card go on that you have paused. Scope: carriage. */
  async postCarriageResume(carriage: string, options: { idempotencyKey?: string } = {}): Promise<t.Carriage> {
    return (await this.#sender.send({ method: "POST", path: `/v1/carriages/${encodeURIComponent(carriage)}/resume`, idempotencyKey: options.idempotencyKey })) as t.Carriage;
  }

  /**
   * Pause a card in your app: codes that it shows die at once. Elsewhere the card stays as it is. Scope:
   * carriage.
   */
  async postCarriageSuspend(carriage: string, body: t.Suspend, options: { idempotencyKey?: string } = {}): Promise<t.Carriage> {
    return (await this.#sender.send({ method: "POST", path: `/v1/carriages/${encodeURIComponent(carriage)}/suspend`, body, idempotencyKey: options.idempotencyKey })) as t.Carriage;
  }

  /** See what the register says of the caller: how it stands, what it may do, and when its certificates end. */
  async getChannel(): Promise<t.OwnChannel> {
    return (await this.#sender.send({ method: "GET", path: "/v1/channel" })) as t.OwnChannel;
  }

  /** List your requests of the last seven days, the newest first; those alone whose signature was right. */
  async getChannelRequests(options: { after?: string | null; limit?: number } = {}): Promise<t.LoggedRequests> {
    return (await this.#sender.send({ method: "GET", path: "/v1/channel/requests", query: { after: options.after, limit: options.limit } })) as t.LoggedRequests;
  }

  /** Look one request up by the X-Request-Id of its answer. */
  async getChannelRequest(request: string): Promise<t.LoggedRequest> {
    return (await this.#sender.send({ method: "GET", path: `/v1/channel/requests/${encodeURIComponent(request)}` })) as t.LoggedRequest;
  }

  /** Have one of your own requests examined, in any standing: sign this one as you can, put the other into it. */
  async postChannelSignatureExaminations(body: t.ClaimedRequest): Promise<t.Examination> {
    return (await this.#sender.send({ method: "POST", path: "/v1/channel/signature-examinations", body })) as t.Examination;
  }

  /**
   * Fetch what happened in your app on one day, as a file (T+1). First the codes that were taken, then what
   * became of the cards that your app carries, under the ids of the news. A day goes from midnight to midnight
   * in Shanghai, is closed at 00:15 of the next one and made soon afterwards, which the news `statement.ready`
   * tells. Fetched again it has the same bytes. Parts one after the other are the file. Scope: statements.
   */
  async getChannelStatement(day: string, options: { part?: number } = {}): Promise<t.GetChannelStatementAnswer> {
    return (await this.#sender.send({ method: "GET", path: `/v1/channel/statements/${encodeURIComponent(day)}`, query: { part: options.part } })) as t.GetChannelStatementAnswer;
  }

  /**
   * Fetch the detached SM2 signature over all bytes of that file, the same each time; keep it as it comes.
   * Scope: statements.
   */
  async getChannelStatementSignature(day: string): Promise<t.GetChannelStatementSignatureAnswer> {
    return (await this.#sender.send({ method: "GET", path: `/v1/channel/statements/${encodeURIComponent(day)}/signature` })) as t.GetChannelStatementSignatureAnswer;
  }

  /**
   * Ask for the address of a page on which the holder logs in and allows what it takes to sign, show, report
   * or end. It is a pushed authorization request of your own client: the holder comes back to it with `code`,
   * `state` and `iss`; redeem the code with your verifier and the key of `dpop_jkt`, then do the act under
   * /v1/carriages or /v1/carriage. Nothing about the holder is taken in: holders prove themselves. In the
   * sandbox they are made up. Scope: carriage.
   */
  async postH5Entries(body: t.H5Entry, options: { idempotencyKey?: string } = {}): Promise<t.OpenedH5Entry> {
    return (await this.#sender.send({ method: "POST", path: "/v1/h5-entries", body, idempotencyKey: options.idempotencyKey })) as t.OpenedH5Entry;
  }

  /**
   * Read your news in its own order, behind a position; who lost everything begins at 0 and ends in our state.
   * Go on with `after` = `next` until `more` is false. Nothing ever turns up behind a position that was read.
   * Keep the highest `sequence` of each card. Scope: news.
   */
  async getNews(options: { after?: number; limit?: number } = {}): Promise<t.NewsPage> {
    return (await this.#sender.send({ method: "GET", path: "/v1/news", query: { after: options.after, limit: options.limit } })) as t.NewsPage;
  }

  /**
   * Begin anew: end all your made-up cards with their links, and put the time back. News that you have had
   * stay. Scope: carriage.
   */
  async deleteSandbox(): Promise<void> {
    await this.#sender.send({ method: "DELETE", path: "/v1/sandbox" });
  }

  /** List your made-up cards that have not ended, the first one first. Scope: carriage. */
  async getSandboxCards(): Promise<t.MadeUpCards> {
    return (await this.#sender.send({ method: "GET", path: "/v1/sandbox/cards" })) as t.MadeUpCards;
  }

  /**
   * Make up a card with a holder whom there is not, for your own client and nobody else's. Its password is the
   * published one. No till but the sandbox's takes its codes. Scope: carriage.
   */
  async postSandboxCards(body: t.MakeCard, options: { idempotencyKey?: string } = {}): Promise<t.MadeUpCard> {
    return (await this.#sender.send({ method: "POST", path: "/v1/sandbox/cards", body, idempotencyKey: options.idempotencyKey })) as t.MadeUpCard;
  }

  /**
   * Let the made-up holder do something outside your app: you are told of it as of a real holder's acts.
   * Scope: carriage.
   */
  async postSandboxCardActs(madeUpCard: string, body: t.HolderAct, options: { idempotencyKey?: string } = {}): Promise<t.MadeUpCard> {
    return (await this.#sender.send({ method: "POST", path: `/v1/sandbox/cards/${encodeURIComponent(madeUpCard)}/acts`, body, idempotencyKey: options.idempotencyKey })) as t.MadeUpCard;
  }

  /**
   * Be the phone of a made-up holder: answer the login whose code the page shows, and get the number to type
   * in. Logins of your own client alone. Scope: carriage.
   */
  async postSandboxCardLogins(madeUpCard: string, body: t.AnswerLogin, options: { idempotencyKey?: string } = {}): Promise<t.AnsweredLogin> {
    return (await this.#sender.send({ method: "POST", path: `/v1/sandbox/cards/${encodeURIComponent(madeUpCard)}/logins`, body, idempotencyKey: options.idempotencyKey })) as t.AnsweredLogin;
  }

  /** See what time it is in your sandbox. Scope: carriage. */
  async getSandboxClock(): Promise<t.SandboxTime> {
    return (await this.#sender.send({ method: "GET", path: "/v1/sandbox/clock" })) as t.SandboxTime;
  }

  /**
   * Put the sandbox's time ahead of ours, so that codes, links and the next tries of your news come to their
   * end. Nothing else follows it: signatures, tokens, limits and what news tell stay in our time. Scope:
   * carriage.
   */
  async putSandboxClock(body: t.Clock): Promise<t.SandboxTime> {
    return (await this.#sender.send({ method: "PUT", path: "/v1/sandbox/clock", body })) as t.SandboxTime;
  }

  /**
   * Have news of a kind told to you: recorded, signed, posted to your addresses and retried as real news is.
   * Scope: news.
   */
  async postSandboxNews(body: t.TrialNews, options: { idempotencyKey?: string } = {}): Promise<t.News> {
    return (await this.#sender.send({ method: "POST", path: "/v1/sandbox/news", body, idempotencyKey: options.idempotencyKey })) as t.News;
  }

  /**
   * Be the till: take a code that your app shows of a made-up card, once; refused in the words of a real till.
   * Scope: carriage.
   */
  async postSandboxRedemptions(body: t.TakeCode, options: { idempotencyKey?: string } = {}): Promise<t.TakenCode> {
    return (await this.#sender.send({ method: "POST", path: "/v1/sandbox/redemptions", body, idempotencyKey: options.idempotencyKey })) as t.TakenCode;
  }

  /** Let nothing go wrong on purpose any more. Scope: news. */
  async deleteSandboxSwitches(): Promise<void> {
    await this.#sender.send({ method: "DELETE", path: "/v1/sandbox/switches" });
  }

  /** See what will go wrong, and how many times more. Scope: news. */
  async getSandboxSwitches(): Promise<t.Switches> {
    return (await this.#sender.send({ method: "GET", path: "/v1/sandbox/switches" })) as t.Switches;
  }

  /**
   * Let the next answers to your signed requests, or the next tries of your trial news, go wrong on purpose.
   * These calls themselves do not fail; null clears a switch. Scope: news.
   */
  async putSandboxSwitches(body: t.Switches): Promise<t.Switches> {
    return (await this.#sender.send({ method: "PUT", path: "/v1/sandbox/switches", body })) as t.Switches;
  }
}

/** Calls with a holder's access token, each with a proof by your DPoP key. */
export class HolderCalls {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /**
   * Say who the holder is to this client. OpenID Connect Core section 5.3: a pseudonym of the client's sector,
   * and how surely; nothing else. Scope: openid.
   */
  async getUserinfo(): Promise<t.GetUserinfoAnswer> {
    return (await this.#sender.send({ method: "GET", path: "/oauth/userinfo" })) as t.GetUserinfoAnswer;
  }

  /** See how the holder's card stands in your app; `pending` before you have signed it. Scope: card.read. */
  async getCarriage(options: { seen?: number | null } = {}): Promise<t.CarriageNow> {
    return (await this.#sender.send({ method: "GET", path: "/v1/carriage", query: { seen: options.seen } })) as t.CarriageNow;
  }

  /**
   * Get a code to show in your app. It dies with the carriage, and its use is recorded with your channel.
   * Scope: card.present.
   */
  async postCarriageCodes(body: t.CodeRequest, options: { idempotencyKey?: string } = {}): Promise<t.Code> {
    return (await this.#sender.send({ method: "POST", path: "/v1/carriage/codes", body, idempotencyKey: options.idempotencyKey })) as t.Code;
  }

  /**
   * Take the card out of your app at the holder's wish (解除关联), with all that was linked; result 003. Scope:
   * card.unlink.
   */
  async postCarriageEnd(body: t.Act, options: { idempotencyKey?: string } = {}): Promise<t.Ended> {
    return (await this.#sender.send({ method: "POST", path: "/v1/carriage/end", body, idempotencyKey: options.idempotencyKey })) as t.Ended;
  }

  /**
   * Report the holder's card lost (挂失): no code of it is shown or taken any more, in whichever app. The bank
   * function of the chip card is not covered: report it to the card's bank as well. Scope: card.report_loss.
   */
  async postCarriageLossReports(body: t.Act, options: { idempotencyKey?: string } = {}): Promise<t.LossReported> {
    return (await this.#sender.send({ method: "POST", path: "/v1/carriage/loss-reports", body, idempotencyKey: options.idempotencyKey })) as t.LossReported;
  }

  /**
   * See where codes that your app has shown were used, the newest first; what others have shown is not told.
   * Scope: card.uses.
   */
  async getCarriageUses(options: { after?: string | null; limit?: number } = {}): Promise<t.ShownUses> {
    return (await this.#sender.send({ method: "GET", path: "/v1/carriage/uses", query: { after: options.after, limit: options.limit } })) as t.ShownUses;
  }

  /**
   * Sign the holder's card in your app; again, and you learn what has become of it since. Results: 001 signed
   * here, 002 signed here and elsewhere before or its password was reset since, 004 carried already and the
   * password proven, 005 payment opened, 006 changed elsewhere: sync. Scope: card.present.
   */
  async postCarriages(body: t.Sign, options: { idempotencyKey?: string } = {}): Promise<t.Signed> {
    return (await this.#sender.send({ method: "POST", path: "/v1/carriages", body, idempotencyKey: options.idempotencyKey })) as t.Signed;
  }
}

/** Calls of your OAuth client to the token server; it proves itself by its key. */
export class OAuthCalls {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /**
   * Tell a client, or a protected resource, about a token. RFC 7662. A token that is unknown, another client's
   * or over is inactive, and nothing else.
   */
  async postIntrospect(body: t.PostIntrospectBody): Promise<t.PostIntrospectAnswer> {
    return (await this.#sender.send({ method: "POST", path: "/oauth/introspect", body, isForm: true })) as t.PostIntrospectAnswer;
  }

  /**
   * Take an authorization request from a client itself. RFC 9126; the only way for partners. A DPoP proof here
   * binds the code to its key.
   */
  async postPar(body: t.PostParBody): Promise<t.PostParAnswer> {
    return (await this.#sender.send({ method: "POST", path: "/oauth/par", body, isForm: true })) as t.PostParAnswer;
  }

  /**
   * Take a token back. RFC 7009. An access token alone, or a refresh token with all that came of its grant.
   * One that is unknown or another client's is answered alike.
   */
  async postRevoke(body: t.PostRevokeBody): Promise<t.PostRevokeAnswer> {
    return (await this.#sender.send({ method: "POST", path: "/oauth/revoke", body, isForm: true })) as t.PostRevokeAnswer;
  }

  /**
   * Exchange what the grant type names for an access token. Each profile of clients has its grant types;
   * phones that carry a card send an assertion of their key. A DPoP proof binds the token to its key.
   */
  async postToken(body: t.PostTokenBody): Promise<t.PostTokenAnswer> {
    return (await this.#sender.send({ method: "POST", path: "/oauth/token", body, isForm: true })) as t.PostTokenAnswer;
  }
}

/** What anybody may read. */
export class PublicCalls {
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** Say the same to OpenID Connect clients. */
  async getOpenidConfiguration(): Promise<t.GetOpenidConfigurationAnswer> {
    return (await this.#sender.send({ method: "GET", path: "/.well-known/openid-configuration" })) as t.GetOpenidConfigurationAnswer;
  }

  /** Give the keys that verify tokens (RFC 7517). */
  async getJwks(): Promise<t.GetJwksAnswer> {
    return (await this.#sender.send({ method: "GET", path: "/oauth/jwks" })) as t.GetJwksAnswer;
  }

  /**
   * Fetch the keys that sign news (webhook-signature): Ed25519 for `v1a`, SM2 for `v1sm2`; fetch them each
   * day.
   */
  async getNewsKeys(): Promise<t.NewsKeys> {
    return (await this.#sender.send({ method: "GET", path: "/v1/news-keys" })) as t.NewsKeys;
  }

  /** Fetch the certificates under which answers to channels are signed: the next one is here before it signs. */
  async getPlatformCertificates(): Promise<t.PlatformCertificates> {
    return (await this.#sender.send({ method: "GET", path: "/v1/platform-certificates" })) as t.PlatformCertificates;
  }

  /**
   * Have a request examined whose signature is refused; need not be signed, knows channels in the sandbox
   * alone. Send it as your program sent it, and if you can the base string that it signed: the answer shows
   * the one computed here and the first byte that differs. Nothing is carried out and nothing kept.
   */
  async postSandboxSignatureExaminations(body: t.ClaimedRequest): Promise<t.Examination> {
    return (await this.#sender.send({ method: "POST", path: "/v1/sandbox/signature-examinations", body })) as t.Examination;
  }

  /** Fetch the signed list of the keys with which codes are verified offline. */
  async getVerificationKeys(): Promise<t.GetVerificationKeysAnswer> {
    return (await this.#sender.send({ method: "GET", path: "/v1/verification-keys" })) as t.GetVerificationKeysAnswer;
  }
}
