// docs: oidc-client-ts
const users = new oidc.UserManager({
  authority: issuer,
  client_id: clientId,
  redirect_uri: `${location.origin}/cb`,
  scope: "openid offline_access card.read",
  dpop: { bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore() },
  loadUserInfo: false, // it would send the token without a proof
});

function logIn() {
  return users.signinRedirect({ nonce: crypto.randomUUID() });
}

// On the page at redirect_uri: who the holder is to this app, and whatever else the token is for.
async function comeBack() {
  const user = await users.signinCallback();
  const userInfo = await call(user, `${issuer}/oauth/userinfo`);
  return { user, userInfo: await userInfo.json() };
}

async function call(user, address) {
  const proof = await users.dpopProof(address, user, "GET");
  return fetch(address, { headers: { Authorization: `DPoP ${user.access_token}`, DPoP: proof } });
}
// docs end

async function comeBackAndStay() {
  const { user, userInfo } = await comeBack();
  const refreshed = await users.signinSilent();
  const later = await call(refreshed, `${issuer}/oauth/userinfo`);
  await users.revokeTokens(["refresh_token"]);
  const after = await call(refreshed, `${issuer}/oauth/userinfo`);
  const types = [user.token_type, refreshed.token_type];
  return { profile: user.profile, userInfo, types, renewed: user.access_token !== refreshed.access_token, later: later.status, after: after.status };
}

function show(result) {
  document.getElementById("result").textContent = JSON.stringify(result);
}

document.getElementById("log-in").addEventListener("click", logIn);
if (location.pathname === "/cb") {
  comeBackAndStay().then(
    (done) => show({ done }),
    (error) => show({ refused: { name: error.name, code: error.error ?? null, message: error.message } }),
  );
}
