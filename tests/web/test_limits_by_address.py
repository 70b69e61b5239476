"""Phones that have no token yet are limited by the address they call from."""

from tests.service import Service, running_service


def limited(sqlite_url, tmp_path, **settings) -> Service:
    return running_service(sqlite_url, tmp_path, address_requests_per_minute=3, **settings)


def notices_of(service: Service, **headers: str) -> int:
    phone = service.phone()
    phone.http.headers.update(headers)
    return phone.send("GET", "/v1/notices").status_code


def test_new_keys_from_one_address_are_limited_together(sqlite_url, tmp_path):
    with limited(sqlite_url, tmp_path) as service:
        assert [notices_of(service) for _ in range(4)] == [200, 200, 200, 429]


def test_an_address_in_a_header_counts_from_the_trusted_proxy_alone(sqlite_url, tmp_path):
    with limited(sqlite_url, tmp_path) as service:
        answers = [notices_of(service, ClientAddress=f"203.0.113.{number}") for number in range(4)]
        assert answers == [200, 200, 200, 429]


def test_who_needs_prove_nothing_at_the_authorization_server_is_limited_too(sqlite_url, tmp_path):
    with limited(sqlite_url, tmp_path) as service:
        answers = [service.http.post("/oauth/par", data={"client_id": "nobody"}) for _ in range(4)]
        assert 429 not in [answer.status_code for answer in answers[:3]]
        assert (answers[3].status_code, answers[3].json()["error"]) == (429, "temporarily_unavailable")
        assert answers[3].headers["Retry-After"] == "60"


def test_behind_the_trusted_proxy_each_address_has_its_own_limit(sqlite_url, tmp_path):
    with limited(sqlite_url, tmp_path, trusted_proxy="127.0.0.1") as service:
        first = [notices_of(service, ClientAddress="203.0.113.1") for _ in range(4)]
        assert first == [200, 200, 200, 429]
        assert notices_of(service, ClientAddress="203.0.113.2") == 200
