// Signed requests and answers, ESSC-SM2-SM3: who you are in each request, and that an answer is the service's.
import { X509Certificate } from "node:crypto";
import { provenKey } from "./certificates.ts";
import { NotProven } from "./errors.ts";
import { type SigningKey, verifySm2 } from "./sm2.ts";
import type { PlatformCertificates } from "./types.ts";

export const ANSWER_HEADER = "ESSC-Signature";
const SCHEME = "ESSC-SM2-SM3";
const SKEW_SECONDS = 300;
const FIELD = /^(serial_no|timestamp|nonce|signature)="([^"]{1,128})"$/;

/** Build what is signed; `first` is the method of a request or the status of an answer. */
export function baseString(first: string, target: string, timestamp: number, nonce: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${first}\n${target}\n${timestamp}\n${nonce}\n`), body, Buffer.from("\n")]);
}

export interface RequestToSign {
  appId: string;
  serialNo: string;
  method: string;
  target: string;
  body: Uint8Array;
  timestamp: number;
  nonce: string;
}

/** Give the value of the Authorization header; `nonce` is 16 to 64 characters and used once. */
export function signRequest(key: SigningKey, request: RequestToSign): string {
  const { appId, serialNo, method, target, body, timestamp, nonce } = request;
  const signature = key.sign(baseString(method, target, timestamp, nonce, body));
  const fields = { app_id: appId, serial_no: serialNo, timestamp, nonce, signature };
  return `${SCHEME} ${Object.entries(fields)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}`;
}

/** Read the header of an answer; nothing is proven by it. */
export function readAnswerHeader(header: string): Record<string, string> {
  const pairs = header.split(",").map((part) => FIELD.exec(part));
  const fields: Record<string, string> = {};
  for (const pair of pairs) if (pair?.[1] && pair[2]) fields[pair[1]] = pair[2];
  if (pairs.length !== 4 || Object.keys(fields).length !== 4 || !/^[0-9]{1,12}$/.test(fields.timestamp ?? "")) {
    throw new NotProven("the answer carries no readable signature");
  }
  return fields;
}

export interface AnswerToVerify {
  header: string;
  status: number;
  target: string;
  nonce: string;
  body: Uint8Array;
}

interface AnswerKey {
  publicKey: string;
  from: Date;
  until: Date;
}

/** The service's answer keys by serial number, each proven up to the pinned certificate of the ministry. */
export class AnswerKeys {
  readonly #pinned: string;
  #keys = new Map<string, AnswerKey>();

  constructor(pinned: string) {
    this.#pinned = pinned;
  }

  /** Tell whether a key is known; if not, fetch the published ones. */
  has(serial: string): boolean {
    return this.#keys.has(serial);
  }

  /** Take what /v1/platform-certificates answered; throws `NotProven` where a chain does not hold. */
  take(published: PlatformCertificates, now = new Date()): void {
    const found = new Map<string, AnswerKey>();
    for (const row of published.certificates) {
      const certificate = new X509Certificate(row.certificate);
      const publicKey = provenKey(row.certificate, published.authorities, this.#pinned, now);
      const serial = BigInt(`0x${certificate.serialNumber}`).toString(16);
      found.set(serial, { publicKey, from: certificate.validFromDate, until: certificate.validToDate });
    }
    this.#keys = found;
  }

  /** Return if the answer to the request with this target and nonce is the service's, else throw `NotProven`. */
  verify(answer: AnswerToVerify, now = new Date()): void {
    const fields = readAnswerHeader(answer.header);
    const known = this.#keys.get(fields.serial_no ?? "");
    if (!known || now < known.from || now >= known.until) throw new NotProven("the key is not known or not valid now");
    const timestamp = Number(fields.timestamp);
    if (fields.nonce !== answer.nonce || Math.abs(timestamp - now.getTime() / 1000) > SKEW_SECONDS) {
      throw new NotProven("the answer is not to this request, or not of now");
    }
    const status = String(answer.status).padStart(3, "0");
    const signed = baseString(status, answer.target, timestamp, answer.nonce, answer.body);
    verifySm2(known.publicKey, signed, fields.signature ?? "");
  }
}
