// News that the service posts to you: verify it, then keep for each card what the highest sequence says.
import { createPublicKey, verify } from "node:crypto";
import { NotProven } from "./errors.ts";
import { verifySm2 } from "./sm2.ts";
import type { News, NewsKey, NewsKeys } from "./types.ts";

const SKEW_SECONDS = 300;

export type Headers = Record<string, string | string[] | undefined>;

/**
 * Verify what was posted, with the keys of /v1/news-keys, and give back the message; throws `NotProven`.
 * `body` is what was received, byte for byte. The same message may come twice and late: answer 2xx once it is kept.
 */
export function verifyNews(keys: NewsKeys, headers: Headers, body: Buffer, now = new Date()): News {
  const [id, stamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => one(headers[name]));
  if (!/^[0-9]{1,12}$/.test(stamp ?? "") || Math.abs(Number(stamp) - now.getTime() / 1000) > SKEW_SECONDS) {
    throw new NotProven("the news was not sent now");
  }
  const content = Buffer.concat([Buffer.from(`${id}.${stamp}.`), body]);
  const given = (signatures ?? "").split(" ").map((signature) => signature.split(","));
  if (!given.some(([version, text]) => keys.keys.some((key) => key.version === version && holds(key, content, text ?? "")))) {
    throw new NotProven("no signature of the news holds");
  }
  const message = readObject(body);
  if (message.id !== id) throw new NotProven("the news has another id inside than outside");
  return message;
}

function readObject(body: Buffer): News {
  try {
    const read: unknown = JSON.parse(body.toString("utf8"));
    if (typeof read === "object" && read !== null && !Array.isArray(read)) return read as News;
  } catch {
    // told below
  }
  throw new NotProven("the news is no object");
}

function one(given: string | string[] | undefined): string | undefined {
  return typeof given === "string" ? given : undefined;
}

function holds(key: NewsKey, content: Buffer, signature: string): boolean {
  try {
    if (key.version === "v1a") {
      const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key.x }, format: "jwk" });
      return verify(null, content, publicKey, Buffer.from(signature, "base64"));
    }
    if (key.version !== "v1sm2") return false;
    const halves = [key.x, key.y ?? ""].map((half) => Buffer.from(half, "base64url").toString("hex"));
    verifySm2(halves.join(""), content, signature);
    return true;
  } catch {
    return false;
  }
}
