from geoclusters.errors import printable, quoted, shown


def test_a_text_stands_in_a_message_between_quotation_marks() -> None:
    assert quoted("Breite") == "'Breite'"
    assert shown("Breite") == "Breite"


def test_a_long_text_is_cut_in_a_message() -> None:
    assert shown("x" * 40) == "x" * 40
    assert shown("x" * 41) == "x" * 40 + "…"
    assert quoted("x" * 41) == f"'{'x' * 40}…'"


def test_control_characters_do_nothing_in_a_message() -> None:
    assert shown("a\x1b[2J\nb\u202e") == r"a\x1b[2J\nb\u202e"


def test_a_whole_text_stands_in_a_message_without_control_characters() -> None:
    assert printable("x" * 500 + "ü 🏭") == "x" * 500 + "ü 🏭"
    assert printable("a\r\nb\0\u202ec") == r"a\r\nb\x00\u202ec"
