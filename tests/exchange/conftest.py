from tests.oauth.conftest import both, fresh, holder, partner, server, shared_race, shared_town

__all__ = ["both", "fresh", "holder", "partner", "server", "shared_race", "shared_town"]
