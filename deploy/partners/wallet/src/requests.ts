// Reading requests and writing answers, on Node's own HTTP server.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

const LIMIT = 64 * 1024;
const KEY = randomBytes(32);
const POLICY = "default-src 'none'; style-src 'self'; form-action 'self' FORMS; frame-ancestors 'none'; base-uri 'none'";

export class BadRequest extends Error {}

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

export function cookieOf(request: IncomingMessage, name: string): string | null {
  const pairs = (request.headers.cookie ?? "").split(/; */).map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1] ?? null;
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
    "Content-Security-Policy": POLICY.replace("FORMS", forms),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
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
