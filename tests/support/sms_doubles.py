"""Mitake and Twilio, as far as their documents say what they do. They refuse what the documents refuse.

Mitake: "SMS HTTP API" 2.14. Twilio: the Messages resource of 2010-04-01, and "Security" for its receipts' signature.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"


async def form_of(request: web.Request) -> dict[str, str]:
    """A form's fields; each may be there once."""
    assert request.content_type == FORM
    pairs = parse_qsl((await request.read()).decode("utf-8", "strict"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@dataclass
class MitakeDouble:
    """One account. ``answers`` are statuscodes, or HTTP answers, given instead of taking what comes next."""

    user: str = "kinbind"
    password: str = "mitake-password"
    url: str = ""
    answers: list[str | web.Response] = field(default_factory=list)
    #: What went to a carrier.
    sent: list[dict[str, str]] = field(default_factory=list)
    #: Each request, repeated ones too.
    asked: list[dict[str, str]] = field(default_factory=list)
    _msgids: dict[str, str] = field(default_factory=dict)

    def app(self) -> web.Application:
        """To be served; ``url`` is its address with /api/mtk."""
        app = web.Application()
        app.router.add_post("/api/mtk/SmSend", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        self.asked.append(form)
        if self.answers:
            answer = self.answers.pop(0)
            return self._refuse(form, answer) if isinstance(answer, str) else answer
        return self._answer(form, request.query.get("CharsetURL", "Big5"))

    def _answer(self, form: dict[str, str], charset: str) -> web.Response:
        if fault := self._fault(form, charset):
            return self._refuse(form, fault)
        clientid = form.get("clientid", "")
        if clientid in self._msgids:
            return self._say(clientid, f"msgid=#{self._msgids[clientid]}", "statuscode=1", "Duplicate=Y")
        msgid = f"{len(self.sent) + 1:010}"
        self._msgids[clientid] = msgid
        self.sent.append(form)
        return self._say(clientid, f"msgid=#{msgid}", "statuscode=1", "AccountPoint=126")

    def _fault(self, form: Mapping[str, str], charset: str) -> str | None:
        """The statuscode of what is wrong with a request."""
        if not form.get("username"):
            return "c"
        if not form.get("password"):
            return "d"
        if (form["username"], form["password"]) != (self.user, self.password):
            return "e"
        if not form.get("smbody"):
            return "u"
        if not re.fullmatch(r"09\d{8}", form.get("dstaddr", "")):
            return "v"
        # The document's word for UTF-8; a line's end is ASCII 6.
        known = {"username", "password", "dstaddr", "smbody", "vldtime", "response", "clientid"}
        wrong = charset != "UTF8" or "\n" in form["smbody"] or "\r" in form["smbody"] or not form.keys() <= known
        lengths = {"username": 20, "password": 24, "dstaddr": 20, "vldtime": 14, "response": 256, "clientid": 36}
        wrong |= any(len(form.get(name, "")) > most for name, most in lengths.items())
        wrong |= not re.fullmatch(r"\d+", form.get("vldtime", "1")) or not 0 < int(form.get("vldtime", "1")) <= 86400
        return "y" if wrong else None

    def _refuse(self, form: Mapping[str, str], code: str) -> web.Response:
        return self._say(form.get("clientid", ""), f"statuscode={code}", "Error=不行")

    def _say(self, clientid: str, *lines: str) -> web.Response:
        text = "".join(f"{line}\r\n" for line in (f"[{clientid or 1}]", *lines))
        return web.Response(body=text.encode("big5"), content_type="text/plain")

    def receipt(self, sent: Mapping[str, str], flag: str) -> str:
        """The address, with what is in it, that Mitake calls about a message: it is a GET."""
        said = {"4": "DELIVRD", "5": "SYNTAXE", "6": "UNDELIV", "7": "UNDELIV", "8": "EXPIRED", "9": "DELETED"}
        values = {
            "msgid": self._msgids[sent["clientid"]],
            "dstaddr": sent["dstaddr"],
            "dlvtime": "20261124090000",
            "donetime": "20261124090007",
            "statusstr": said.get(flag, "UNKNOWN"),
            "statuscode": "0",
            "StatusFlag": flag,
        }
        return f"{sent['response']}?{urlencode(values)}"


@dataclass
class TwilioDouble:
    """One account. ``answers`` are (status, code), or HTTP answers, given instead of taking what comes next."""

    account: str = "AC" + "0" * 32
    token: str = "twilio-token"
    sender: str = "+15005550006"
    url: str = ""
    answers: list[tuple[int, int] | web.Response] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)

    def app(self) -> web.Application:
        """To be served; ``url`` is its address."""
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if self.answers:
            answer = self.answers.pop(0)
            return self._refuse(*answer) if isinstance(answer, tuple) else answer
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        right = f"{self.account}:{self.token}"
        if scheme != "Basic" or b64decode(credentials).decode() != right:
            return self._refuse(401, 20003)
        if request.match_info["account"] != self.account:
            return self._refuse(404, 20404)
        if code := self._fault(form):
            return self._refuse(400, code)
        sid = f"SM{uuid4().hex}"
        self.sent.append({**form, "sid": sid})
        return web.json_response({"sid": sid, "status": "queued", "error_code": None, "to": form["To"]}, status=201)

    def _fault(self, form: Mapping[str, str]) -> int | None:
        """The code of what is wrong with a request."""
        checks = (
            (21604, bool(form.get("To"))),
            (21211, re.fullmatch(r"\+[1-9]\d{7,14}", form.get("To", "")) is not None),
            (21606, form.get("From") == self.sender or form.get("MessagingServiceSid") == self.sender),
            (21602, bool(form.get("Body"))),
            (21617, len(form.get("Body", "")) <= 1600),
            (21624, re.fullmatch(r"\d+", form.get("ValidityPeriod", "1")) is not None),
            (21624, 1 <= int(form.get("ValidityPeriod", "1")) <= 36000),
            (21609, _is_callback(form.get("StatusCallback", "https://a.example/"))),
        )
        return next((code for code, is_well in checks if not is_well), None)

    def _refuse(self, status: int, code: int) -> web.Response:
        more = f"https://www.twilio.com/docs/errors/{code}"
        return web.json_response({"code": code, "message": "No.", "more_info": more, "status": status}, status=status)

    def receipt(self, sent: Mapping[str, str], status: str, code: int | None = None) -> tuple[str, str, str]:
        """The address that Twilio posts to about a message, the form, and its signature."""
        values = {
            "SmsSid": sent["sid"],
            "SmsStatus": status,
            "MessageStatus": status,
            "To": sent["To"],
            "MessageSid": sent["sid"],
            "AccountSid": self.account,
            "From": self.sender,
            "ApiVersion": "2010-04-01",
            "RawDlrDoneDate": "",
        } | ({"ErrorCode": str(code)} if code else {})
        return sent["StatusCallback"], urlencode(values), self.sign(sent["StatusCallback"], values)

    def sign(self, url: str, values: Mapping[str, Any]) -> str:
        """As "Security" says: the address, then each name with its value, by the names' order."""
        signed = url + "".join(name + str(values[name]) for name in sorted(values))
        return b64encode(hmac.new(self.token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _is_callback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return urlsplit(url).scheme in {"http", "https"} and "." in host and "_" not in host
