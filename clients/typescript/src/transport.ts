// How calls travel: limits of time, repeated where that is safe, signed anew at each try.
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { NoAnswer, NotProven, OAuthRefused, Refused } from "./errors.ts";
import type { Call, Sender } from "./operations.ts";
import { ANSWER_HEADER, type AnswerKeys, readAnswerHeader, signRequest } from "./signing.ts";
import type { SigningKey } from "./sm2.ts";
import { ASSERTION_TYPE, clientAssertion, dpopProof, type Es256Key, randomText } from "./tokens.ts";
import type { PlatformCertificates } from "./types.ts";

const TIMEOUT_MS = 10_000;
const TRIES = 3;
const LONGEST_WAIT_MS = 5000; // whoever is told to wait longer gets the refusal
const BUSY = new Set([429, 503]);

export interface Request {
  method: string;
  target: string;
  body: Buffer;
  headers: Record<string, string>;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/** Carries calls that need no proof, and is what the others stand on. */
export class Plain implements Sender {
  readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  async send(call: Call): Promise<unknown> {
    const request = writeRequest(call);
    if (call.method === "POST" && !call.isForm) request.headers["Idempotency-Key"] = call.idempotencyKey ?? randomText();
    return this.read(await this.#persist(request, call.isForm ? 1 : TRIES));
  }

  /** Send a request as it is; the others prove themselves here. */
  async tryOnce(request: Request): Promise<Answer> {
    const init: RequestInit = { method: request.method, headers: request.headers, redirect: "manual" };
    if (request.body.length) init.body = new Uint8Array(request.body);
    init.signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const answer = await fetch(this.address + request.target, init);
      return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
    } catch (fault) {
      throw new NoAnswer(`no answer to ${request.method} ${pathOf(request)}`, { cause: fault });
    }
  }

  /** Take the answer, or throw what it says. */
  read(answer: Answer): unknown {
    if (isGood(answer)) return readGood(answer);
    throw new Refused(answer.status, readObject(answer), waitOf(answer));
  }

  async #persist(request: Request, tries: number): Promise<Answer> {
    for (let number = 1; ; number++) {
      let wait = 100 * 2 ** number;
      try {
        const answer = await this.tryOnce(request);
        wait = (waitOf(answer) ?? 0) * 1000 || wait;
        if (!BUSY.has(answer.status) || wait > LONGEST_WAIT_MS || number >= tries) return answer;
      } catch (fault) {
        if (!(fault instanceof NoAnswer) || number >= tries) throw fault;
      }
      await pause(wait);
    }
  }
}

/** Signs each request as a channel, and believes no answer that is not signed for it. */
export class Signed extends Plain {
  readonly #who: { channel: string; serial: string; key: SigningKey };
  readonly #answers: AnswerKeys;

  constructor(address: string, who: { channel: string; serial: string; key: SigningKey }, answers: AnswerKeys) {
    super(address);
    this.#who = who;
    this.#answers = answers;
  }

  override async tryOnce(request: Request): Promise<Answer> {
    const nonce = randomBytes(16).toString("hex");
    const { channel: appId, serial: serialNo, key } = this.#who;
    const timestamp = Math.floor(Date.now() / 1000);
    const { method, target, body } = request;
    const signed = signRequest(key, { appId, serialNo, method, target, body, timestamp, nonce });
    const answer = await super.tryOnce({ ...request, headers: { ...request.headers, Authorization: signed } });
    await this.#verify(target, nonce, answer);
    return answer;
  }

  async #verify(target: string, nonce: string, answer: Answer): Promise<void> {
    const header = answer.headers.get(ANSWER_HEADER);
    if (header === null) {
      // before the channel is proven the service cannot sign for it: such a no is a no, such a yes is nobody's
      if (answer.status < 400) throw new NotProven("the answer is not signed");
      return;
    }
    if (!this.#answers.has(readAnswerHeader(header).serial_no ?? "")) {
      const asked = new Plain(this.address).send({ method: "GET", path: "/v1/platform-certificates" });
      this.#answers.take((await asked) as PlatformCertificates);
    }
    this.#answers.verify({ header, status: answer.status, target, nonce, body: answer.body });
  }
}

/** Shows a holder's access token with a proof of the key to which it is bound. */
export class WithToken extends Plain {
  readonly #bound: { issuer: string; token: string; key: Es256Key };

  constructor(address: string, bound: { issuer: string; token: string; key: Es256Key }) {
    super(address);
    this.#bound = bound;
  }

  override tryOnce(request: Request): Promise<Answer> {
    const { issuer, token, key } = this.#bound;
    const proof = dpopProof(key, request.method, issuer + pathOf(request), { token });
    return super.tryOnce({ ...request, headers: { ...request.headers, Authorization: `DPoP ${token}`, DPoP: proof } });
  }
}

/** Sends forms to the token server: each with a fresh assertion of the client and a proof of its DPoP key. */
export class AsClient extends Plain {
  readonly #who: { issuer: string; client: string; key: Es256Key; dpop: Es256Key };
  #nonce = "";

  constructor(address: string, who: { issuer: string; client: string; key: Es256Key; dpop: Es256Key }) {
    super(address);
    this.#who = who;
  }

  override async tryOnce(request: Request): Promise<Answer> {
    const answer = await this.#proveAndSend(request);
    const nonce = answer.headers.get("DPoP-Nonce");
    if (answer.status !== 400 || readObject(answer).error !== "use_dpop_nonce" || !nonce) return answer;
    this.#nonce = nonce;
    return this.#proveAndSend(request);
  }

  override read(answer: Answer): unknown {
    if (isGood(answer)) return answer.body.length ? JSON.parse(answer.body.toString("utf8")) : {};
    throw new OAuthRefused(answer.status, readObject(answer), waitOf(answer));
  }

  #proveAndSend(request: Request): Promise<Answer> {
    const { issuer, client, key, dpop } = this.#who;
    const assertion = clientAssertion(key, client, issuer);
    const proven = new URLSearchParams({ client_assertion_type: ASSERTION_TYPE, client_assertion: assertion });
    const proof = dpopProof(dpop, request.method, issuer + request.target, { nonce: this.#nonce });
    const body = Buffer.from(`${request.body.toString("utf8")}&${proven}`);
    return super.tryOnce({ ...request, body, headers: { ...request.headers, DPoP: proof } });
  }
}

function writeRequest(call: Call): Request {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) if (value != null) query.append(name, String(value));
  const target = query.size ? `${call.path}?${query}` : call.path;
  const headers: Record<string, string> = { Accept: "application/json" };
  if (call.body === undefined) return { method: call.method, target, body: Buffer.alloc(0), headers };
  headers["Content-Type"] = call.isForm ? "application/x-www-form-urlencoded" : "application/json";
  const text = call.isForm ? String(new URLSearchParams(call.body as Record<string, string>)) : JSON.stringify(call.body);
  return { method: call.method, target, body: Buffer.from(text), headers };
}

function pathOf(request: Request): string {
  return request.target.split("?")[0] ?? "";
}

function isGood(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

/** Read JSON, or the text where it is none. */
function readGood(answer: Answer): unknown {
  const text = answer.body.toString("utf8");
  if (answer.headers.get("Content-Type")?.startsWith("text/")) return text;
  return text ? JSON.parse(text) : undefined;
}

function readObject(answer: Answer): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(answer.body.toString("utf8"));
    return typeof read === "object" && read !== null ? (read as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function waitOf(answer: Answer): number | undefined {
  const given = answer.headers.get("Retry-After") ?? "";
  return /^[0-9]+$/.test(given) ? Number(given) : undefined;
}
