"""Names and secrets that no other test uses, so that tests can share a server.

Every secret starts with SECRET_MARK: a log in which that word appears has given one away."""

import base64
import os

SECRET_MARK = "hush7f"


def _random():
    return base64.b32encode(os.urandom(10)).decode().lower()


def new_secret():
    return SECRET_MARK + _random()


def new_name(stem="user"):
    return f"{stem}-{_random()}"


def new_id():
    return f"id-{_random()}"
