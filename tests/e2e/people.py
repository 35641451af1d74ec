"""Citizens and staff as they use the pages: by what stands there, in their own language."""

import base64
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import zxingcpp
from playwright.sync_api import Page, expect

from app.demo.city import STAFF
from app.i18n import Language, Words
from tests.support.live import Live

_PIXELS = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let reds = "";
  for (let place = 0; place < bytes.length; place += 4) reds += String.fromCharCode(bytes[place]);
  return [image.height, image.width, btoa(reds)];
}"""


@dataclass(slots=True)
class Visitor:
    """Somebody in front of a browser."""

    page: Page
    live: Live
    language: str = "en"

    def say(self, message: str, **values: object) -> str:
        """Return what a page says for a message in the visitor's language."""
        return Words(Language(self.language)).say(message, **values)

    def open(self, path: str) -> None:
        """Open an address of the installation."""
        self.page.goto(f"{self.live.places.pages}{path}")

    def sees(self, message: str, **values: object) -> None:
        """Wait until a message is to be seen."""
        expect(self.page.locator("body")).to_contain_text(self.say(message, **values))

    def press(self, message: str, **values: object) -> None:
        """Press the button of this name."""
        self.page.get_by_role("button", name=self.say(message, **values), exact=True).click()

    def follow(self, message: str, **values: object) -> None:
        """Follow the link of this name."""
        self.page.get_by_role("link", name=self.say(message, **values), exact=True).click()

    def pick(self, message: str) -> None:
        """Pick the choice of this name."""
        self.page.get_by_role("radio", name=self.say(message), exact=True).check()

    def fits(self) -> None:
        """Hold that nothing of the page sticks out of the window."""
        wide, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert wide <= window, f"{self.page.url} is {wide} wide in a window of {window}"


class Citizen(Visitor):
    """Somebody who pays a bill."""

    def find(self, reference: str) -> None:
        """Find a bill by its code from the start page."""
        self.open("/")
        self.page.get_by_label(self.say("Bill code or dossier code")).fill(reference)
        self.press("Find my bill")
        expect(self.page).to_have_url(f"{self.live.places.pages}/bills/{reference}")

    def pay_by(self, channel: str) -> None:
        """Choose how to pay on the bill's page and go on."""
        self.pick(channel)
        self.page.locator("form#pay button").click()

    def pay_at_vnpay(self) -> None:
        """Pay on the page of VNPay and come back."""
        self.pay_on_page("Cổng thanh toán VNPAY")

    def pay_on_page(self, heading: str) -> None:
        """Pay on a provider's page of this heading and come back."""
        expect(self.page.get_by_role("heading", name=heading)).to_be_visible()
        self.page.get_by_role("button", name="Thanh toán / Pay").click()
        self.page.wait_for_url(f"{self.live.places.pages}/payments/*")

    def pay_at_stripe(self, card: str) -> None:
        """Pay by a card on the page of Stripe."""
        expect(self.page.get_by_role("heading", name="Stripe Checkout")).to_be_visible()
        self.page.get_by_label("Số thẻ / Card number").fill(card)
        self.page.get_by_role("button", name="Thanh toán / Pay").click()

    def read_code(self) -> str:
        """Read the transfer code off the screen, as a phone's camera does."""
        code = self.page.locator(".app-qr img")
        expect(code).to_be_visible()
        pixels = _pixels(self.page.context.new_page(), code.screenshot())
        found = zxingcpp.read_barcode(pixels)
        assert found is not None, "no scanner reads the code on the screen"
        text: str = found.text
        return text

    def transfer(self, payload: str, *, amount: int | None = None) -> None:
        """Scan a code with the bank's app on another page and confirm the transfer."""
        phone = self.page.context.new_page()
        phone.goto(f"{self.live.places.simulators}/bank/scan?payload={quote(payload)}")
        if amount is not None:
            phone.get_by_label("Số tiền / Amount (VND)").fill(str(amount))
        phone.get_by_role("button", name="Xác nhận / Confirm").click()
        expect(phone.get_by_role("heading")).to_contain_text("Transfer done")
        phone.close()


class Staff(Visitor):
    """An officer, approver, auditor or administrator of the demonstration city."""

    def sign_in(self, role: str) -> None:
        """Sign in with the demonstration's account of a role."""
        person = next(one for one in STAFF if one.role == role)
        self.open("/staff")
        self.page.get_by_label(self.say("User name")).fill(person.username)
        self.page.get_by_label(self.say("Password")).fill(person.password)
        self.press("Sign in")
        expect(self.page).not_to_have_url(f"{self.live.places.pages}/staff/sign-in?to=/staff")


def _pixels(blank: Page, png: bytes) -> npt.NDArray[np.uint8]:
    """Return a picture's pixels as grey values, decoded by the browser itself."""
    address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    height, width, reds = blank.evaluate(_PIXELS, address)
    blank.close()
    return np.frombuffer(base64.b64decode(reds), np.uint8).reshape(height, width)
