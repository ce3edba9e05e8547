"""The first start, people with passwords, and what each role may do."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Arrive, SitDown
from tests.support.browser import ADMIN, choose
from tests.support.router import Router

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]


VIEWER = {"name": "vera", "password": "correct horse battery staple"}
OPERATOR = {"name": "otto", "password": "correct horse battery staple"}


@pytest.fixture(scope="module")
def people(router: Router) -> None:
    """A viewer and an operator."""
    for role, person in (("viewer", VIEWER), ("operator", OPERATOR)):
        router.call("POST", "/users", person | {"role": role})


def sign_in(page: Page, person: dict[str, str]) -> None:
    page.get_by_label("Name", exact=True).fill(person["name"])
    page.get_by_label("Password", exact=True).fill(person["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_link_signs_in_once_and_leaves_no_trace_in_the_address(
    sit_down: SitDown, router: Router
) -> None:
    link = router.signin_link()
    page = sit_down()
    page.goto(link)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page).to_have_url(f"{router.url}/")
    expect(page.get_by_role("button", name="admin")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    somebody_else = sit_down()
    somebody_else.goto(link)
    expect(somebody_else.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_a_user_whom_the_administrator_adds_signs_in_with_a_password(sit_down: SitDown) -> None:
    nina = {"name": "nina", "password": "a password that is long"}
    admin = sit_down(ADMIN)
    admin.goto("/users")
    users = admin.locator("section").filter(has=admin.get_by_role("heading", name="Users"))
    users.get_by_role("button", name="Add").first.click()
    form = admin.locator("wa-dialog")
    form.get_by_label("Name", exact=True).fill(nina["name"])
    form.get_by_label("Password", exact=True).fill(nina["password"])
    choose(admin, "Role", "Operator")
    form.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("row").filter(has_text="nina")).to_contain_text("Operator")
    page = sit_down()
    page.goto("/queues")
    sign_in(page, nina)
    expect(page.get_by_role("heading", name="Queues and failures")).to_be_visible()
    page.get_by_role("button", name="nina").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.goto("/studies")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


@pytest.mark.usefixtures("people")
def test_a_wrong_password_is_told_and_can_be_corrected(sit_down: SitDown) -> None:
    page = sit_down()
    page.goto("/")
    sign_in(page, VIEWER | {"password": "not the one"})
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    sign_in(page, VIEWER)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


@pytest.mark.usefixtures("people")
def test_a_viewer_sees_everything_and_can_press_nothing_that_changes_anything(
    sit_down: SitDown, arrive: Arrive
) -> None:
    study = arrive("ALHEIO^RUI")
    page = sit_down(VIEWER)
    page.goto(f"/studies/{study}")
    expect(page.locator(".sentences")).to_contain_text("default: 2 of 2")
    for name in ("Send again", "Hold", "Delete"):
        expect(button(page, name)).to_be_disabled()
    page.goto("/destinations")
    for name in ("Add", "Echo", "Edit", "Remove"):
        expect(button(page, name)).to_be_disabled()
    page.goto("/scanners")
    expect(button(page, "Add")).to_be_disabled()
    page.goto("/send-many")
    expect(
        page.get_by_role("button", name=re.compile(r"Send what is missing of \d+ stud"))
    ).to_be_disabled()
    for path in ("/users", "/audit"):
        page.goto(path)
        expect(page.get_by_role("main")).to_contain_text("An administrator may do this.")


@pytest.mark.usefixtures("people")
def test_an_operator_may_send_and_hold_and_only_an_administrator_deletes(
    sit_down: SitDown, arrive: Arrive
) -> None:
    study = arrive("MEU^RUI")
    page = sit_down(OPERATOR)
    page.goto(f"/studies/{study}")
    expect(button(page, "Send again")).to_be_enabled()
    expect(button(page, "Hold")).to_be_enabled()
    expect(button(page, "Delete")).to_be_disabled()
    page.goto("/destinations")
    expect(button(page, "Echo")).to_be_enabled()
    expect(button(page, "Add")).to_be_disabled()


# What the page's own buttons ask for, with the path that `study` is put into.
OPERATORS: tuple[tuple[str, str, object], ...] = (
    ("POST", "/studies/{}/forward", {}),
    ("POST", "/studies/{}/hold", {"reason": "no"}),
    ("POST", "/studies/{}/release", {"reason": "no"}),
    ("POST", "/destinations/default/echo", None),
    ("POST", "/deliveries/bulk", {"filter": {}, "dry_run": True}),
)
ADMINISTRATORS: tuple[tuple[str, str, object], ...] = (
    ("DELETE", "/studies/{}", {"reason": "no"}),
    ("POST", "/destinations", {"name": "x", "host": "h", "port": 104, "ae_title": "X"}),
    ("DELETE", "/destinations/default", None),
    ("POST", "/senders", {"name": "x", "ae_title": "X"}),
    ("POST", "/users", {"name": "x", "password": "a password that is long", "role": "admin"}),
    ("POST", "/tokens", {"name": "x", "role": "admin"}),
    ("GET", "/users", None),
    ("GET", "/audit", None),
)
ASK = """([method, path, body]) => fetch('/api/v1' + path, {
    method, body: body && JSON.stringify(body), headers: {'Content-Type': 'application/json'},
}).then(answer => answer.status)"""


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("person", "forbidden"),
    [(VIEWER, OPERATORS + ADMINISTRATORS), (OPERATOR, ADMINISTRATORS)],
    ids=["viewer", "operator"],
)
def test_the_api_refuses_from_the_page_what_the_page_does_not_offer(
    sit_down: SitDown,
    arrive: Arrive,
    person: dict[str, str],
    forbidden: tuple[tuple[str, str, object], ...],
) -> None:
    study = arrive("VEDADO^EVA")
    page = sit_down(person)
    page.goto("/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    asked = {
        f"{method} {path}": page.evaluate(ASK, [method, path.format(study), body])
        for method, path, body in forbidden
    }
    assert set(asked.values()) == {403}, asked
