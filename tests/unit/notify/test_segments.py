import pytest

from notify_service.segments import size


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("@host #049497\n£é", "GSM-7", 16, 1),
        ("[" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("ế" * 70, "UCS-2", 70, 1),
        ("ế" * 71, "UCS-2", 71, 2),
        ("a" * 69 + "，", "UCS-2", 70, 1),
        ("碼" * 134, "UCS-2", 134, 2),
        ("碼" * 135, "UCS-2", 135, 3),
        ("\U00020000" * 35, "UCS-2", 70, 1),
        ("\U00020000" * 36, "UCS-2", 72, 2),
        ("ç", "UCS-2", 1, 1),
        ("`", "UCS-2", 1, 1),
    ],
)
def test_size(text: str, encoding: str, units: int, segments: int):
    its = size(text)
    assert (its.encoding, its.units, its.segments) == (encoding, units, segments)
