import json
import os
from pathlib import Path

import redis
from flask import Flask
from flask_smorest import Api
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from bench.naive.routes import blueprint


def create_app() -> Flask:
    """Make the application; its keys and addresses stand in the JSON file named by NAIVE_SETTINGS."""
    settings = json.loads(Path(os.environ["NAIVE_SETTINGS"]).read_text())
    app = Flask("naive")
    app.config.update(API_TITLE="naive", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    app.config.update(
        issuer=settings["issuer"],
        token_key=settings["token_key"],
        private_key=settings["private_key"],
        public_key=settings["public_key"],
        handle_key=bytes.fromhex(settings["handle_key"]),
        sessions=sessionmaker(create_engine(settings["database_url"])),
        redis=redis.Redis.from_url(settings["redis_url"]),
    )
    Api(app).register_blueprint(blueprint)
    return app
