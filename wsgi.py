from core.settings import Settings
from web.app import create_app
from web.logs import configure_logs
from web.runtime import open_runtime

_settings = Settings()
configure_logs(as_json=_settings.log_json)
app = create_app(open_runtime(_settings))
