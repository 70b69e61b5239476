// What the wallet is told at its start, and when it must not start.
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, join, resolve } from "node:path";
import { Partner, readEs256Key, readSm2Key } from "ecard-client";

/** The file of settings; paths are taken from where the file lies. */
export interface Settings {
  issuer: string;
  /** The wallet's own address as browsers see it; `<public>/back` is registered as redirect address. */
  public: string;
  listen: { host: string; port: number };
  /** Port of the control endpoint on 127.0.0.1; without it there is none. */
  control?: number;
  /** How often the feed of news is read; 60 without it. */
  pull_seconds?: number;
  /** Only where no proxy ends TLS before the wallet. */
  tls?: { certificate: string; key: string };
  channel: string;
  serial: string;
  client: string;
  kid: string;
  /** The ministry's certificate, PEM. */
  pinned: string;
  /** Folder that `keys` has made. */
  keys: string;
  database: string;
}

export interface Configuration extends Settings {
  partner: Partner;
  pullSeconds: number;
  isDevelopment: boolean;
}

const PULLED_EVERY_SECONDS = 60;

export class MustNotStart extends Error {}

export function readConfiguration(file: string): Configuration {
  const settings = readSettings(file);
  const at = (path: string): string => resolve(dirname(file), path);
  const keys = at(settings.keys);
  const isDevelopment = readText(join(keys, "environment")).trim() !== "production";
  requireFit(settings, isDevelopment);
  const { issuer, channel, serial, client, kid } = settings;
  const pullSeconds = settings.pull_seconds ?? PULLED_EVERY_SECONDS;
  const partner = new Partner({
    issuer,
    channel,
    serial,
    client,
    channelKey: readSm2Key(readSecret(join(keys, "channel.pem"))),
    clientKey: readEs256Key(readSecret(join(keys, "client.pem")), kid),
    dpopKey: readEs256Key(readSecret(join(keys, "dpop.pem"))),
    pinned: readText(at(settings.pinned)),
  });
  const tls = settings.tls && { certificate: at(settings.tls.certificate), key: at(settings.tls.key) };
  return { ...settings, ...(tls && { tls }), keys, database: at(settings.database), partner, pullSeconds, isDevelopment };
}

const TEXTS = ["issuer", "public", "channel", "serial", "client", "kid", "pinned", "keys", "database"] as const;

function readSettings(file: string): Settings {
  const settings = readJson(file) as Partial<Settings>;
  const missing: string[] = TEXTS.filter((name) => typeof settings[name] !== "string" || !settings[name]);
  if (typeof settings.listen?.host !== "string" || !isPort(settings.listen.port)) missing.push("listen");
  if (settings.control !== undefined && !isPort(settings.control)) missing.push("control");
  if (missing.length) throw new MustNotStart(`${file}: missing or of another form: ${missing.join(", ")}`);
  for (const name of ["issuer", "public"] as const) {
    if (!URL.canParse(settings[name] as string)) throw new MustNotStart(`${file}: ${name} is no address`);
  }
  return settings as Settings;
}

function readJson(file: string): object {
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new MustNotStart(`${file} is missing or no JSON`);
  }
  if (typeof read !== "object" || read === null) throw new MustNotStart(`${file} is an object of settings`);
  return read;
}

function isPort(given: unknown): boolean {
  return Number.isInteger(given) && Number(given) >= 0 && Number(given) < 65_536;
}

// Development keys lie about in files that anybody may have copied, and its customers have passwords from a readme.
function requireFit(settings: Settings, isDevelopment: boolean): void {
  if (isDevelopment && !isOfThisMachine(settings.issuer)) {
    throw new MustNotStart("development keys are refused for an issuer that is not on this machine: draw others with --production");
  }
  if (!isDevelopment && settings.control !== undefined) {
    throw new MustNotStart("the control endpoint is for development: take `control` out of the settings");
  }
  for (const address of [settings.issuer, settings.public]) {
    const { protocol } = new URL(address);
    if (protocol !== "https:" && !(isDevelopment && isOfThisMachine(address))) throw new MustNotStart(`${address} is not https`);
  }
}

function isOfThisMachine(address: string): boolean {
  const host = new URL(address).hostname.replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127.")) || host.endsWith(".example");
}

function readSecret(path: string): string {
  const read = readText(path);
  if (statSync(path).mode & 0o077) throw new MustNotStart(`${path} is readable by others: chmod 600`);
  return read;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new MustNotStart(`${path} is missing`);
  }
}
