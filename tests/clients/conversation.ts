// What the tests of the TypeScript client run: one line of JSON in, one out.
import { createInterface } from "node:readline";
import * as ecard from "../../clients/typescript/src/index.ts";

type Given = Record<string, any>;

function partnerOf(given: Given): ecard.Partner {
  return new ecard.Partner({
    issuer: given.issuer,
    address: given.address,
    channel: given.channel,
    serial: given.serial,
    channelKey: ecard.readSm2Key(given.channelKey),
    client: given.client,
    clientKey: ecard.readEs256Key(given.clientKey, given.kid),
    dpopKey: ecard.readEs256Key(given.dpopKey),
    pinned: given.pinned,
  });
}

const acts: Record<string, (given: Given) => Promise<unknown> | unknown> = {
  channel: (given) => partnerOf(given).channel.getChannel(),
  news: (given) => partnerOf(given).channel.getNews({ after: 0, limit: 5 }),
  pause: (given) => partnerOf(given).channel.postCarriageSuspend(given.carriage, { reason: "risk" }),
  statement: (given) => partnerOf(given).channel.getChannelStatement(given.day),
  push: (given) => partnerOf(given).oauth.postPar(given.form),
  token: (given) => partnerOf(given).oauth.postToken(given.form),
  userinfo: (given) => partnerOf(given).holder(given.token).getUserinfo(),
  returning: async (given) => {
    const customer = { subject: given.subject, authenticatedAt: Math.floor(Date.now() / 1000), acr: "L2" as const };
    await partnerOf(given).returnTo(customer, "card.read");
    return "returned";
  },
  webhook: (given) => ecard.verifyNews(given.keys, given.headers, Buffer.from(given.body)),
  sign: (given) => ecard.readSm2Key(given.key).sign(Buffer.from(given.message)),
  verify: (given) => ecard.verifySm2(given.publicKey, Buffer.from(given.message), given.signature) ?? "holds",
  draw: () => {
    const pem = ecard.drawSm2Key();
    return { pem, publicKey: ecard.readSm2Key(pem).publicKey };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...given } = JSON.parse(line) as Given;
  let said: unknown;
  try {
    said = { done: await acts[act]!(given) };
  } catch (fault) {
    const { constructor, message, code } = fault as Error & { code?: string };
    said = { failed: constructor.name, message, code };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
