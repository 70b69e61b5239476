// Types of what is sent and answered. Written by `make clients` from the service's description, version 0.1.0; do not edit.

/** One certificate. */
export interface Certificate {
  serial: string;
  not_before: string;
  /** good until strictly before */
  not_after: string;
}

/** One news. */
export interface News {
  /** the same at every try, and here */
  id: string;
  type: string;
  /** when it happened */
  timestamp: string;
  channel: string;
  /** its place in your news */
  position: number;
  /** the subject (sub) under which you know the holder */
  card: string;
  /** counts the news of this card */
  sequence: number;
  data: Record<string, unknown>;
}

/** One news key. */
export interface NewsKey {
  kid: string;
  kty: string;
  crv: string;
  use: string;
  x: string;
  y?: string;
  /** marks its signatures */
  version: string;
  state: string;
  /** the same key as Standard Webhooks writes it */
  whpk?: string;
}

/** One news keys. */
export interface NewsKeys {
  keys: Array<NewsKey>;
}

/** One news page. */
export interface NewsPage {
  items: Array<News>;
  /** pass as `after` for what follows, now or later */
  next: number;
  /** whether there is another page already */
  more: boolean;
}

/** One own channel. */
export interface OwnChannel {
  id: string;
  name_zh: string;
  name_en: string;
  class: string;
  tier: number;
  /** the first-tier channel of a second-tier one */
  above: string | null;
  /** with the channel above */
  standing: string;
  scopes: Array<string>;
  algorithms: Array<string>;
  requests_per_minute: number;
  /** the certificate that signed this request */
  serial: string;
  /** those that are live */
  certificates: Array<Certificate>;
}

/** One platform certificate. */
export interface PlatformCertificate {
  serial: string;
  not_before: string;
  /** good until strictly before */
  not_after: string;
  /** next, current or retired */
  state: string;
  /** PEM */
  certificate: string;
}

/** One platform certificates. */
export interface PlatformCertificates {
  certificates: Array<PlatformCertificate>;
  /** PEM: city, province, ministry; pin the last one */
  authorities: Array<string>;
}

/** One problem. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  /** for the developer */
  detail?: string;
  next_step: string;
  request_id: string;
}

/** One get userinfo answer. */
export interface GetUserinfoAnswer {
  /** The pseudonym */
  sub: string;
  acr: "L1" | "L2" | "L3";
}

/** One post introspect body. */
export interface PostIntrospectBody {
  /** Access token or refresh token */
  token: string;
  /** Is only a hint and is not needed */
  token_type_hint?: string;
  /** Of apps and of clients with a certificate, which have no other proof in the form */
  client_id?: string;
  /** With client_assertion */
  client_assertion_type?: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  /** JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once */
  client_assertion?: string;
  /** Of clients registered with client_secret_post */
  client_secret?: string;
}

/** One post introspect answer. */
export interface PostIntrospectAnswer {
  active: boolean;
  iss?: string;
  client_id?: string;
  sub?: string;
  scope?: string;
  acr?: string;
  jti?: string;
  token_type?: string;
  aud?: Array<string>;
  auth_time?: number;
  iat?: number;
  exp?: number;
  cnf?: { jkt: string };
}

/** One post par body. */
export interface PostParBody {
  response_type: "code";
  /** Of apps and of clients with a certificate, which have no other proof in the form */
  client_id: string;
  /** One of the client's own, letter by letter; of apps on 127.0.0.1 any port */
  redirect_uri: string;
  /**
   * Names with blanks between them, each once: openid, offline_access, card.read, card.present,
   * terminals.enrol
   */
  scope: string;
  /** Base64url SHA-256 of the code_verifier (RFC 7636) */
  code_challenge: string;
  code_challenge_method: "S256";
  /** Comes back with the answer */
  state?: string;
  /** Stands in the ID token */
  nonce?: string;
  /** Whom tokens are for (RFC 8707); may stand several times */
  resource?: string;
  /** Thumbprint of the key to which the code is bound (RFC 9449 section 10) */
  dpop_jkt?: string;
  /** The least assurance level: L1, L2, L3 */
  acr_values?: string;
  /** Seconds that the holder's login may be old */
  max_age?: string;
  /** none, or login and consent */
  prompt?: string;
  /** With client_assertion */
  client_assertion_type?: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  /** JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once */
  client_assertion?: string;
  /** Of clients registered with client_secret_post */
  client_secret?: string;
}

/** One post par answer. */
export interface PostParAnswer {
  request_uri: string;
  expires_in: number;
}

/** One post revoke body. */
export interface PostRevokeBody {
  /** Access token or refresh token */
  token: string;
  /** Is only a hint and is not needed */
  token_type_hint?: string;
  /** Of apps and of clients with a certificate, which have no other proof in the form */
  client_id?: string;
  /** With client_assertion */
  client_assertion_type?: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  /** JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once */
  client_assertion?: string;
  /** Of clients registered with client_secret_post */
  client_secret?: string;
}

/** One post revoke answer. */
export interface PostRevokeAnswer {
}

/** One post token body. */
export interface PostTokenBody {
  grant_type: "authorization_code" | "refresh_token" | "urn:ietf:params:oauth:grant-type:device_code" | "urn:ietf:params:oauth:grant-type:token-exchange" | "urn:ietf:params:oauth:grant-type:jwt-bearer";
  /** authorization_code: the code, within its minute */
  code?: string;
  /** authorization_code: as it was in the authorization request */
  redirect_uri?: string;
  /** authorization_code: what the challenge was made of */
  code_verifier?: string;
  /** refresh_token: the token */
  refresh_token?: string;
  /** refresh_token, token-exchange: fewer scopes than were allowed */
  scope?: string;
  /** For whom, of those that were allowed (RFC 8707) */
  resource?: string;
  /** device_code: what /oauth/device_authorization answered */
  device_code?: string;
  /** token-exchange: the client's statement about its customer, a JWT of a minute */
  subject_token?: string;
  /** token-exchange */
  subject_token_type?: "urn:ietf:params:oauth:token-type:jwt";
  /** token-exchange */
  requested_token_type?: "urn:ietf:params:oauth:token-type:access_token";
  /** jwt-bearer: JWT, ES256, by the device key of a phone that carries a card */
  assertion?: string;
  /** Of apps and of clients with a certificate, which have no other proof in the form */
  client_id?: string;
  /** With client_assertion */
  client_assertion_type?: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  /** JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once */
  client_assertion?: string;
  /** Of clients registered with client_secret_post */
  client_secret?: string;
}

/** One post token answer. */
export interface PostTokenAnswer {
  access_token: string;
  /** DPoP for a token bound to a key, otherwise Bearer */
  token_type: "DPoP" | "Bearer";
  /** Seconds */
  expires_in: number;
  /** What the token allows */
  scope: string;
  /** Where offline_access was allowed */
  refresh_token?: string;
  /** Where openid was allowed: who the holder is to this client, a pseudonym */
  id_token?: string;
  /** Of token exchange */
  issued_token_type?: "urn:ietf:params:oauth:token-type:access_token";
}

/** One get openid configuration answer. */
export interface GetOpenidConfigurationAnswer {
  issuer: string;
  token_endpoint: string;
  jwks_uri: string;
  scopes_supported: Array<string>;
}

/** One get jwks answer. */
export interface GetJwksAnswer {
  keys: Array<{ kty: string; crv: string; x: string; y: string; use: string; alg: string; kid: string }>;
}

/** One get verification keys answer. */
export interface GetVerificationKeysAnswer {
}
