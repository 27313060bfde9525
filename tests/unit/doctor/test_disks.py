"""Disks that have room, too little for new work, and less than the spool may take."""

from __future__ import annotations

import os
from pathlib import Path

from server.doctor.disks import check_disks, shared_memory, size_of_files
from server.runtime.free_bytes import free_bytes
from tests.unit.doctor.situations import bad, only, situation

TEBIBYTE = 1024**4
SMALL = {"spool_bytes": 30_000_000, "session_spool_bytes": 20_000_000, "least_free_bytes": 0}


def test_with_room_for_a_full_spool_both_disks_are_fine(tmp_path: Path) -> None:
    found = bad(check_disks(situation(tmp_path, limits=SMALL, ray={"object_store_bytes": 1})))
    assert found == []


def test_a_disk_on_which_new_work_would_be_refused_is_a_problem(tmp_path: Path) -> None:
    looked_at = situation(tmp_path, limits={"least_free_bytes": 1000 * TEBIBYTE})
    assert only(check_disks, looked_at, "disk of the ledger").reason == "LEDGER_FULL"
    assert only(check_disks, looked_at, "disk of the spool").reason == "SPOOL_FULL"


def test_a_spool_that_may_outgrow_its_disk_is_a_warning(tmp_path: Path) -> None:
    looked_at = situation(tmp_path, limits={"spool_bytes": 1000 * TEBIBYTE, "least_free_bytes": 0})
    found = only(check_disks, looked_at, "disk of the spool")
    assert found.level == "warning"
    assert "VESTIBULE_LIMITS__SPOOL_BYTES" in found.hint


def test_what_the_spool_has_already_counts(tmp_path: Path) -> None:
    looked_at = situation(tmp_path, limits=SMALL)
    looked_at.settings.spool_dir.mkdir(parents=True)
    (looked_at.settings.spool_dir / "one").write_bytes(bytes(4 * 1024 * 1024))
    assert size_of_files(looked_at.settings.spool_dir) == 4 * 1024 * 1024
    assert "may take 24.6 MiB more" in only(check_disks, looked_at, "disk of the spool").found


def test_shared_memory_that_is_smaller_than_ray_wants_is_a_warning(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    size = disk.f_blocks * disk.f_frsize
    assert shared_memory(tmp_path, size).level == "ok"
    assert shared_memory(tmp_path, size + 1).level == "warning"
    assert free_bytes(tmp_path) <= size


def test_a_joined_cluster_has_shared_memory_of_its_own(tmp_path: Path) -> None:
    looked_at = situation(tmp_path, ray={"address": "127.0.0.1:6379", "object_store_bytes": 1000 * TEBIBYTE})
    assert not [each for each in check_disks(looked_at) if each.subject == "shared memory"]
