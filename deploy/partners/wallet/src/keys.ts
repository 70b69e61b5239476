// Draw the wallet's own keys and print what the city's operators register of them.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawEs256Key, drawSm2Key, readEs256Key, readSm2Key } from "ecard-client";
import { MustNotStart } from "./configuration.ts";

/** Make a folder with keys that nobody else has seen; one that exists is left as it is. */
export function drawKeys(folder: string, environment: "development" | "production"): void {
  if (existsSync(folder)) throw new MustNotStart(`${folder} is there already: keys are not drawn over`);
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const channel = drawSm2Key();
  const client = drawEs256Key();
  for (const [name, pem] of Object.entries({ channel, client, dpop: drawEs256Key() })) {
    writeFileSync(join(folder, `${name}.pem`), pem, { mode: 0o600, flag: "wx" });
  }
  writeFileSync(join(folder, "environment"), `${environment}\n`);
  writeFileSync(join(folder, "client.jwk"), `${JSON.stringify(readEs256Key(client).publicJwk)}\n`);
  writeFileSync(join(folder, "channel.hex"), `${readSm2Key(channel).publicKey}\n`);
  chmodSync(folder, 0o700);
}
