"""The group that the key exchange and the 2FA password share, and arithmetic in it.

The safe prime is the one Telegram itself sends, which clients know by heart and do not test again
(core.telegram.org/mtproto/auth_key, core.telegram.org/api/srp).
"""

import secrets

import gmpy2

PRIME_BYTES = bytes.fromhex(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f"
    "48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37"
    "20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64"
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4"
    "a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754"
    "fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4"
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f"
    "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b"
)
PRIME = int.from_bytes(PRIME_BYTES)
GENERATOR = 3
SIZE = len(PRIME_BYTES)
_MARGIN = 1 << (2048 - 64)
_EXPONENT_BITS = 512


def power(base: int, exponent: int, modulus: int = PRIME) -> int:
    """`pow(base, exponent, modulus)`, about ten times faster."""
    return int(gmpy2.powmod(base, exponent, modulus))


def random_exponent() -> int:
    """A fresh secret exponent.

    Shorter than Telegram's 2048 bits, which saves four fifths of a key exchange's work, and still far above the
    225 that are enough in a group of this size (RFC 7919, appendix A.1).
    """
    return secrets.randbits(_EXPONENT_BITS)


def is_safe(public: int) -> bool:
    """Whether the other side's g^x is far enough from both ends of the group."""
    return _MARGIN <= public <= PRIME - _MARGIN
