from geoclusters.errors import quoted, shown


def test_a_text_stands_in_a_message_between_quotation_marks() -> None:
    assert quoted("Breite") == "'Breite'"
    assert shown("Breite") == "Breite"


def test_a_long_text_is_cut_in_a_message() -> None:
    assert shown("x" * 40) == "x" * 40
    assert shown("x" * 41) == "x" * 40 + "…"
    assert quoted("x" * 41) == f"'{'x' * 40}…'"


def test_control_characters_do_nothing_in_a_message() -> None:
    assert shown("a\x1b[2J\nb\u202e") == r"a\x1b[2J\nb\u202e"
