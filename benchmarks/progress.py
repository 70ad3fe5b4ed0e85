"""How far the run is."""

from tqdm import tqdm


class Progress:
    def __init__(self, steps: int) -> None:
        self._bar = tqdm(total=steps, bar_format="{percentage:3.0f}% |{bar:30}| {elapsed}  {desc}")
        self._begun = False

    def step(self, doing: str) -> None:
        """The step before this one is done."""
        if self._begun:
            self._bar.update()
        self._begun = True
        self._bar.set_description_str(doing)

    def say(self, doing: str) -> None:
        """A part of the step."""
        self._bar.set_description_str(doing)

    def end(self) -> None:
        self._bar.update()
        self._bar.set_description_str("done")
        self._bar.close()
