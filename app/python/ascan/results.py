"""What methods of a scan give back: a picture, a spread, a repaired model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image


class Picture:
    """A PNG picture; a notebook shows it."""

    def __init__(self, png: bytes) -> None:
        #: The bytes of the file.
        self.png = png

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes it to a file."""
        Path(file).write_bytes(self.png)

    @property
    def image(self) -> Image:
        """The picture for Pillow, which has to be installed."""
        import io

        from PIL import Image

        return Image.open(io.BytesIO(self.png))

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        # Width and height stand at this place of every PNG.
        width, height = (int.from_bytes(self.png[at : at + 4], "big") for at in (16, 20))
        return f"<picture, {width} × {height} pixels; a notebook shows it, .save(file) keeps it>"


@dataclass(frozen=True)
class Spread:
    """What was made of the verdicts; the values of each image are in `scan.samples`.

    Attributes:
        n_spurious: Images that are more spurious than core.
        n_known: Images of which something is known.
        auroc: How well held-out verdicts were predicted from the rest; `None` where there are too few.
        accepted: Whether somebody accepted it.
        report: Everything that the program says of it.
    """

    n_spurious: int
    n_known: int
    auroc: float | None
    accepted: bool
    report: dict[str, Any]

    def __repr__(self) -> str:
        check = "not checked: too few verdicts" if self.auroc is None else f"AUROC {self.auroc:.3f} on held-out verdicts"
        return f"<spread: {self.n_spurious} of {self.n_known} images are more spurious than core; {check}>"


@dataclass(frozen=True)
class Repair:
    """A fine-tuned model.

    Attributes:
        path: Folder of the repair.
        model: The ONNX file: scan it, and compare.
        helped: Whether it is better than the model before, and than training equally long without a regularizer.
        summary: Everything that the program says of it.
    """

    path: Path
    model: Path
    helped: bool
    summary: dict[str, Any]

    def __repr__(self) -> str:
        return f"<repair: {self.model}, {'better than before' if self.helped else 'it did not help: keep the model before'}>"


@dataclass(frozen=True)
class Suggestion:
    """What the model itself says of a slice when it is asked.

    Attributes:
        slice: Number of the slice.
        proposal: `spurious`, `core`, or `None` where the model's answers do not decide.
        reason: Why, in a sentence.
        verdict: The verdict that was given; `None` if there is none.
        report: Everything that the program says of it: `reliance` on `object` and on the attributed `region`, each with its
            95 % interval.
    """

    slice: int
    proposal: str | None
    reason: str
    verdict: str | None
    report: dict[str, Any]

    def __repr__(self) -> str:
        given = f"; verdict: {self.verdict}" if self.verdict else ""
        return f"<slice {self.slice}: {self.proposal or 'undecided'}: {self.reason}{given}>"


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images.

    Attributes:
        accuracy: Share of right predictions before and after.
        worst_class: That of the class on which the model is worst.
        worst_slice: That of the slice, cut on the scan before, on which the model is worst.
        report: Everything that the program says: every class, group and slice.
    """

    accuracy: tuple[float, float]
    worst_class: tuple[float, float] | None
    worst_slice: tuple[float, float] | None
    report: dict[str, Any]

    def __repr__(self) -> str:
        every = {"all images": self.accuracy, "worst class": self.worst_class, "worst slice": self.worst_slice}
        said = (f"{name} {pair[0]:.1%} → {pair[1]:.1%}" for name, pair in every.items() if pair)
        return f"<right predictions: {', '.join(said)}>"
