"""What expires in the otp service: codes that were tried or not, and answers that nobody asks for again."""

from __future__ import annotations

from otp_service.storage import EXPIRED
from shared.purging import of_statement

PURGES = tuple(map(of_statement, EXPIRED))
