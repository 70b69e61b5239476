// Types of what is sent and answered. Written by `make clients` from the service's description, version 0.1.0; do not edit.

/** One act. */
export interface Act {
  /** unique for each channel, for ever */
  out_request_no: string;
}

/** One answer login. */
export interface AnswerLogin {
  /** as the login page shows it */
  code: string;
  decision?: "approve" | "deny";
}

/** One answered login. */
export interface AnsweredLogin {
  /** to be typed into the page; null where it was denied */
  number: string | null;
}

/** One answers switch. */
export interface AnswersSwitch {
  /** how many times more */
  times: number;
  /** in development environments; one answer at a time is delayed */
  delay_ms?: number;
  /** told in place of the answer; the request was carried out */
  status?: 429 | 500 | 503 | null;
  /** the answer's signature does not verify */
  wrong_signature?: boolean;
}

/** One ask. */
export interface Ask {
  /** your own number, once for ever over all you do */
  out_request_no: string;
  /** of your customer; kept sealed while it is worked on, then erased */
  social_security_number: string;
  /** as you know your customer; kept sealed while it is worked on, then erased */
  name: string;
  /** the mobile number in use with your app; kept sealed while it is worked on, then erased */
  phone: string;
}

/** One asked. */
export interface Asked {
  id: string;
  state: "asked" | "issued" | "refused";
}

/** One base string. */
export interface BaseString {
  escaped: string;
  base64: string;
  bytes: number;
  sm3: string;
}

/** One carriage. */
export interface Carriage {
  id: string | null;
  /** the `sub` of your tokens: the card's name here */
  subject: string;
  state: "pending" | "active" | "suspended" | "revoked";
  card_standing: "active" | "suspended" | "revoked" | null;
  level: "L1" | "L2" | "L3" | null;
  /** whether the card may pay at all */
  payment: boolean;
  /** whether it was opened in your app */
  payment_opened: boolean;
  /** of its latest news */
  sequence: number;
  signed_at: string | null;
  out_request_no: string | null;
}

/** One carriage now. */
export interface CarriageNow {
  id: string | null;
  /** the `sub` of your tokens: the card's name here */
  subject: string;
  state: "pending" | "active" | "suspended" | "revoked";
  card_standing: "active" | "suspended" | "revoked" | null;
  level: "L1" | "L2" | "L3" | null;
  /** whether the card may pay at all */
  payment: boolean;
  /** whether it was opened in your app */
  payment_opened: boolean;
  /** of its latest news */
  sequence: number;
  signed_at: string | null;
  out_request_no: string | null;
  /** 006 where there is news of it that you have not seen */
  result: "006" | null;
}

/** One carriages. */
export interface Carriages {
  items: Array<Carriage>;
  /** pass as `after` for the next page */
  next: string | null;
}

/** One claimed request. */
export interface ClaimedRequest {
  method: string;
  /** path and query, as the request line has them */
  target: string;
  header_fields: Record<string, string>;
  /** as it was sent */
  body?: string;
  /** the same in base64, for what is no UTF-8; counts where both are given */
  body_base64?: string;
  /** what your program signed */
  base_string?: string;
  /** the same in base64, for what is no UTF-8; counts where both are given */
  base_string_base64?: string;
}

/** One clock. */
export interface Clock {
  /** how far the sandbox's time is ahead of ours */
  offset_seconds: number;
}

/** One code. */
export interface Code {
  /** 222 digits (signed) or 20 digits (counter) */
  code?: string;
  kind?: "signed" | "counter";
  expires_at?: string;
  /** seconds */
  life?: number;
}

/** One code request. */
export interface CodeRequest {
  kind?: "signed" | "counter";
  class: "identity" | "medical" | "merchant" | "gate" | "test";
  audience?: number;
}

/** One difference. */
export interface Difference {
  /** of the first byte that differs, from 0 */
  offset: number;
  line: string;
  /** » stands before the byte that differs */
  ours: string;
  theirs: string;
}

/** One ended. */
export interface Ended {
  id: string;
  state: string;
  result: string;
}

/** One examination. */
export interface Examination {
  algorithm: string | null;
  /** as it is computed here */
  base_string: BaseString | null;
  difference: Difference | null;
  app_id: string | null;
  app_found: boolean;
  key: ExaminedKey;
  clock: ExaminedClock;
  /** right, wrong, unreadable or not_checked */
  signature: string;
  diagnosis: Array<Finding>;
}

/** One examined clock. */
export interface ExaminedClock {
  timestamp: number | null;
  server_time: number;
  /** seconds; positive is fast */
  skew: number | null;
  allowed: number;
}

/** One examined key. */
export interface ExaminedKey {
  serial_no: string | null;
  found: boolean;
  /** valid, withdrawn, expired, not_yet_valid or published */
  state: string | null;
  /** whether it is the published test key, which everybody has */
  published: boolean;
  not_before: string | null;
  not_after: string | null;
}

/** One finding. */
export interface Finding {
  code: string;
  detail: string;
  zh: string;
  en: string;
}

/** One h5 entry. */
export interface H5Entry {
  /** what the holder comes for; in the H5 form it is `_api_name` */
  act: "sign" | "show" | "report_loss" | "unlink";
  /** comes back with the code as it is: draw one for each entry */
  state: string;
  /** base64url of the SHA-256 of a verifier that you keep (PKCE, S256) */
  code_challenge: string;
  /** thumbprint (RFC 7638) of the key that redeems the code and uses the token */
  dpop_jkt: string;
  /** comes back in the ID token */
  nonce?: string | null;
  /** of your client's, letter by letter; may be left out where it has one alone */
  redirect_uri?: string | null;
}

