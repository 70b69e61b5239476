// Reading requests and writing answers, on Node's own HTTP server.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

const LIMIT = 64 * 1024;
const KEY = randomBytes(32);
const POLICY = "default-src 'none'; style-src 'self'; form-action 'self' FORMS; frame-ancestors 'none'; base-uri 'none'";

export class BadRequest extends Error {}

/** Read where a request goes; throws `BadRequest` for what is no path. */
export function targetOf(request: IncomingMessage, base: string): URL {
  const given = request.url ?? "/";
  // "//host" would be taken for another host's address
  const address = /^\/(?!\/)/.test(given) ? URL.parse(given, base) : null;
  if (!address) throw new BadRequest("this is no path");
  return address;
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > LIMIT) throw new BadRequest("too much was sent");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  return new URLSearchParams((await readBody(request)).toString("utf8"));
}

export function cookieOf(request: IncomingMessage, name: string): string | null {
  const pairs = (request.headers.cookie ?? "").split(/; */).map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1] ?? null;
}

/** Take a form of one of our own pages: browsers name the origin of every POST, and another site cannot name ours. */
export function requireOwnOrigin(request: IncomingMessage, own: string): void {
  if (request.headers.origin !== new URL(own).origin) throw new BadRequest("the form is of another site");
}

/** What a form of a session carries, so that no other site's form is taken for it. */
export function antiForgery(session: string): string {
  return createHmac("sha256", KEY).update(session).digest("base64url");
}

export function requireForm(form: URLSearchParams, session: string): void {
  const [given, wanted] = [Buffer.from(form.get("anti") ?? ""), Buffer.from(antiForgery(session))];
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new BadRequest("the form is not of this page");
}

/** Answer with a page; `forms` is the other origin to which a form of it may lead on. */
export function sendPage(response: ServerResponse, status: number, html: string, forms: string): void {
  response.writeHead(status, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Language": "zh-CN",
    "Content-Security-Policy": POLICY.replace("FORMS", new URL(forms).origin),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin", // no-referrer would have browsers send "Origin: null" with our own forms
    "X-Content-Type-Options": "nosniff",
  });
  response.end(html);
}

export function redirect(response: ServerResponse, address: string, cookie?: string): void {
  response.writeHead(303, { Location: address, "Cache-Control": "no-store", ...(cookie && { "Set-Cookie": cookie }) });
  response.end();
}

export function sendJson(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(content));
}

export function nothing(response: ServerResponse, status: number): void {
  response.writeHead(status);
  response.end();
}
