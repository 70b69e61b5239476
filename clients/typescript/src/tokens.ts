// What an OAuth client signs: its assertions, proofs of its DPoP key, statements about its customers; PKCE.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { NotProven } from "./errors.ts";
import type { GetJwksAnswer } from "./types.ts";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LIFE_SECONDS = 60;
const LEEWAY_SECONDS = 30;

type Claims = Record<string, unknown>;

/** A key on P-256; `kid` as `ecard clients add-key` printed it. */
export class Es256Key {
  readonly kid: string;
  readonly #key: KeyObject;

  constructor(key: KeyObject, kid = "") {
    this.#key = key;
    this.kid = kid;
  }

  /** The public key as it is registered. */
  get publicJwk(): Record<"kty" | "crv" | "x" | "y", string> {
    const { kty = "", crv = "", x = "", y = "" } = createPublicKey(this.#key).export({ format: "jwk" }) as Record<string, string>;
    return { kty, crv, x, y };
  }

  sign(claims: Claims, header: Claims = {}): string {
    const named = this.kid && !header.jwk ? { kid: this.kid } : {};
    const signed = `${part({ alg: "ES256", ...named, ...header })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: this.#key, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  }
}

/** Draw a fresh key, as PKCS#8 in PEM. */
export function drawEs256Key(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

export function readEs256Key(pem: string, kid = ""): Es256Key {
  return new Es256Key(createPrivateKey(pem), kid);
}

/** Prove the client to the token server (private_key_jwt); one for each request. */
export function clientAssertion(key: Es256Key, client: string, issuer: string): string {
  return key.sign({ ...ownClaims(client, issuer), sub: client });
}

export interface Customer {
  /** The pseudonym under which you know the holder. */
  subject: string;
  /** When you authenticated the customer, seconds since 1970; ten minutes later it is taken no more. */
  authenticatedAt: number;
  /** How sure you are. */
  acr: "L1" | "L2" | "L3";
}

/** State that this is your customer, whom you have just authenticated (RFC 8693); spent with its first use. */
export function customerStatement(key: Es256Key, client: string, issuer: string, customer: Customer): string {
  const { subject, authenticatedAt, acr } = customer;
  const claims = { ...ownClaims(client, issuer), sub: subject, auth_time: authenticatedAt, acr };
  return key.sign(claims, { typ: "essc-link+jwt" });
}

/** Prove the key for one request (RFC 9449); `address` without its query. */
export function dpopProof(key: Es256Key, method: string, address: string, bound: { token?: string; nonce?: string } = {}): string {
  const claims: Claims = { htm: method, htu: address, iat: seconds(), jti: randomText() };
  if (bound.token) claims.ath = digest(bound.token);
  if (bound.nonce) claims.nonce = bound.nonce;
  return key.sign(claims, { typ: "dpop+jwt", jwk: key.publicJwk });
}

/** Draw a PKCE verifier with its challenge (RFC 7636). */
export function drawVerifier(): { verifier: string; challenge: string } {
  const verifier = randomBytes(48).toString("base64url");
  return { verifier, challenge: digest(verifier) };
}

/** Verify an ID token with the keys of /oauth/jwks and give its claims; throws `NotProven`. */
export function readIdToken(
  given: string,
  keys: GetJwksAnswer,
  expected: { client: string; issuer: string; nonce: string },
): Claims & { sub: string } {
  const [head = "", body = "", signature = ""] = given.split(".");
  const header = read(head);
  const row = keys.keys.find((key) => key.kid === header.kid && key.alg === "ES256");
  if (header.alg !== "ES256" || !row) throw new NotProven("the ID token names no key of the service");
  const key = createPublicKey({ key: { kty: row.kty, crv: row.crv, x: row.x, y: row.y }, format: "jwk" });
  const how = { key, dsaEncoding: "ieee-p1363" as const };
  if (!verify("sha256", Buffer.from(`${head}.${body}`), how, Buffer.from(signature, "base64url"))) {
    throw new NotProven("the signature of the ID token does not hold");
  }
  const claims = read(body);
  const isOurs = claims.iss === expected.issuer && claims.aud === expected.client && claims.nonce === expected.nonce;
  if (!isOurs || typeof claims.sub !== "string" || Number(claims.exp) + LEEWAY_SECONDS <= seconds()) {
    throw new NotProven("the ID token is for somebody else, of another login, or over");
  }
  return { ...claims, sub: claims.sub };
}

export function randomText(): string {
  return randomBytes(18).toString("base64url");
}

function ownClaims(client: string, issuer: string): Claims {
  const now = seconds();
  return { iss: client, aud: issuer, iat: now, exp: now + LIFE_SECONDS, jti: randomText() };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

function digest(given: string): string {
  return createHash("sha256").update(given).digest("base64url");
}

function part(given: Claims): string {
  return Buffer.from(JSON.stringify(given)).toString("base64url");
}

function read(given: string): Claims {
  try {
    return JSON.parse(Buffer.from(given, "base64url").toString("utf8")) as Claims;
  } catch (fault) {
    throw new NotProven("this is no JWT", { cause: fault });
  }
}
