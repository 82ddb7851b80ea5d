"""Tables as Markdown that also reads well in a terminal: columns are padded."""

from collections.abc import Sequence

MISSING = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text left, numbers right: a column is of numbers where all its cells are."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    rule = [
        "-" * (width - 1) + (":" if is_right else "-")
        for width, is_right in zip(widths, right, strict=True)
    ]
    lines = [_line(cells, widths, right) for cells in (header, rule, *rows)]
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three significant digits, whole where larger: 0.123, 12.3, 1,234."""
    if value is None:
        return MISSING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _is_number(cell: str) -> bool:
    return cell == MISSING or cell.replace(",", "").replace(".", "").isdigit()


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "| " + " | ".join(padded) + " |"
