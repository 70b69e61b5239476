// SM2 signatures with SM3 under the user id 1234567812345678, in DER, by the package sm-crypto-v2.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import smCrypto from "sm-crypto-v2";
import { NotProven } from "./errors.ts";

const { sm2 } = smCrypto;
const USER_ID = "1234567812345678"; // GM/T 0009, clause 10
const SPKI_HEAD = "3059301306072a8648ce3d020106082a811ccf5501822d03420004"; // a key on the curve of SM2, uncompressed
// PKCS#8 with the curve of SM2 around an ECPrivateKey (RFC 5915)
const PRIVATE_KEY = /06082a811ccf5501822d04\w\w30\w\w0201010420(\w{64})/;

/** A private key; `publicKey` is 128 hexadecimal digits, as `ecard channels add-certificate` takes it. */
export class SigningKey {
  readonly publicKey: string;
  readonly #secret: string;

  constructor(key: KeyObject) {
    const pkcs8 = key.export({ format: "der", type: "pkcs8" }).toString("hex");
    const found = PRIVATE_KEY.exec(pkcs8);
    if (!found?.[1]) throw new TypeError("this is no private key of SM2");
    this.#secret = found[1];
    this.publicKey = sm2.getPublicKeyFromPrivateKey(this.#secret).slice(2);
  }

  /** Sign; the signature is DER in base64. */
  sign(message: Uint8Array): string {
    const how = { hash: true, der: true, userId: USER_ID, publicKey: `04${this.publicKey}` };
    return Buffer.from(sm2.doSignature(message, this.#secret, how), "hex").toString("base64");
  }
}

/** Draw a fresh key, as PKCS#8 in PEM; keep the file to yourself (mode 0600). */
export function drawSm2Key(): string {
  return generateKeyPairSync("ec", { namedCurve: "SM2" }).privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

/** Read a private key from PKCS#8 in PEM. */
export function readSm2Key(pem: string): SigningKey {
  return new SigningKey(createPrivateKey(pem));
}

/** Return if the DER signature (base64) proves the message; otherwise throw `NotProven`. */
export function verifySm2(publicKey: string, message: Uint8Array, signature: string): void {
  let proven = false;
  try {
    const der = Buffer.from(signature, "base64");
    const isOneSpelling = der.toString("base64") === signature && isStrictDer(der);
    proven =
      isOneSpelling &&
      sm2.doVerifySignature(message, der.toString("hex"), `04${publicKey}`, { hash: true, der: true, userId: USER_ID });
  } catch (fault) {
    throw new NotProven("an SM2 signature could not be read", { cause: fault });
  }
  if (!proven) throw new NotProven("an SM2 signature does not belong to this message and key");
}

/** Give the 128 digits of a public key in SPKI form. */
export function publicKeyOf(spki: Buffer): string {
  const text = spki.toString("hex");
  if (!text.startsWith(SPKI_HEAD) || text.length !== SPKI_HEAD.length + 128) throw new NotProven("no key of SM2");
  return text.slice(SPKI_HEAD.length);
}

// SEQUENCE of two positive INTEGERs in their shortest form and nothing behind: no signature has a second spelling.
function isStrictDer(der: Buffer): boolean {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return false;
  let at = 2;
  for (let number = 0; number < 2; number++) {
    const length = der[at + 1] ?? 0;
    const [first = 0x80, second = 0] = der.subarray(at + 2, at + 2 + length);
    if (der[at] !== 0x02 || length < 1 || length > 33 || first >= 0x80) return false;
    if (first === 0 && (length === 1 || second < 0x80)) return false;
    at += 2 + length;
  }
  return at === der.length;
}
