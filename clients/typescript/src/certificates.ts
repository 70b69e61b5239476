// Certificates of the service's answer keys: believed because they lead up to the ministry's, which you have pinned.
import { X509Certificate } from "node:crypto";
import { NotProven } from "./errors.ts";
import { publicKeyOf, verifySm2 } from "./sm2.ts";

const PLATFORM_PURPOSE = "2.25.216496411078038850163260663630861635375";
const SM2_WITH_SM3 = "300a06082a811ccf55018375"; // AlgorithmIdentifier 1.2.156.10197.1.501, GM/T 0006
const MOST_LINKS = 4;

/** Give the public key of an answer certificate; throws `NotProven` unless it leads up to the pinned one now. */
export function provenKey(leafPem: string, authorityPems: string[], pinnedPem: string, now: Date): string {
  const pinned = new X509Certificate(pinnedPem);
  const authorities = [...authorityPems.map((pem) => new X509Certificate(pem)), pinned];
  const leaf = new X509Certificate(leafPem);
  if (leaf.ca || !leaf.keyUsage?.includes(PLATFORM_PURPOSE)) throw new NotProven("not for signing answers");
  let issued = leaf;
  for (let link = 0; link < MOST_LINKS; link++) {
    const issuer = authorities.find((one) => one.ca && one.subject === issued.issuer);
    if (!issuer) break;
    requireValid(issuer, now);
    requireIssued(issued, issuer);
    if (issuer.raw.equals(pinned.raw)) return keyOf(leaf);
    issued = issuer;
  }
  throw new NotProven("the certificate does not lead up to the pinned one");
}

function requireValid(certificate: X509Certificate, now: Date): void {
  if (now < certificate.validFromDate || now >= certificate.validToDate) throw new NotProven("an authority has expired");
}

function requireIssued(issued: X509Certificate, issuer: X509Certificate): void {
  const [signed, algorithm, signature] = partsOf(issued.raw);
  if (!signed || !signature || algorithm?.toString("hex") !== SM2_WITH_SM3) throw new NotProven("not signed with SM2");
  // a BIT STRING of less than 128 bytes: tag, length, no unused bits, content
  verifySm2(keyOf(issuer), signed, signature.subarray(3).toString("base64"));
}

function keyOf(certificate: X509Certificate): string {
  return publicKeyOf(certificate.publicKey.export({ format: "der", type: "spki" }) as Buffer);
}

// What a certificate is made of (RFC 5280, 4.1): what was signed, how, and the signature.
function partsOf(der: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let at = headerSize(der, 0);
  while (at < der.length) {
    const end = at + headerSize(der, at) + contentSize(der, at);
    parts.push(der.subarray(at, end));
    at = end;
  }
  return parts;
}

function headerSize(der: Buffer, at: number): number {
  const first = der[at + 1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

function contentSize(der: Buffer, at: number): number {
  const first = der[at + 1] ?? 0;
  return first < 0x80 ? first : der.readUIntBE(at + 2, first & 0x7f);
}
