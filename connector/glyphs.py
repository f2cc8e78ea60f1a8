"""Letters of five by seven dots, for the line below a code in a picture: people read what the scanner cannot."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 5, 7  # dots of a letter; one dot stands between two

# Seven rows of five dots, a byte each, the leftmost dot highest.
_DOTS = {
    "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E", "4": "02060A121F0202",
    "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E", "9": "0E11110F01020C",
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1C12111111121C", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11111915131111", "O": "0E11111111110E",
    "P": "1E11111E101010", "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "1111111515150A", "X": "11110A040A1111", "Y": "1111110A040404",
    "Z": "1F01020408101F", "a": "00000E010F110F", "b": "1010161911111E", "c": "00000E1010110E", "d": "01010D1311110F",
    "e": "00000E111F100E", "f": "0609081C080808", "g": "000F11110F010E", "h": "10101619111111", "i": "04000C0404040E",
    "j": "0200060202120C", "k": "10101214181412", "l": "0C04040404040E", "m": "00001A15151111", "n": "00001619111111",
    "o": "00000E1111110E", "p": "00001E111E1010", "q": "00000D130F0101", "r": "00001619101010", "s": "00000E100E011E",
    "t": "08081C08080906", "u": "0000111111130D", "v": "00001111110A04", "w": "0000111115150A", "x": "0000110A040A11",
    "y": "000011110F010E", "z": "00001F0204081F", "-": "0000001F000000", ".": "00000000000C0C", "_": "0000000000001F",
    "~": "00000815020000", ":": "000C0C000C0C00", "(": "02040808080402", ")": "08040202020408", "/": "00010204081000",
    " ": "00000000000000",
}  # fmt: skip
_UNKNOWN = "1F11111111111F"


def width(text: str) -> int:
    """Dots of a line, the gaps between its letters with it."""
    return max(0, (WIDTH + 1) * len(text) - 1)


def lines(text: str) -> Sequence[Sequence[bool]]:
    """Seven rows of dots, True where there is ink; a letter that is not here is a box."""
    rows = [bytes.fromhex(_DOTS.get(letter, _UNKNOWN)) for letter in text]
    return [
        [bool(letter[row] >> (WIDTH - 1 - dot) & 1) if dot < WIDTH else False for letter in rows for dot in range(WIDTH + 1)][:-1]
        for row in range(HEIGHT)
    ]
