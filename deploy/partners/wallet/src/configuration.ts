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
  isDevelopment: boolean;
}

export class MustNotStart extends Error {}

export function readConfiguration(file: string): Configuration {
  const settings = JSON.parse(readFileSync(file, "utf8")) as Settings;
  const at = (path: string): string => resolve(dirname(file), path);
  const keys = at(settings.keys);
  const isDevelopment = readFileSync(join(keys, "environment"), "utf8").trim() !== "production";
  requireFit(settings, isDevelopment);
  const { issuer, channel, serial, client, kid } = settings;
  const partner = new Partner({
    issuer,
    channel,
    serial,
    client,
    channelKey: readSm2Key(readSecret(join(keys, "channel.pem"))),
    clientKey: readEs256Key(readSecret(join(keys, "client.pem")), kid),
    dpopKey: readEs256Key(readSecret(join(keys, "dpop.pem"))),
    pinned: readFileSync(at(settings.pinned), "utf8"),
  });
  const tls = settings.tls && { certificate: at(settings.tls.certificate), key: at(settings.tls.key) };
  return { ...settings, ...(tls && { tls }), keys, database: at(settings.database), partner, isDevelopment };
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
  if (statSync(path).mode & 0o077) throw new MustNotStart(`${path} is readable by others: chmod 600`);
  return readFileSync(path, "utf8");
}
