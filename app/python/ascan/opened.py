"""A scan on disk, as tables and arrays; what is done with it, the program does."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import plugins, program, tables
from .errors import AscanError
from .results import Comparison, Repair, Spread, Suggestion
from .settings import Settings, flags
from .slices import Slice, Slices, read_slices
from .views import Views

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

StrPath = str | os.PathLike[str]


class Scan(Views):
    """A finished scan: `ascan.open(folder)` opens one, `ascan.scan(…)` makes one.

    Attributes:
        path: Its folder.
        plan: What its rows depend on, as in `plan.json`.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        if not (self.path / "plan.json").is_file():
            raise AscanError(f"{self.path} holds no scan", hint="make one with `ascan.scan(model, images, out=…)`")
        self.plan: dict[str, Any] = tables.load_json(self.path / "plan.json")

    # What was found.

    @cached_property
    def _config(self) -> dict[str, Any]:
        return tables.load_toml(self.path / "scan.toml")

    @cached_property
    def _base(self) -> pa.Table:
        return tables.samples(self.path, self.plan, self._config)

    def _verdicts(self) -> Any:
        return tables.verdicts(self.path)

    def _class_name(self, index: int) -> str:
        names = self.class_names
        return names[index] if 0 <= index < len(names) else (f"class {index}" if index >= 0 else "")

    @property
    def class_names(self) -> list[str]:
        """Names of the answers, in the order of `probs`; empty if they are not known."""
        return list(self.plan["model"]["class_names"])

    @property
    def methods(self) -> list[str]:
        """Names of the attribution methods whose maps are kept, the one that weights the features first."""
        every = [self.plan["attribution"], *self.plan.get("also", [])]
        return [method.get("name") or method["plugin"] for method in every]

    @property
    def samples(self) -> pa.Table:
        """One row per image, as a `pyarrow.Table`; `.to_pandas()` makes a data frame.

        `path`, `label` and `prediction` (names where they are known, else indices; null if unknown), `probs` (`[n_classes]`),
        `loss`, `slice` (of the newest slice set; -1: in none), `verdict` (null: nothing was said), `spuriousness` (0 to
        1; null: not known), then `label_index`, `prediction_index` (-1: unknown), `error` (why an image failed) and
        what else the data set and the methods say.

        Raises:
            AscanError: If the scan is not finished or damaged.
        """
        import pyarrow as pa

        base, said = self._base, self._verdicts()
        n = base.num_rows
        newest = tables.newest_slice_set(self.path)
        added = {
            "slice": tables.assignment(self.path, newest) if newest else pa.nulls(n, pa.int32()),
            "verdict": pa.array(said["verdict"] or [None] * n, pa.string()),
            "spuriousness": pa.array(said["spuriousness"] or [None] * n, pa.float32()),
        }
        first = ("path", "label", "prediction", "probs", "loss")
        rest = [name for name in base.column_names if name not in first]
        columns = {name: base[name] for name in first} | added | {name: base[name] for name in rest}
        return pa.table(columns)

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """The vectors that are sliced, `[n, d]`, zeros for an image that failed.

        Mapped from a file of the scan's cache: nothing is copied into memory. The program lays that file out when it is
        asked for the first time.
        """
        return tables.mapped(self.path, "embeddings")

    def maps(self, method: str | None = None) -> npt.NDArray[np.float32]:
        """Attribution maps, `[n, h, w]`, in the method's own unit, not scaled; mapped as `features`.

        Args:
            method: One of `methods`; by default the first.

        Raises:
            AscanError: If the scan has no such maps; it names those that it has.
        """
        return tables.mapped(self.path, method or self.methods[0])

    @property
    def slice_sets(self) -> list[str]:
        """Names of the slice sets, sorted."""
        return sorted(report.parent.name for report in (self.path / "slices").glob("*/report.json"))

    @property
    def slices(self) -> Slices:
        """The slices of the newest set, those first that are clearly worse than the rest.

        Raises:
            AscanError: If there are none.
        """
        return read_slices(self, None)

    def slices_of(self, slice_set: str) -> Slices:
        """The slices of one set.

        Raises:
            AscanError: If there is none of this name; it names those that exist.
        """
        return read_slices(self, slice_set)

    # What is done with it.

    def slice(
        self,
        slicer: str | plugins.Plugin | None = None,
        *,
        settings: Settings | None = None,
        progress: bool = True,
        **params: Any,
    ) -> Slices:
        """Slices again; results are kept side by side, and the newest is the one of `slices`.

        Args:
            slicer: Name of a slicer, or one in Python (`ascan.slicer`); by default the one of the scan's settings.
            settings: Further settings by their dotted keys.
            progress: Whether bars and notes are shown.
            **params: Parameters of the slicer: `n_slices=25`.

        Raises:
            SettingsError: For unknown names and parameters; it names those that exist.
        """
        chosen = plugins.settings_of("slicing", slicer, params, self.path) | dict(settings or {})
        found = program.run("slice", self.path, *flags(chosen), progress=progress).output
        return read_slices(self, found["id"])

    def mark(
        self,
        subject: int | Slice | None = None,
        verdict: str = "",
        *,
        images: Sequence[int] | None = None,
        note: str = "",
    ) -> None:
        """Gives a verdict; the newest one on an image holds.

        Args:
            subject: A slice, or the number of one of the newest set.
            verdict: `core` (the model looks at what makes the class), `spurious` (at something else) or `noisy_label`.
            images: Rows of the scan, instead of a slice.
            note: Why, in your own words.

        Raises:
            SettingsError: For an unknown slice, row or verdict.
        """
        if isinstance(subject, Slice):
            about = ["--slice", str(subject.id), "--slices", subject.slice_set]
        elif subject is not None:
            about = ["--slice", str(subject)]
        else:
            about = ["--images", ",".join(str(int(row)) for row in images or [])]
        program.run("mark", self.path, verdict, *about, "--note", note)

    def suggest(self, *, accept: bool = False, progress: bool = True) -> list[Suggestion]:
        """Asks the model itself what the predictions of each slice follow, and proposes verdicts; no labels are needed.

        At most 20 images of a slice exchange object and surroundings with others, 57 forward passes each: minutes. What has been
        asked is kept, so a call that was stopped goes on.

        Args:
            accept: Gives the proposed verdicts to slices without one, as author "suggested".
            progress: Whether bars and notes are shown.

        Returns:
            One per slice, first those where a verdict would change most.

        Raises:
            AscanError: If the model or the images have gone, or the model has no feature map.
        """
        answer = program.run("suggest", self.path, *(["--accept"] if accept else []), progress=progress).output
        every = answer["suggestions"]
        return [Suggestion(said["slice"], said["proposal"], said["reason"], said["verdict"], said) for said in every]

    def spread(self, *, accept: bool = True, settings: Settings | None = None, progress: bool = True) -> Spread:
        """Spreads the verdicts to every image; its spuriousness is in `samples` from then on.

        Args:
            accept: Whether the result is accepted as it is, for `repair`.
            settings: `{"spread.alpha": 0.3}` and the like.
            progress: Whether bars and notes are shown.

        Raises:
            AscanError: If there are no verdicts.
        """
        report = program.run("spread", self.path, *flags(settings or {}), progress=progress).output
        if accept:
            report = program.run("spread", self.path, "--accept").output
        auroc = report["check"]["auroc"]
        return Spread(report["n_spurious"], report["n_known"], auroc, report["review"]["accepted"], report)

    def repair(
        self,
        out: StrPath,
        regularizer: str | None = None,
        *,
        settings: Settings | None = None,
        progress: bool = True,
        **params: Any,
    ) -> Repair:
        """Fine-tunes the model so that it relies less on what is spurious. This scan is one of training images.

        Args:
            out: Folder for the repair; an unfinished one there goes on.
            regularizer: Its name (`corm`, `dfr`, …); by default the one of the settings.
            settings: `{"repair.epochs": 5}` and the like.
            progress: Whether bars and notes are shown.
            **params: Parameters of the regularizer.

        Raises:
            AscanError: If the model cannot be trained, or nothing was spread.
        """
        chosen = {"repair.plugin": regularizer} | {f"repair.params.{key}": value for key, value in params.items()}
        arguments = ("repair", self.path, self.path / "scan.toml", "--out", out, *flags(chosen | dict(settings or {})))
        answer = program.run(*arguments, progress=progress)
        summary = answer.output
        return Repair(Path(out), Path(summary["model"]), answer.exit_code == 0, summary)

    def compare(self, after: Scan, *, report: StrPath | None = None, progress: bool = True) -> Comparison:
        """This scan beside one of the same images by another model.

        Args:
            after: The other scan: `ascan.scan(repair.model, …)`.
            report: Where to write the comparison as an HTML file.
            progress: Whether bars and notes are shown.

        Raises:
            AscanError: If the images are not the same, or this scan has no slices.
        """
        page = ["-o", report] if report else []
        found = program.run("compare", self.path, after.path, *page, progress=progress).output

        def pair(name: str) -> tuple[float, float] | None:
            value = found[name]
            return (value["before"], value["after"]) if value else None

        both = pair("accuracy") or (float("nan"), float("nan"))
        return Comparison(both, pair("worst_class_accuracy"), pair("worst_slice_accuracy"), found)

    def _words(self) -> list[tuple[str, str]]:
        data, model = self.plan["data"], self.plan["model"]
        made_by = Path(self._config.get("model", {}).get("path", "")).name or "no model"
        features = f"{data['n_rows']} × {self.plan['features']['n_dims']}"
        return [
            ("images", str(data["n_rows"])),
            ("model", made_by),
            ("classes", ", ".join(self.class_names[:10]) or str(model["n_classes"])),
            ("maps", ", ".join(self.methods)),
            ("features", features),
            ("slice sets", ", ".join(self.slice_sets) or "none"),
        ]

    def __len__(self) -> int:
        return int(self.plan["data"]["n_rows"])

    def __repr__(self) -> str:
        words = "; ".join(f"{name}: {value}" for name, value in self._words())
        return f"<scan {self.path}: {words}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in self._words())
        return f"<p><b>scan</b> {html.escape(str(self.path))}</p><table>{rows}</table>"