/** One holder act. */
export interface HolderAct {
  /**
   * report the card lost, lift that, end the link with your app, reset the password (to the published one), or
   * have the card cancelled
   */
  act: "report_loss" | "lift_loss" | "unlink" | "reset_password" | "cancel";
}

/** One issuance. */
export interface Issuance {
  id: string;
  state: "asked" | "issued" | "refused";
  out_request_no: string;
  /**
   * why it was refused: not eligible, without a word about why; or your port gave no answer that can be
   * believed for 24 hours
   */
  because: "not_eligible" | "bank_silent" | null;
  /** 002: there was a card */
  result: "001" | "002" | null;
  carriage: string | null;
  /** the name (sub) of the holder in your channel: go on by token exchange */
  subject: string | null;
}

/** One logged request. */
export interface LoggedRequest {
  /** the X-Request-Id of its answer */
  id: string;
  arrived_at: string;
  method: string;
  /** without ids and query */
  route: string;
  status: number;
  /** of the problem, if it was refused */
  code: string | null;
  algorithm: string;
  /** the certificate that signed it */
  serial: string;
}

/** One logged requests. */
export interface LoggedRequests {
  items: Array<LoggedRequest>;
  /** pass as `after` for the requests before these */
  next: string | null;
}

/** One loss reported. */
export interface LossReported {
  id: string;
  state: string;
}

/** One made up card. */
export interface MadeUpCard {
  card: string;
  /** the `sub` of your client's tokens; null without one */
  subject: string | null;
  name: string;
  /** no person's: a region that there is not, and a wrong check character */
  social_security_number: string;
  /** the published one */
  password: string;
  level: "L2" | "L3";
  standing: "active" | "suspended" | "revoked";
  made_at: string;
}

/** One made up cards. */
export interface MadeUpCards {
  items: Array<MadeUpCard>;
}

/** One make card. */
export interface MakeCard {
  /** L3 as after a reader, L2 as on a bank's word */
  level: "L2" | "L3";
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

/** One news switch. */
export interface NewsSwitch {
  /** how many times more */
  times: number;
  /** posted twice, lost (and tried again as after a failure), or signed wrongly */
  fault: "double" | "drop" | "wrong_signature";
}

/** One opened h5 entry. */
export interface OpenedH5Entry {
  /** open it in the app's web view or in the system's browser: once, as it is */
  url: string;
  /** seconds until which it has to be opened */
  expires_in: number;
}

/** One own certificate. */
export interface OwnCertificate {
  serial: string;
  not_before: string;
  /** good until strictly before */
  not_after: string;
  /** within 30 days; in the sandbox by its time */
  ends_soon: boolean;
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
  certificates: Array<OwnCertificate>;
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

/** One sandbox time. */
export interface SandboxTime {
  /** how far the sandbox's time is ahead of ours */
  offset_seconds: number;
  /** in the sandbox */
  now: string;
}

/** One shown use. */
export interface ShownUse {
  id?: string;
  purpose?: "identity" | "medical" | "merchant" | "gate" | "test";
  institution?: string;
  terminal?: string;
  rendering?: "signed" | "counter";
  mode?: "online" | "offline";
  redeemed_at?: string;
}

/** One shown uses. */
export interface ShownUses {
  items: Array<ShownUse>;
  /** pass as `after` for the next page */
  next: string | null;
}

/** One sign. */
export interface Sign {
  /** unique for each channel, for ever */
  out_request_no: string;
  /** the highest `sequence` of this card's news that you know */
  seen?: number | null;
}

/** One signed. */
export interface Signed {
  id: string | null;
  /** the `sub` of your tokens: the card's name here */
  subject: string;
  state: "pending" | "active" | "suspended" | "revoked";
  card_standing: "active" | "suspended" | "revoked" | null;
  level: "L1" | "L2" | "L3" | null;
  /** whether the card may pay at all */
  payment: boolean;
  /** whether it was opened in your app */
  payment_opened: boolean;
  /** of its latest news */
  sequence: number;
  signed_at: string | null;
  out_request_no: string | null;
  result: "001" | "002" | "004" | "005" | "006";
}

/** One suspend. */
export interface Suspend {
  /** a word of your own, kept in the audit trail */
  reason: string;
}

/** One switches. */
export interface Switches {
  answers: AnswersSwitch | null;
  news: NewsSwitch | null;
}

/** One take code. */
export interface TakeCode {
  /** as it was scanned */
  code: string;
  /** the group of merchants that the till belongs to */
  audience?: number;
}

/** One taken code. */
export interface TakenCode {
  id: string;
  result: string;
  /** always test */
  purpose: string;
  rendering: "signed" | "counter";
  redeemed_at: string;
}

/** One trial news. */
export interface TrialNews {
  kind: "card.issued" | "card.loss_reported" | "card.loss_lifted" | "card.cancelled" | "card.password_changed" | "card.password_locked" | "device.ended" | "code.redeemed" | "code.taken_twice" | "carriage.signed" | "carriage.suspended" | "carriage.resumed" | "carriage.ended" | "issuance.finished" | "statement.ready";
  /** a card that there is not; each counts its own sequence */
  card?: string;
}

/** One get channel statement answer. */
export interface GetChannelStatementAnswer {
}

/** One get channel statement signature answer. */
export interface GetChannelStatementSignatureAnswer {
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
   * Names with blanks between them, each once: openid, offline_access, card.read, card.present, card.uses,
   * card.report_loss, card.unlink, card.pay, terminals.enrol
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
