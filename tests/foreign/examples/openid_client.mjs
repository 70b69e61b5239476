// docs: openid-client
import * as client from "openid-client";
import { importPKCS8 } from "jose";
// docs end
import { browse, run, show } from "./conversation.mjs";

async function partner({ issuer, clientId, redirectUri, scope, pem, algorithm }) {
  // docs: openid-client
  const key = await importPKCS8(pem, algorithm); // ES256, PS256 or EdDSA
  const config = await client.discovery(new URL(issuer), clientId, {}, client.PrivateKeyJwt(key));
  client.enableNonRepudiationChecks(config); // verify the signatures of ID tokens too
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));

  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const address = await client.buildAuthorizationUrlWithPAR(
    config,
    {
      redirect_uri: redirectUri,
      scope,
      state: expectedState,
      nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
    },
    { DPoP },
  );

  const callback = new URL(await browse(address)); // where the holder's browser comes back to
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP });
  const holder = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
  // docs end
  const before = await client.tokenIntrospection(config, tokens.access_token);
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  await client.tokenRevocation(config, tokens.refresh_token);
  const after = await client.tokenIntrospection(config, refreshed.access_token);
  return { claims: tokens.claims(), type: tokens.token_type, holder, before, after, refreshed };
}

async function terminal({ issuer, clientId, scope }) {
  // docs: openid-client, the device flow
  const config = await client.discovery(new URL(issuer), clientId, {}, client.None());
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
  const asked = await client.initiateDeviceAuthorization(config, { scope });
  await show(asked.verification_uri, asked.user_code); // the operator types the code on that page
  const tokens = await client.pollDeviceAuthorizationGrant(config, asked, undefined, { DPoP });
  // docs end
  return { asked, type: tokens.token_type, scope: tokens.scope, grant: tokens.grant_id };
}

await run({ partner, terminal });
