"""The page of a problem leads back to the page whose form was refused."""

from __future__ import annotations

from server.access.caller import Scope
from tests.unit.console.test_reviews import browser, hash_on, world
from tests.unit.reviews.conftest import ReviewWorld

__all__ = ["world"]


async def test_a_refused_form_leads_back_to_its_record_and_says_what_would_fit(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        form = {
            "hash": hash_on((await client.get(f"/reviews/{row.id}")).text),
            "choice.meter_unit": "correct",
            "value.meter_unit": "furlong",
        }
        refused = await client.post(f"/reviews/{row.id}/decide", data=form)
        assert refused.status_code == 400
        assert f'<a href="/reviews/{row.id}">Back to the page before</a>' in refused.text
        assert f'href="/reviews/{row.id}?lang=de"' in refused.text, "the address of the form has no page"
        assert "m3" in refused.text
        assert "furlong" not in refused.text


async def test_a_page_that_is_not_there_leads_to_the_start_alone(world: ReviewWorld) -> None:
    async with browser(world, Scope.REVIEWER) as client:
        nowhere = "/reviews/00000000-0000-4000-8000-000000000000"
        for response in (await client.get(nowhere), await client.post(f"{nowhere}/claim")):
            assert response.status_code == 404
            assert "Back to the page before" not in response.text
            assert 'href="/"' in response.text
