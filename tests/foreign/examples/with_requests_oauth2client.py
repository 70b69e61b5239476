"""requests-oauth2client: a partner that pushes its requests and proves itself and its tokens by keys."""

# docs: requests-oauth2client
from requests_oauth2client import BearerToken, OAuth2Client, PrivateKeyJwt

# docs end


def connect(issuer, client_id, private_jwk, redirect_uri, scope, browse):
    """Get tokens, use, refresh and examine them, and give them back."""
    # docs: requests-oauth2client
    client = OAuth2Client.from_discovery_endpoint(
        issuer=issuer,
        auth=PrivateKeyJwt(client_id, private_jwk, alg="ES256", aud=issuer),
        redirect_uri=redirect_uri,
        dpop_bound_access_tokens=True,
        id_token_signed_response_alg="ES256",
    )
    request = client.authorization_request(scope=scope, authorization_response_iss_parameter_supported=True)
    pushed = client.pushed_authorization_request(request)
    callback = browse(pushed.uri)  # where the holder's browser comes back to
    answer = request.validate_callback(callback)
    token = client.authorization_code(answer, validate=False)
    # 1.8.0 cannot check the ID token beside a DPoP token: show it to it as that of a bearer token.
    BearerToken(token.access_token, id_token=token.id_token).validate_id_token(client, answer)
    holder = client.userinfo(token)  # sub: the holder's pseudonym at this partner
    # docs end
    before = client.introspect_token(token)
    refreshed = client.refresh_token(token.refresh_token, dpop_key=token.dpop_key)
    client.revoke_refresh_token(token.refresh_token)
    after = client.introspect_token(refreshed)
    return token, holder, before, refreshed, after
