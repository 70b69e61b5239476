"""The requirements of the FAPI 2.0 Security Profile (Final) for servers, each with the tests that show it.

In our own words; the numbers are those of the profile's lists.
"""

from dataclasses import dataclass

from tests.fapi2.modules import NOT_APPLICABLE, NOT_MET, PASS, played

OPERATOR = "operator"
"""Met or not by how the service is put on the network: the proxy, its certificate, the name service."""


@dataclass(frozen=True)
class Requirement:
    """One requirement; ``tests`` are modules' short names, or paths with ``::``."""

    clause: str
    asked: str
    tests: tuple[str, ...] = ()
    mark: str = PASS
    note: str = ""


_PROFILE = "tests/fapi2/test_profile.py::"
_TRAPS = "tests/oauth/test_traps.py::"
_GUARD = "tests/oauth/test_guard.py::"
_OTHER_PROFILES = "of the profile partner; the server has other profiles, which FAPI does not speak of"

REQUIREMENTS = (
    # Network
    Requirement("5.2.1-1 to 3", "TLS 1.2 or later, as BCP 195 recommends", (), OPERATOR, "TLS ends at the proxy"),
    Requirement("5.2.1-4", "DNSSEC (should)", (), OPERATOR),
    Requirement("5.2.1-5", "check certificates of other servers", (), NOT_APPLICABLE, "this server calls no clients"),
    Requirement("5.2.2-1", "only recommended cipher suites between servers", (), OPERATOR),
    Requirement("5.2.3-1", "no downgrade to plain HTTP in browsers", (), OPERATOR, "HSTS at the proxy"),
    Requirement("5.2.3-2", "cipher suites of BCP 195 towards browsers", (), OPERATOR),
    Requirement(
        "5.2.3-3",
        "no CORS at the authorization endpoint",
        (_PROFILE + "test_no_script_of_another_site_reads_what_partners_or_browsers_are_answered",),
    ),
    # Authorization servers, general
    Requirement(
        "5.3.2.1-1",
        "metadata of RFC 8414 and OpenID Discovery",
        (
            "test_discovery_end_point_verification",
            "tests/oauth/test_metadata.py::test_the_metadata_is_what_the_specification_asks_for",
        ),
    ),
    Requirement(
        "5.3.2.1-2",
        "refuse the password grant",
        (_PROFILE + "test_no_grant_but_those_of_the_metadata_is_taken",),
    ),
    Requirement(
        "5.3.2.1-3",
        "confidential clients only",
        (_PROFILE + "test_a_partner_proves_itself_by_a_key_or_a_certificate",),
        note=_OTHER_PROFILES,
    ),
    Requirement(
        "5.3.2.1-4",
        "sender-constrained access tokens only",
        (_PROFILE + "test_a_partner_s_tokens_are_always_bound", "test_ensure_holder_of_key_required"),
        note=_OTHER_PROFILES,
    ),
    Requirement("5.3.2.1-5", "constrain them by mTLS or DPoP", ("test_happy_flow",), note="DPoP"),
    Requirement(
        "5.3.2.1-6",
        "client authentication by mTLS or private_key_jwt",
        (
            "test_happy_flow",
            "test_ensure_client_assertion_in_token_endpoint",
            "test_ensure_client_id_in_token_endpoint",
        ),
        note="certificates of a PKI (tls_client_auth), not self-signed ones",
    ),
    Requirement(
        "5.3.2.1-7",
        "no open redirector",
        (
            "test_plain_fapi_tolerate_unregistered_redirect_uri",
            _TRAPS + "test_an_unknown_client_is_sent_nowhere",
            _TRAPS + "test_11_a_loopback_redirect_is_taken_on_any_port",
        ),
    ),
    Requirement(
        "5.3.2.1-8",
        "the audience of assertions is the issuer, as a string",
        (
            "test_par_test_array_as_audience_fails",
            "test_par_test_token_endpoint_url_as_audience_fails",
            _TRAPS + "test_10_the_audience_of_an_assertion_is_the_issuer_as_a_string",
        ),
    ),
    Requirement("5.3.2.1-9", "no rotation of refresh tokens", ("test_refresh_token",)),
    Requirement(
        "5.3.2.1-10",
        "nonces for DPoP (may)",
        ("tests/oauth/test_proofs.py::test_a_nonce_that_is_not_ours_is_refused_and_a_new_one_handed_out",),
        note="taken from partners, asked of apps",
    ),
    Requirement(
        "5.3.2.1-11",
        "codes live 60 seconds at most",
        ("test_ensure_token_endpoint_fails_with_expired_auth_code", _TRAPS + "test_02_a_code_dies_at_its_expiry"),
    ),
    Requirement(
        "5.3.2.1-12",
        "bind codes to a DPoP key",
        (
            "test_ensure_dpop_auth_code_binding_success",
            "test_ensure_dpopproof_at_par_endpoint_binding_success",
            "test_ensure_token_endpoint_fails_with_mismatched_dpop_jkt",
        ),
    ),
    Requirement(
        "5.3.2.1-13",
        "take iat and nbf up to 10 seconds ahead, refuse them more than 60 ahead",
        (
            "test_ensure_dpopproof_with_iat_10seconds_after_succeeds",
            "test_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted",
            "test_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails",
            _TRAPS + "test_10_an_assertion_ends_within_five_minutes_and_begins_at_most_ten_seconds_ahead",
            "tests/oauth/test_proofs.py::test_a_proof_of_something_else_is_refused",
        ),
        note="refused from 11 seconds on",
    ),
    Requirement(
        "5.3.2.1-14",
        "no more rights than asked for (should)",
        (
            _PROFILE + "test_a_token_is_for_no_more_than_was_asked_for",
            "tests/oauth/test_flow.py::test_a_refresh_may_ask_for_less_and_never_for_more",
        ),
    ),
    # Authorization endpoint flows
    Requirement(
        "5.3.2.2-1",
        "response_type is code",
        ("test_ensure_response_type_token_fails", "test_ensure_response_type_code_idtoken_fails"),
    ),
    Requirement("5.3.2.2-2", "pushed requests of authenticated clients", ("test_happy_flow",)),
    Requirement(
        "5.3.2.2-3",
        "refuse requests that were not pushed",
        ("test_ensure_unsigned_authorization_request_without_using_par_fails",),
        note=_OTHER_PROFILES,
    ),
    Requirement(
        "5.3.2.2-4",
        "refuse to take a push without client authentication",
        (_PROFILE + "test_a_request_is_not_pushed_without_client_authentication",),
        note="an app without a key can push; it is a public client and no partner",
    ),
    Requirement(
        "5.3.2.2-5",
        "PKCE with S256",
        (
            "test_par_ensure_pkce_required",
            "test_par_plain_pkce_rejected",
            "test_ensure_pkce_code_verifier_required",
            "test_incorrect_pkce_code_verifier_rejected",
        ),
    ),
    Requirement("5.3.2.2-6", "redirect_uri in pushed requests", ("test_ensure_redirect_uri_in_authorization_request",)),
    Requirement(
        "5.3.2.2-7",
        "iss in authorization responses (RFC 9207)",
        (
            "test_happy_flow",
            "test_user_rejects_authentication",
            _PROFILE + "test_errors_that_go_back_say_who_sends_them_and_leave_by_303",
        ),
    ),
    Requirement(
        "5.3.2.2-8",
        "no answers over plain HTTP, but for loopback of native clients",
        (_PROFILE + "test_a_partner_s_answers_go_over_https_alone",),
    ),
    Requirement(
        "5.3.2.2-9",
        "a code is good once",
        (
            "test_attempt_reuse_authorization_code_after_one_second",
            "tests/oauth/test_races.py::test_a_code_redeemed_by_many_at_once_has_one_winner_and_ends_its_family",
        ),
    ),
    Requirement(
        "5.3.2.2-10 and 11",
        "redirect by 303, never by 307",
        (
            "test_happy_flow",
            _PROFILE + "test_errors_that_go_back_say_who_sends_them_and_leave_by_303",
            "tests/pages/test_states.py::test_a_site_is_gone_back_to_by_a_page_and_an_app_by_a_redirect",
        ),
        note="from the last page a browser goes on to a partner's site by a page, not by a status code",
    ),
    Requirement(
        "5.3.2.2-12",
        "a request_uri lives less than 600 seconds",
        ("test_par_attempt_to_use_expired_request_uri",),
        note="90 seconds",
    ),
    Requirement(
        "5.3.2.2-12, note 3",
        "use it up when the authorization completes, not when a page is loaded",
        (
            "test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds",
            "test_par_attempt_reuse_request_uri",
            _PROFILE + "test_a_request_uri_that_was_brought_in_time_lives_as_long_as_its_login_request",
        ),
    ),
    Requirement(
        "5.3.2.2-13",
        "tell the holder who asks for what (should)",
        ("tests/pages/test_states.py::test_the_consent_page_says_who_gets_what_for_how_long_and_at_which_level",),
    ),
    Requirement(
        "5.3.2.2-14",
        "nonces of up to 64 characters",
        ("test_ensure_authorization_request_with_64_char_nonce_success",),
        note="256 are taken",
    ),
    Requirement(
        "5.3.2.3",
        "identify the user by OpenID Connect",
        (
            "test_happy_flow",
            "tests/oauth/test_flow.py::test_a_holder_has_another_name_in_each_sector_and_the_same_in_one",
        ),
    ),
    # Resource servers
    Requirement("5.3.4-1", "tokens in the Authorization header", ("test_access_token_type_header_case_sensitivity",)),
    Requirement("5.3.4-2", "no tokens in the query", ("test_happy_flow",)),
    Requirement(
        "5.3.4-3",
        "check validity, integrity, expiry and revocation",
        (
            _GUARD + "test_each_claim_has_to_be_right",
            _GUARD + "test_each_part_of_the_header_has_to_be_right",
            _TRAPS + "test_13_access_tokens_live_minutes",
            "tests/oauth/test_flow.py::test_a_revoked_access_token_opens_nothing_and_its_sisters_still_do",
        ),
    ),
    Requirement(
        "5.3.4-4",
        "check that the token suffices, and say so as RFC 6750 does",
        (
            _GUARD + "test_a_scope_that_was_not_allowed_is_missing",
            _GUARD + "test_a_scope_demands_the_level_at_which_the_holder_logged_in",
            _GUARD + "test_userinfo_refuses_in_oauth_s_form_and_says_where_to_ask",
        ),
    ),
    Requirement(
        "5.3.4-5",
        "check the sender of a token",
        ("test_dpop_negative_tests", _GUARD + "test_a_bound_token_without_its_key_is_refused"),
        note="DPoP",
    ),
    # Cryptography
    Requirement(
        "5.4.1-1.1",
        "good practice of JWTs (RFC 8725)",
        (
            "tests/fapi2/test_hostile_jwts.py::test_no_assertion_has_a_header_that_asks_for_something_else",
            "tests/fapi2/test_hostile_jwts.py::test_a_token_of_one_kind_is_none_of_another",
            _GUARD + "test_a_token_has_one_spelling",
        ),
    ),
    Requirement(
        "5.4.1-1.2",
        "PS256, ES256 or EdDSA and no other algorithm",
        (
            "tests/fapi2/test_profile.py::test_sm2_is_taken_beside_the_profile_s_algorithms_which_is_not_met",
            "test_ensure_signed_client_assertion_with_rs256_fails",
        ),
        NOT_MET,
        "a client may register an SM2 key, and a deployment may sign all tokens with SM2, as GB/T 39786 asks; where"
        " neither is done, the requirement is met",
    ),
    Requirement(
        "5.4.1-1.3", "never the algorithm none", (_TRAPS + "test_01_no_other_algorithm_is_read_from_the_header",)
    ),
    Requirement(
        "5.4.1-2 and 3",
        "RSA keys of 2048 bits, curves of 224",
        ("tests/oauth/test_register.py::test_a_key_that_no_client_may_have_is_refused",),
    ),
    Requirement(
        "5.4.1-4",
        "128 random bits in codes and tokens",
        (_PROFILE + "test_codes_and_tokens_are_never_twice_the_same",),
        note="256 bits; access tokens are signed JWTs with a random id of 128",
    ),
    Requirement(
        "5.4.2-1 to 3",
        "one kid for each published key, no jku and no x5u; served over TLS",
        (_PROFILE + "test_the_published_keys_have_names_of_their_own_and_their_tokens_name_no_address",),
        note="TLS ends at the proxy",
    ),
    Requirement(
        "5.4.3",
        "several client keys under one kid",
        ("tests/oauth/test_register.py::test_a_kid_is_never_used_twice",),
        NOT_APPLICABLE,
        "a kid is registered once for each client",
    ),
)


def shown_by(requirement: Requirement) -> list[str]:
    """Name the tests in full: of the suite's modules only the function is given."""
    files = {function: file for _, file, function in played()}
    return [test if "::" in test else f"tests/fapi2/{files[test]}::{test}" for test in requirement.tests]


def rows() -> list[tuple[str, str, str, str, str]]:
    """Write the table of docs/conformance.md: clause, what is asked, mark, tests, note."""
    return [
        (one.clause, one.asked, one.mark, "<br>".join(f"`{test}`" for test in shown_by(one)), one.note)
        for one in REQUIREMENTS
    ]
