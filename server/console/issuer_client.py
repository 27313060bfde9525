"""Authlib's client of the issuer: it makes the requests, and ``IssuerHttp`` sends them."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from server.console.issuer_metadata import IssuerMetadata
from server.setting_groups import ConsoleSettings


class IssuerClient(OAuth2Client):  # type: ignore[misc]  # the library has no types
    """``fetch_token`` and ``refresh_token`` return the address, the headers and the form of a request."""

    def _fetch_token(self, url: str, *, body: str, headers: dict[str, str], auth: ClientAuth, method: str) -> Any:
        return auth.prepare(method, url, headers, body)

    def _refresh_token(
        self, url: str, *, refresh_token: str, body: str, headers: dict[str, str], auth: ClientAuth
    ) -> Any:
        return auth.prepare("POST", url, headers, body)


def client_for(settings: ConsoleSettings, metadata: IssuerMetadata, redirect_uri: str) -> IssuerClient:
    """The client of the settings, which proves itself as the issuer wants; without a secret by PKCE alone."""
    secret = settings.oidc_client_secret.get_secret_value()
    method = "client_secret_post" if metadata.secret_in_form else "client_secret_basic"
    return IssuerClient(
        None,
        client_id=settings.oidc_client_id,
        client_secret=secret or None,
        token_endpoint_auth_method=method if secret else "none",
        scope=settings.oidc_scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


def form_headers() -> dict[str, str]:
    """Of a request with a form; the client adds to them."""
    return {"content-type": "application/x-www-form-urlencoded"}
