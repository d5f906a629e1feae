"""The console of the command line: it obeys nobody's texts, and breaks lines between words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cli.wrapping import wrapped
from lambdas.domain.text.plain_text import without_controls

_PLAIN_WIDTH = 200


class CleanConsole(Console):
    """A console on which texts of other people are only seen: they move no cursor, set no title and make no line."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own options, handed on
        """Make what is shown of a string, wherever it stands: in a line, a cell or a title."""
        return super().render_str(without_controls(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Clean once more what comes styled; only rich's own segments may command the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(without_controls(segment.text, keep="\n"), segment.style)

    def say(self, text: str, *, style: str = "", hang: int = 0, mark: tuple[str, str] | None = None) -> None:
        """Print a text; on a terminal broken between words, elsewhere on one long line.

        Parameters
        ----------
        text : str
        style : str
        hang : int
            Spaces before each line that goes on.
        mark : tuple of (str, str), optional
            A sign before the text, and its style.
        """
        sign, sign_style = (f"{mark[0]} ", mark[1]) if mark else ("", "")
        shown = without_controls(sign + text, keep="\n")
        lines = wrapped(shown, self.width, hang) if self.is_terminal else [shown]
        for at, line in enumerate(lines):
            styled = Text(line, style=style)
            if at == 0 and sign:
                styled.stylize(sign_style, 0, len(sign))
            self.print(styled, soft_wrap=True)


def console(*, stderr: bool = False) -> CleanConsole:
    """Make the console of this call; where nobody watches, lines are long instead of folded."""
    screen = CleanConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = _PLAIN_WIDTH
    return screen


def shown_after(begin: str, text: str) -> str:
    """Give what stands after ``begin`` on the error stream: on a terminal, with line ends between words."""
    screen, shown = console(stderr=True), without_controls(text, keep="\n")
    if not screen.is_terminal:
        return shown
    return "\n".join(wrapped(begin + shown, screen.width)).removeprefix(begin)
