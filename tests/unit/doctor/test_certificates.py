"""Certificates that are fine, about to expire, expired, and not those of their key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from server.doctor.certificates import check_certificates
from server.doctor.results import Situation
from tests.certificates import Issued, issue
from tests.unit.doctor.situations import only, situation

GATE = "certificate (gRPC)"


def with_tls(folder: Path, issued: Issued, client_ca: Issued | None = None) -> Situation:
    certificate, key = issued.write(folder)
    tls = {"certificate": certificate, "key": key}
    if client_ca is not None:
        (folder / "client-ca.pem").write_bytes(client_ca.pem)
        tls["client_ca"] = folder / "client-ca.pem"
    return situation(folder, tls=tls)


def test_without_tls_there_is_nothing_to_expire(tmp_path: Path) -> None:
    assert only(check_certificates, situation(tmp_path), GATE).level == "ok"


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (5, "warning")])
def test_one_that_expires_soon_is_a_warning(tmp_path: Path, days: int, level: str) -> None:
    looked_at = with_tls(tmp_path, issue("server", issue("CA"), ends=timedelta(days=days, hours=1)))
    found = only(check_certificates, looked_at, GATE)
    assert found.level == level
    assert f"{days} days" in found.found


def test_one_that_has_expired_is_a_problem(tmp_path: Path) -> None:
    old = issue("server", issue("CA"), begins=timedelta(days=-3), ends=timedelta(days=-1))
    assert only(check_certificates, with_tls(tmp_path, old), GATE).reason == "TLS_CERTIFICATE_EXPIRED"


def test_a_key_of_another_certificate_is_a_problem(tmp_path: Path) -> None:
    looked_at = with_tls(tmp_path, issue("server", issue("CA")))
    (tmp_path / "server.key").write_bytes(issue("other").key_pem)
    assert only(check_certificates, looked_at, GATE).reason == "TLS_KEY_MISMATCH"


def test_a_key_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    looked_at = with_tls(tmp_path, issue("server", issue("CA")))
    (tmp_path / "server.key").chmod(0o644)
    assert only(check_certificates, looked_at, GATE).reason == "TLS_KEY_EXPOSED"


def test_a_client_ca_that_expires_soon_is_a_warning(tmp_path: Path) -> None:
    looked_at = with_tls(tmp_path, issue("server", issue("CA")), issue("clients", ends=timedelta(days=3)))
    found = [each for each in check_certificates(looked_at) if each.subject == GATE]
    assert [each.level for each in found] == ["ok", "warning"]
    assert "client CA" in found[1].found


def test_the_console_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    certificate, key = issue("console", issue("CA"), ends=timedelta(days=2)).write(tmp_path)
    looked_at = situation(tmp_path, console={"port": 0, "tls_certificate": certificate, "tls_key": key})
    assert only(check_certificates, looked_at, GATE).level == "ok"
    assert only(check_certificates, looked_at, "certificate (console)").level == "warning"
