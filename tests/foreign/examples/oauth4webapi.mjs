// docs: oauth4webapi, an app
import * as oauth from "oauth4webapi";
// docs end
import { browse, run } from "./conversation.mjs";

async function app({ issuer, clientId, redirectUri, scope }) {
  // docs: oauth4webapi, an app
  const as = await oauth
    .discoveryRequest(new URL(issuer))
    .then((response) => oauth.processDiscoveryResponse(new URL(issuer), response));
  const client = { client_id: clientId };
  const keys = await oauth.generateKeyPair("ES256"); // on a phone: a key in its secure hardware
  const DPoP = oauth.DPoP(client, keys);

  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: "code",
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    dpop_jkt: await DPoP.calculateThumbprint(),
  });

  const callback = new URL(await browse(address)); // what the holder's browser hands to the app
  const parameters = oauth.validateAuthResponse(as, client, callback, state);
  const redeem = async () => {
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.None(),
      parameters,
      redirectUri,
      verifier,
      { DPoP },
    );
    const expected = { expectedNonce: nonce, requireIdToken: true };
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, expected);
    await oauth.validateApplicationLevelSignature(as, response);
    return tokens;
  };
  const tokens = await withNonce(redeem);
  // docs end
  const refreshed = await withNonce(() => refresh(as, client, tokens.refresh_token, DPoP));
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const holder = await userInfo(as, client, refreshed.access_token, claims.sub, DPoP);
  const resource = await resourceOf(issuer);
  const judged = await judgedByAResource(as, resource, refreshed.access_token, DPoP);
  return { type: tokens.token_type, claims, holder, resource, judged, kept: refreshed.refresh_token === undefined };
}

// docs: oauth4webapi, the nonce
// The token endpoint wants its own nonce in an app's proofs: where it says so, the request is repeated with it.
async function withNonce(request) {
  try {
    return await request();
  } catch (error) {
    if (oauth.isDPoPNonceError(error)) return request();
    throw error;
  }
}
// docs end

async function appWithoutKey({ issuer, clientId, redirectUri, scope }) {
  const as = await discover(issuer);
  const client = { client_id: clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const challenge = await oauth.calculatePKCECodeChallenge(verifier);
  const address = addressOf(as, client, redirectUri, scope, challenge);
  const parameters = oauth.validateAuthResponse(as, client, new URL(await browse(address)), oauth.expectNoState);
  const first = await oauth
    .authorizationCodeGrantRequest(as, client, oauth.None(), parameters, redirectUri, verifier)
    .then((response) => oauth.processAuthorizationCodeResponse(as, client, response));
  const second = await refresh(as, client, first.refresh_token);
  const third = await refresh(as, client, second.refresh_token);
  const replayed = await refresh(as, client, first.refresh_token).catch((error) => error.error);
  const ended = await refresh(as, client, third.refresh_token).catch((error) => error.error);
  const tokens = [first, second, third].map((one) => one.refresh_token);
  return { different: new Set(tokens).size, replayed, ended };
}

async function site({ issuer, clientId, clientSecret, redirectUri, acr, maxAge }) {
  // docs: oauth4webapi, a site
  const as = await oauth
    .discoveryRequest(new URL(issuer))
    .then((response) => oauth.processDiscoveryResponse(new URL(issuer), response));
  const client = { client_id: clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: "openid",
    state,
    nonce,
    max_age: maxAge, // seconds
    acr_values: acr, // L1, L2 or L3
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });

  const callback = new URL(await browse(address)); // where the holder's browser comes back to
  const parameters = oauth.validateAuthResponse(as, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    oauth.ClientSecretBasic(clientSecret),
    parameters,
    redirectUri,
    verifier,
  );
  const expected = { expectedNonce: nonce, maxAge, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, expected);
  await oauth.validateApplicationLevelSignature(as, response);
  const holder = oauth.getValidatedIdTokenClaims(tokens); // sub: the holder's pseudonym at this site; acr: how surely
  // docs end
  return { holder, type: tokens.token_type, refreshable: tokens.refresh_token !== undefined };
}

function discover(issuer) {
  const asked = oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2" });
  return asked.then((response) => oauth.processDiscoveryResponse(new URL(issuer), response));
}

function addressOf(as, client, redirectUri, scope, challenge) {
  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: "code",
    scope,
    code_challenge: challenge,
    code_challenge_method: "S256",
  });
  return address;
}

async function refresh(as, client, token, DPoP) {
  const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, { DPoP });
  return oauth.processRefreshTokenResponse(as, client, response);
}

async function userInfo(as, client, token, subject, DPoP) {
  const response = await oauth.userInfoRequest(as, client, token, { DPoP });
  return oauth.processUserInfoResponse(as, client, subject, response);
}

async function resourceOf(issuer) {
  const api = new URL(`${issuer}/v1`);
  const response = await oauth.resourceDiscoveryRequest(api);
  return (await oauth.processResourceDiscoveryResponse(api, response)).resource;
}

// A resource server that others wrote as well: it takes the token and the proof from a request that never arrives.
async function judgedByAResource(as, resource, token, DPoP) {
  let asked;
  const fetch = async (address, options) => {
    asked = new Request(address, options);
    return new Response(null, { status: 204 });
  };
  await oauth.protectedResourceRequest(token, "GET", new URL(`${resource}/cards`), undefined, undefined, {
    DPoP,
    [oauth.customFetch]: fetch,
  });
  return oauth.validateJwtAccessToken(as, asked, resource, { requireDPoP: true });
}

await run({ app, appWithoutKey, site });
