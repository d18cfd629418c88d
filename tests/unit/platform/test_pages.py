"""Pages: language, policy headers, and that nothing typed by a person becomes markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from streamserver.errors import NotFound, Unavailable
from streamserver.pages import Pages, language_of


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "fr;q=0.9, zh;q=0.2, en;q=0.5", "en"),
        ("", "zh;q=nonsense, en", "en"),
        ("lang=zh", "en", "zh"),
        ("lang=xx", "zh", "zh"),
    ],
)
def test_language(cookie: str, accept: str, language: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Cookie": cookie, "Accept-Language": accept})
    assert language_of(request) == language


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "index.html").write_text('<html lang="%LANG%"><title>%TITLE%</title><!--%HEAD%--><s nonce="%NONCE%">')
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "assets").mkdir()
    return Pages(tmp_path)


def test_a_page_cannot_be_broken_out_of(pages: Pages) -> None:
    request = make_mocked_request("GET", "/", headers={"Host": "h"})
    evil = '</title></script><script>alert(1)</script>'
    answer = pages.respond(request, "index.html", title=evil, data={"name": evil})
    assert answer.text is not None
    assert "<script>alert" not in answer.text
    nonce = answer.text.rpartition('nonce="')[2].partition('"')[0]
    assert f"'nonce-{nonce}'" in answer.headers["Content-Security-Policy"]
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_a_sandboxed_page_has_no_origin_and_only_the_studio_a_camera(pages: Pages) -> None:
    request = make_mocked_request("GET", "/", headers={"Host": "h"})
    sandboxed = pages.respond(request, "index.html", sandbox=True).headers["Content-Security-Policy"]
    assert sandboxed.startswith("sandbox allow-scripts allow-forms;")
    assert "allow-same-origin" not in sandboxed
    assert "camera=(self)" in pages.respond(request, "index.html", camera=True).headers["Permissions-Policy"]


def test_without_a_web_build_the_error_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match="npm run build"):
        Pages(None).respond(make_mocked_request("GET", "/"), "index.html")


def test_the_error_page_speaks_the_readers_language(pages: Pages) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept-Language": "zh"})
    answer = pages.error(request, NotFound("no such room", code='<b>"'))
    assert answer.status == 404
    assert answer.text is not None and "页面不存在" in answer.text and "<b>" not in answer.text
    room = pages.error(request, NotFound("no such room", code="unknown_room"))
    assert room.text is not None and "<h1>直播间不存在</h1>" in room.text
