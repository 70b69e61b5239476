// Client of the electronic social security card for partner banks and wallets. What the service takes and answers
// stands in operations.ts and types.ts, which are generated from its description; the rest signs and verifies.
import { ChannelCalls, HolderCalls, OAuthCalls, PublicCalls } from "./operations.ts";
import { AnswerKeys } from "./signing.ts";
import type { SigningKey } from "./sm2.ts";
import { type Customer, customerStatement, type Es256Key } from "./tokens.ts";
import { AsClient, Plain, Signed, WithToken } from "./transport.ts";

export * from "./errors.ts";
export { verifyNews } from "./news.ts";
export { ChannelCalls, HolderCalls, OAuthCalls, PublicCalls } from "./operations.ts";
export { AnswerKeys, signRequest } from "./signing.ts";
export { drawSm2Key, readSm2Key, SigningKey, verifySm2 } from "./sm2.ts";
export { type Customer, drawEs256Key, drawVerifier, Es256Key, randomText, readEs256Key, readIdToken } from "./tokens.ts";
export type * from "./types.ts";

/** What a partner was registered with. */
export interface Registered {
  /** The service's address as it writes it itself: no slash at its end. */
  issuer: string;
  /** Where the service is reached, if that is another address. */
  address?: string;
  channel: string;
  /** Serial number of the certificate that `channelKey` has. */
  serial: string;
  channelKey: SigningKey;
  client: string;
  clientKey: Es256Key;
  /** A key of your own to which tokens are bound; not registered anywhere. */
  dpopKey: Es256Key;
  /** The ministry's certificate, PEM. */
  pinned: string;
}

/** A channel with its OAuth client; the attributes are the groups of calls. */
export class Partner {
  readonly channel: ChannelCalls;
  readonly oauth: OAuthCalls;
  readonly public: PublicCalls;
  readonly #registered: Registered;
  readonly #address: string;

  constructor(registered: Registered) {
    this.#registered = registered;
    const { issuer, channel, serial, channelKey, client, clientKey, dpopKey, pinned } = registered;
    this.#address = registered.address ?? issuer;
    const answers = new AnswerKeys(pinned);
    this.channel = new ChannelCalls(new Signed(this.#address, { channel, serial, key: channelKey }, answers));
    this.oauth = new OAuthCalls(new AsClient(this.#address, { issuer, client, key: clientKey, dpop: dpopKey }));
    this.public = new PublicCalls(new Plain(this.#address));
  }

  /** Give the calls that this holder's token allows. */
  holder(token: string): HolderCalls {
    const { issuer, dpopKey: key } = this.#registered;
    return new HolderCalls(new WithToken(this.#address, { issuer, token, key }));
  }

  /** Return to an existing link without a redirect, for a customer whom you have just authenticated. */
  async returnTo(customer: Customer, scope: string): Promise<HolderCalls> {
    const { issuer, client, clientKey } = this.#registered;
    const answer = await this.oauth.postToken({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: customerStatement(clientKey, client, issuer, customer),
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      scope,
    });
    return this.holder(answer.access_token);
  }
}
